//! Defects of requests, in the order in which the service looks for them.

use std::time::Duration;

use bytes::Bytes;

use super::describe::Rate;
use super::order::{Draft, soon};
use super::state::sha1_hex;
use crate::lab::script::Span;

/// A symbol, and what is done to a good request to earn it.
pub type Defect = (&'static str, fn(&mut Draft));

/// The session of the file.
pub const SESSION: &str = "00000000000000000000000000000001";
/// The session of another file.
pub const OTHER: &str = "00000000000000000000000000000002";

/// Steps 1 to 3, up to what a signature must be.
pub const FRONT: [Defect; 20] = [
    ("ERROR_PROXY_INVALID_PROTOCOL", |draft| draft.version = "v0"),
    ("ERROR_CGI_URL_NOTMATCH", |draft| draft.bucket = ""),
    ("ERROR_PROXY_INVALID_APPID", |draft| draft.appid = "abc"),
    ("ERROR_CMD_NOT_UTF8_ENCODING", |draft| draft.behind = "//%ff"),
    ("ERROR_CMD_COS_INVALID_PATH", |draft| draft.behind = "//x"),
    ("ERROR_CGI_REQ_METHOD", |draft| draft.method = "PUT"),
    ("broken body", |draft| draft.broken = true),
    ("ERROR_CGI_PARAM_MISSING_OP", |draft| drop(draft.fields.remove("op"))),
    ("ERROR_CGI_UNSUPPORTED_METHOD", |draft| draft.set("op", "copy")),
    ("ERROR_PROXY_AUTH_UNSUPPORTED_OP", |draft| draft.set("op", "foo")),
    ("ERROR_PROXY_AUTH_SIGN_EMPTY", |draft| draft.authorization = Some("")),
    ("ERROR_CGI_AUTHORIZATION", |draft| draft.authorization = Some("abc")),
    ("ERROR_PROXY_AUTH_APPID_NOEXIST", |draft| draft.sign("a", "999")),
    ("ERROR_PROXY_AUTH_SECRETID_NOEXIST", |draft| draft.sign("k", "AKIDother")),
    ("ERROR_PROXY_AUTH_APPID", |draft| {
        draft.sign("a", "10001");
        draft.sign("k", "AKIDsecond");
    }),
    ("ERROR_PROXY_AUTH_FAILED", |draft| draft.key = "guess"),
    ("ERROR_PROXY_AUTH_EXPIRED", |draft| draft.sign("e", "1")),
    ("ERROR_PROXY_APPID_USERID_NOTMATCH", |draft| {
        draft.sign("a", "10002");
        draft.sign("k", "AKIDsecond");
        if draft.key == "secretexample" {
            draft.key = "secretsecond";
        }
    }),
    ("ERROR_PROXY_FORBID_APPID", |draft| {
        draft.description.accounts.get_mut("10001").expect("the account is there").blocked = true;
    }),
    ("ERROR_PROXY_SIGN_BUCKET_NOTMATCH", |draft| draft.sign("b", "second")),
];
/// Of signatures that are good once.
pub const ONCE: [Defect; 4] = [
    ("ERROR_PROXY_AUTH_ONCESIGN_EXPIREDNOTEMPTY", |draft| draft.sign("e", &soon())),
    ("ERROR_PROXY_AUTH_ONCESIGN_NOFILEID", |draft| draft.sign("f", "")),
    ("ERROR_PROXY_FILEID_NOTMATCH", |draft| draft.sign("f", "/10001/probe/zzz")),
    ("ERROR_PROXY_AUTH_REPLAY_ATTACH", |draft| draft.twice = true),
];
/// Of signatures that are good for longer.
pub const MANY: [Defect; 2] = [
    ("ERROR_PROXY_AUTH_MULTISIGN_EXPIREDEMPTY", |draft| {
        draft.sign("e", "0");
        draft.sign("f", "");
    }),
    ("ERROR_PROXY_FILEID_NOTMATCH", |draft| draft.sign("f", "/10001/probe/zzz")),
];
/// Of accounts that ask too often.
pub const RATE: [Defect; 1] = [("ERROR_PROXY_FREQ_CONTROL", |draft| {
    draft.description.rate = Some(Rate { requests: 0, within: Span(Duration::from_secs(60)) });
})];
/// Step 5 begins with the bucket.
pub const NO_BUCKET: Defect = ("ErrParamInvalidFilePathInvalid", |draft| draft.bucket = "nowhere");

/// Of uploads.
pub const UPLOAD: [Defect; 10] = [
    ("ERROR_CMD_PARAM_PAHT_FILE_SURPLUS_SLASH", |draft| draft.path = "/f.bin/"),
    ("ERROR_CGI_PARAM_MISSING_SHA", |draft| drop(draft.fields.remove("sha"))),
    ("ERROR_CMD_COS_INVALID_SHA", |draft| draft.set("sha", "zz")),
    ("ERROR_CGI_MISSING_FILECONTENT", |draft| draft.content = None),
    ("ErrParamInvalid", |draft| draft.set("insertOnly", "7")),
    ("ERROR_CMD_PARAM_INVALID", |draft| draft.set("authority", "foo")),
    NO_BUCKET,
    ("ERROR_CMD_COS_PATH_CONFLICT", |draft| draft.add("/f.bin/")),
    ("ErrSameFileUpload", |draft| draft.add("/f.bin")),
    ("ERROR_CGI_SHA_NOT_MATCH", |draft| draft.set("sha", &sha1_hex(b"other"))),
];
/// Of the beginning of slices.
pub const INIT: [Defect; 16] = [
    ("ERROR_CMD_PARAM_PAHT_FILE_SURPLUS_SLASH", |draft| draft.path = "/f.bin/"),
    ("ERROR_CGI_PARAM_MISSING_SHA", |draft| drop(draft.fields.remove("sha"))),
    ("ERROR_CMD_COS_INVALID_SHA", |draft| draft.set("sha", "zz")),
    ("ERROR_CGI_PARAM_MISSING_FILESIZE", |draft| drop(draft.fields.remove("filesize"))),
    ("ERROR_CGI_FILESIZE", |draft| draft.set("filesize", "-1")),
    ("ERROR_PROCESS_FILE_TOO_LARGE", |draft| draft.description.largest_file = 9),
    ("ERROR_CGI_SLICE", |draft| draft.set("slice_size", "4194304")),
    ("ERROR_PROCESS_SLICE_TOO_SMALL", |draft| draft.set("slice_size", "1")),
    ("ERROR_PROXY_CONTINUE_TRANSFER_WITH_DATA", |draft| draft.content = Some(Bytes::from_static(b"0123"))),
    ("ErrParamInvalid", |draft| draft.set("insertOnly", "7")),
    NO_BUCKET,
    ("ERROR_CMD_COS_PATH_CONFLICT", |draft| draft.add("/f.bin/")),
    ("ErrSameFileUpload", |draft| draft.add("/f.bin")),
    ("ErrParamInvalidSessionDecodeError", |draft| draft.set("session", "@@")),
    ("ERROR_CGI_WRONG_SESSION", |draft| draft.set("session", OTHER)),
    ("ERROR_PROXY_WRONG_SESSION", |draft| draft.set("session", &"0".repeat(32))),
];
/// Of slices.
pub const SLICE: [Defect; 13] = [
    ("ERROR_CMD_PARAM_PAHT_FILE_SURPLUS_SLASH", |draft| draft.path = "/f.bin/"),
    ("ERROR_CGI_SLICE", |draft| draft.content = Some(vec![b'x'; (3 << 20) + 1].into())),
    ("ERROR_CGI_MISSING_FILECONTENT", |draft| draft.content = None),
    ("ErrParamInvalid", |draft| draft.set("insertOnly", "7")),
    NO_BUCKET,
    ("ERROR_PROXY_NO_SESSION", |draft| drop(draft.fields.remove("session"))),
    ("ErrParamInvalidSessionDecodeError", |draft| draft.set("session", "@@")),
    ("ERROR_CGI_WRONG_SESSION", |draft| draft.set("session", OTHER)),
    ("ERROR_PROXY_WRONG_SESSION", |draft| draft.set("session", &"0".repeat(32))),
    ("ERROR_CGI_REQ_PARAM", |draft| draft.set("offset", "x")),
    ("ERROR_PROCESS_OFFSET", |draft| draft.set("offset", "6")),
    ("ERROR_PROCESS_WRONG_SLICE_SIZE", |draft| draft.content = Some(Bytes::from_static(b"45"))),
    ("ErrParamInvalidCheckSumSizeInvalid", |draft| draft.set("sha", "abc")),
];
/// Of lists.
pub const LIST: [Defect; 7] = [
    ("ERROR_CMD_PARAM_INVALID", |draft| draft.set("order", "2")),
    ("ERROR_CMD_COS_INVALID_LIST_NUM", |draft| draft.set("num", "abc")),
    ("ERROR_CMD_PARAM_MIN_NUM", |draft| draft.set("num", "0")),
    ("ERROR_CMD_COS_MAX_NUM", |draft| draft.set("num", "200")),
    ("ERROR_CMD_COS_INVALID_QUERY_FLAG", |draft| draft.set("pattern", "x")),
    NO_BUCKET,
    ("ERROR_CMD_COS_INDEX_ERROR", |draft| draft.path = "/no/"),
];
/// Of updates.
pub const UPDATE: [Defect; 4] = [
    ("ERROR_CMD_PARAM_INVALID", |draft| {
        draft.set("flag", "128");
        draft.set("authority", "foo");
    }),
    ("ERROR_CMD_COS_INVALID_MOD_FLAG", |draft| draft.set("flag", "2")),
    NO_BUCKET,
    ("ERROR_CMD_FILE_NOTEXIST", |draft| draft.path = "/no"),
];
/// Of deletes.
pub const DELETE: [Defect; 3] = [
    NO_BUCKET,
    ("ERROR_CMD_FILE_NOTEXIST", |draft| draft.path = "/no/"),
    ("ERROR_CMD_COS_DIR_NOT_EMPTY", |draft| draft.path = "/dir/"),
];
/// Of moves.
pub const MOVE: [Defect; 10] = [
    ("ERROR_CMD_PARAM_PAHT_FILE_SURPLUS_SLASH", |draft| draft.path = "/a.txt/"),
    ("ERROR_CMD_PARAM_INVALID", |draft| draft.set("to_over_write", "2")),
    ("ERROR_CMD_PARAM_PATH_EMPTY", |draft| draft.set("dest_fileid", "")),
    ("ERROR_CMD_PARAM_PATH_ELEMENT_MISSING", |draft| draft.set("dest_fileid", "/10001/probe")),
    ("ERROR_CMD_PARAM_PATH_ELEMENT_NOT_MATCH", |draft| draft.set("dest_fileid", "/10002/probe/b.txt")),
    ("ERROR_CGI_CROSS_BUCKET_COPY", |draft| draft.set("dest_fileid", "/10001/second/b.txt")),
    NO_BUCKET,
    ("ERROR_CMD_FILE_NOTEXIST", |draft| draft.path = "/no"),
    ("ERROR_CMD_COS_PATH_CONFLICT", |draft| draft.set("dest_fileid", "/dir")),
    ("ERROR_CMD_COS_FILE_EXIST", |draft| draft.set("dest_fileid", "/a.txt")),
];
/// Of new folders.
pub const CREATE: [Defect; 3] = [
    ("ERROR_CMD_PARAM_PATH_DIR_MISSING_SLASH", |draft| draft.path = "/new"),
    NO_BUCKET,
    ("ERROR_CMD_COS_PATH_CONFLICT", |draft| draft.path = "/dir/"),
];
