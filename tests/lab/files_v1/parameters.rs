//! Step 4: the parameters of an operation.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::Value;

use super::answer::Refusal;
use super::describe::Description;
use super::fields::{Fields, Operation};
use super::url::{Place, is_appid, is_folder, is_path};

/// The largest slice.
const LARGEST_SLICE: u64 = 3 << 20;
/// The smallest slice that may be asked for.
const SMALLEST_SLICE: u64 = 512 << 10;
/// The size of slices where none is asked for.
const USUAL_SLICE: u64 = 1 << 20;
const AUTHORITIES: [&str; 4] = ["", "eInvalid", "eWRPrivate", "eWPrivateRPublic"];
const CUSTOM_HEADERS: [&str; 5] =
    ["cache-control", "content-type", "content-disposition", "content-language", "content-encoding"];
const MOST_ENTRIES: i64 = 199;
const USUAL_ENTRIES: i64 = 20;
/// The bits of an update's flag.
const BIZ_ATTR: u64 = 0x01;
const HEADERS: u64 = 0x40;
const AUTHORITY: u64 = 0x80;

/// What is to be done.
#[derive(Debug)]
pub enum Deed {
    /// Make a folder.
    Create { biz_attr: String },
    /// Store a file.
    Upload { content: Bytes, sha: String, insert_only: bool, marks: Marks },
    /// Begin, or go on with, an upload in slices.
    Init { filesize: u64, sha: String, slice_size: u64, session: Option<String>, insert_only: bool, biz_attr: String },
    /// Store a slice.
    Slice { session: Option<String>, offset: String, content: Bytes, sha: Option<String> },
    /// List.
    List { num: usize, folders: bool, files: bool, backwards: bool, context: String },
    /// Describe.
    Stat,
    /// Change marks.
    Update(Marks),
    /// Delete.
    Delete,
    /// Give another path.
    Move { dest: String, overwrite: bool },
}

/// What a file or folder is marked with; what is absent stays.
#[derive(Clone, Debug, Default)]
pub struct Marks {
    /// Any text.
    pub biz_attr: Option<String>,
    /// Who may read and write.
    pub authority: Option<String>,
    /// The header fields of downloads.
    pub custom_headers: Option<BTreeMap<String, String>>,
}

/// Reads the parameters of an operation.
pub fn read(description: &Description, place: &Place, operation: Operation, fields: &Fields) -> Result<Deed, Refusal> {
    let folder = is_folder(&place.path);
    let biz_attr = fields.text("biz_attr").unwrap_or_default();
    match operation {
        Operation::Create if !folder => Err(Refusal("ERROR_CMD_PARAM_PATH_DIR_MISSING_SLASH")),
        Operation::Upload | Operation::UploadSlice | Operation::Move if folder => {
            Err(Refusal("ERROR_CMD_PARAM_PAHT_FILE_SURPLUS_SLASH"))
        }
        Operation::Create => Ok(Deed::Create { biz_attr }),
        Operation::Upload => read_upload(fields),
        Operation::UploadSlice => read_upload_slice(description, fields),
        Operation::Stat => Ok(Deed::Stat),
        Operation::Delete => Ok(Deed::Delete),
        Operation::List => read_list(fields),
        Operation::Update => read_update(fields),
        Operation::Move => read_move(description, place, fields),
    }
}

fn read_upload(fields: &Fields) -> Result<Deed, Refusal> {
    let sha = read_sha(fields)?;
    let content = fields.content.clone().ok_or(Refusal("ERROR_CGI_MISSING_FILECONTENT"))?;
    let insert_only = read_insert_only(fields)?;
    let authority = fields.text("authority");
    if authority.as_deref().is_some_and(|word| !AUTHORITIES.contains(&word)) {
        return Err(Refusal("ERROR_CMD_PARAM_INVALID"));
    }
    let marks = Marks { biz_attr: fields.text("biz_attr"), authority, custom_headers: None };
    Ok(Deed::Upload { content, sha, insert_only, marks })
}

fn read_upload_slice(description: &Description, fields: &Fields) -> Result<Deed, Refusal> {
    let session = fields.text("session").filter(|session| !session.is_empty());
    let offset = fields.text("offset").filter(|_| !fields.has("filesize"));
    let Some(offset) = offset else { return read_init(description, fields, session) };
    if fields.content.as_ref().is_some_and(|content| content.len() as u64 > LARGEST_SLICE) {
        return Err(Refusal("ERROR_CGI_SLICE"));
    }
    let content = fields.content.clone().ok_or(Refusal("ERROR_CGI_MISSING_FILECONTENT"))?;
    read_insert_only(fields)?;
    Ok(Deed::Slice { session, offset, content, sha: fields.text("sha") })
}

fn read_init(description: &Description, fields: &Fields, session: Option<String>) -> Result<Deed, Refusal> {
    let sha = read_sha(fields)?;
    let filesize = fields.text("filesize").ok_or(Refusal("ERROR_CGI_PARAM_MISSING_FILESIZE"))?;
    let filesize = read_whole(&filesize).filter(|size| *size > 0).ok_or(Refusal("ERROR_CGI_FILESIZE"))?;
    if filesize > description.largest_file {
        return Err(Refusal("ERROR_PROCESS_FILE_TOO_LARGE"));
    }
    let asked = match fields.text("slice_size") {
        Some(text) => read_whole(&text).filter(|size| *size <= LARGEST_SLICE).ok_or(Refusal("ERROR_CGI_SLICE"))?,
        None => 0,
    };
    if (1..SMALLEST_SLICE).contains(&asked) {
        return Err(Refusal("ERROR_PROCESS_SLICE_TOO_SMALL"));
    }
    if fields.content.is_some() {
        return Err(Refusal("ERROR_PROXY_CONTINUE_TRANSFER_WITH_DATA"));
    }
    let insert_only = read_insert_only(fields)?;
    let wanted = if asked == 0 { USUAL_SLICE } else { asked };
    let slice_size = description.slice_size.unwrap_or(wanted);
    let biz_attr = fields.text("biz_attr").unwrap_or_default();
    Ok(Deed::Init { filesize, sha, slice_size, session, insert_only, biz_attr })
}

fn read_sha(fields: &Fields) -> Result<String, Refusal> {
    let sha = fields.text("sha").filter(|sha| !sha.is_empty()).ok_or(Refusal("ERROR_CGI_PARAM_MISSING_SHA"))?;
    let hex = sha.len() == 40 && sha.bytes().all(|byte| byte.is_ascii_hexdigit());
    if hex { Ok(sha.to_lowercase()) } else { Err(Refusal("ERROR_CMD_COS_INVALID_SHA")) }
}

fn read_insert_only(fields: &Fields) -> Result<bool, Refusal> {
    match fields.text("insertOnly").as_deref() {
        None | Some("1") => Ok(true),
        Some("0") => Ok(false),
        Some(_) => Err(Refusal("ErrParamInvalid")),
    }
}

fn read_list(fields: &Fields) -> Result<Deed, Refusal> {
    let backwards = match fields.text("order").as_deref() {
        None | Some("" | "0") => false,
        Some("1") => true,
        Some(_) => return Err(Refusal("ERROR_CMD_PARAM_INVALID")),
    };
    let num = match fields.text("num") {
        Some(text) => text.parse().map_err(|_| Refusal("ERROR_CMD_COS_INVALID_LIST_NUM"))?,
        None => USUAL_ENTRIES,
    };
    if num < 1 {
        return Err(Refusal("ERROR_CMD_PARAM_MIN_NUM"));
    }
    if num > MOST_ENTRIES {
        return Err(Refusal("ERROR_CMD_COS_MAX_NUM"));
    }
    let (folders, files) = match fields.text("pattern").as_deref() {
        None | Some("eListBoth") => (true, true),
        Some("eListDirOnly") => (true, false),
        Some("eListFileOnly") => (false, true),
        Some(_) => return Err(Refusal("ERROR_CMD_COS_INVALID_QUERY_FLAG")),
    };
    let context = fields.text("context").unwrap_or_default();
    Ok(Deed::List { num: usize::try_from(num).unwrap_or_default(), folders, files, backwards, context })
}

fn read_update(fields: &Fields) -> Result<Deed, Refusal> {
    let flag = match (fields.value("flag"), fields.has("biz_attr")) {
        (None, has) => has.then_some(BIZ_ATTR),
        (Some(_), _) => fields.text("flag").as_deref().and_then(read_whole),
    };
    let chosen = |bit| flag.is_some_and(|flag| flag & bit != 0);
    let marks = Marks {
        biz_attr: fields.text("biz_attr").filter(|_| chosen(BIZ_ATTR)),
        authority: fields.text("authority").filter(|word| chosen(AUTHORITY) && AUTHORITIES.contains(&word.as_str())),
        custom_headers: fields.value("custom_headers").filter(|_| chosen(HEADERS)).and_then(read_custom_headers),
    };
    let complete = chosen(BIZ_ATTR) == marks.biz_attr.is_some()
        && chosen(AUTHORITY) == marks.authority.is_some()
        && chosen(HEADERS) == marks.custom_headers.is_some();
    if !complete {
        return Err(Refusal("ERROR_CMD_PARAM_INVALID"));
    }
    match flag {
        Some(flag) if flag != 0 && flag & !(BIZ_ATTR | AUTHORITY | HEADERS) == 0 => Ok(Deed::Update(marks)),
        _ => Err(Refusal("ERROR_CMD_COS_INVALID_MOD_FLAG")),
    }
}

/// An object, or a text that holds one.
fn read_custom_headers(value: &Value) -> Option<BTreeMap<String, String>> {
    let read = match value {
        Value::String(text) => serde_json::from_str(text).ok()?,
        other => other.clone(),
    };
    let known = |name: &str| {
        let name = name.to_lowercase();
        CUSTOM_HEADERS.contains(&name.as_str()) || name.strip_prefix("x-cos-meta-").is_some_and(|rest| !rest.is_empty())
    };
    let fields = read.as_object()?.iter().map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())));
    let fields: Option<BTreeMap<String, String>> = fields.collect();
    fields.filter(|fields| fields.keys().all(|name| known(name)))
}

fn read_move(description: &Description, place: &Place, fields: &Fields) -> Result<Deed, Refusal> {
    let overwrite = match fields.text("to_over_write").as_deref() {
        None | Some("0") => false,
        Some("1") => true,
        Some(_) => return Err(Refusal("ERROR_CMD_PARAM_INVALID")),
    };
    let dest = fields.text("dest_fileid").filter(|dest| !dest.is_empty());
    let dest = dest.ok_or(Refusal("ERROR_CMD_PARAM_PATH_EMPTY"))?;
    let dest = resolve_dest(description, place, &dest)?;
    if !is_path(&dest) {
        return Err(Refusal("ERROR_CMD_COS_INVALID_PATH"));
    }
    if is_folder(&dest) {
        return Err(Refusal("ERROR_CMD_PARAM_PAHT_FILE_SURPLUS_SLASH"));
    }
    Ok(Deed::Move { dest, overwrite })
}

/// The path that a destination stands for: in the same bucket, beside the source, or named with account and bucket.
fn resolve_dest(description: &Description, place: &Place, dest: &str) -> Result<String, Refusal> {
    let Some(inner) = dest.strip_prefix('/') else {
        let folder = place.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        return Ok(format!("{folder}/{dest}"));
    };
    let mut segments = inner.splitn(3, '/');
    let appid = segments.next().unwrap_or_default();
    if appid == place.appid {
        let named =
            segments.next().zip(segments.next()).filter(|(bucket, name)| !bucket.is_empty() && !name.is_empty());
        let (bucket, name) = named.ok_or(Refusal("ERROR_CMD_PARAM_PATH_ELEMENT_MISSING"))?;
        return if bucket == place.bucket {
            Ok(format!("/{name}"))
        } else {
            Err(Refusal("ERROR_CGI_CROSS_BUCKET_COPY"))
        };
    }
    if is_appid(appid) && description.accounts.contains_key(appid) {
        return Err(Refusal("ERROR_CMD_PARAM_PATH_ELEMENT_NOT_MATCH"));
    }
    Ok(dest.to_owned())
}

fn read_whole(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}
