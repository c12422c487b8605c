//! Step 1: the URL, `/files/v1/{appid}/{bucket}{/path}`.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::answer::Refusal;

/// What no path may have in it.
const FORBIDDEN: [char; 8] = ['?', '*', ':', '|', '\\', '<', '>', '"'];
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');

/// What a URL names.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Place {
    /// Whose bucket.
    pub appid: String,
    /// Which one.
    pub bucket: String,
    /// What in it: decoded, with the first slash; that of a folder ends in a slash.
    pub path: String,
}

impl Place {
    /// Reads the path of a URL and its query, whose fields must be text too.
    pub fn read(path: &str, query: &str) -> Result<Self, Refusal> {
        let mut segments = path.splitn(6, '/');
        let front = segments.next() == Some("") && segments.next() == Some("files");
        let version = segments.next();
        if front && version.is_some_and(|version| !version.is_empty() && version != "v1") {
            return Err(Refusal("ERROR_PROXY_INVALID_PROTOCOL"));
        }
        let (Some(appid), Some(bucket), Some(rest)) = (segments.next(), segments.next(), segments.next()) else {
            return Err(Refusal("ERROR_CGI_URL_NOTMATCH"));
        };
        if !front || version.is_none_or(str::is_empty) || appid.is_empty() || bucket.is_empty() {
            return Err(Refusal("ERROR_CGI_URL_NOTMATCH"));
        }
        if !is_appid(appid) {
            return Err(Refusal("ERROR_PROXY_INVALID_APPID"));
        }
        let text = |encoded: &str| percent_decode_str(encoded).decode_utf8().map(std::borrow::Cow::into_owned);
        let (Ok(bucket), Ok(path), Ok(_)) = (text(bucket), text(rest), text(query)) else {
            return Err(Refusal("ERROR_CMD_NOT_UTF8_ENCODING"));
        };
        let path = format!("/{path}");
        if !is_path(&path) {
            return Err(Refusal("ERROR_CMD_COS_INVALID_PATH"));
        }
        Ok(Self { appid: appid.to_owned(), bucket, path })
    }

    /// The place as answers and signatures name it: `/{appid}/{bucket}{/path}`.
    pub fn resource(&self) -> String {
        format!("/{}/{}{}", self.appid, self.bucket, self.path)
    }

    /// Another path in the same bucket.
    pub fn beside(&self, path: &str) -> Self {
        Self { path: path.to_owned(), ..self.clone() }
    }
}

/// A positive number as one writes it.
pub fn is_appid(text: &str) -> bool {
    !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u64>().is_ok()
}

/// Whether a decoded path has no forbidden character and no empty segment.
pub fn is_path(path: &str) -> bool {
    let Some(inner) = path.strip_prefix('/') else { return false };
    let inner = inner.strip_suffix('/').unwrap_or(inner);
    !path.contains(FORBIDDEN) && (path == "/" || inner.split('/').all(|segment| !segment.trim().is_empty()))
}

/// Whether a path is that of a folder.
pub fn is_folder(path: &str) -> bool {
    path.ends_with('/')
}

/// A path as it stands in a URL.
pub fn encoded(path: &str) -> String {
    utf8_percent_encode(path, ESCAPED).to_string()
}

/// What the lab checks of this file by itself.
pub fn check() -> Result<(), String> {
    let rows = [
        ("/files/v1/1/b/", Ok("/1/b/")),
        ("/files/v1/1/b/d%20x/%E4%BD%A0.txt", Ok("/1/b/d x/你.txt")),
        ("/files/v1/1/b/d/", Ok("/1/b/d/")),
        ("/files/v2/1/b/x", Err("ERROR_PROXY_INVALID_PROTOCOL")),
        ("/files/v0", Err("ERROR_PROXY_INVALID_PROTOCOL")),
        ("/files/v1/1", Err("ERROR_CGI_URL_NOTMATCH")),
        ("/files/v1/1/b", Err("ERROR_CGI_URL_NOTMATCH")),
        ("/file/v1/1/b/x", Err("ERROR_CGI_URL_NOTMATCH")),
        ("/files/v1/1//x", Err("ERROR_CGI_URL_NOTMATCH")),
        ("/files/v1/abc/b/x", Err("ERROR_PROXY_INVALID_APPID")),
        ("/files/v1/0/b/%ff", Err("ERROR_PROXY_INVALID_APPID")),
        ("/files/v1/1/b/%ff", Err("ERROR_CMD_NOT_UTF8_ENCODING")),
        ("/files/v1/1/b//x", Err("ERROR_CMD_COS_INVALID_PATH")),
        ("/files/v1/1/b/%20/x", Err("ERROR_CMD_COS_INVALID_PATH")),
        ("/files/v1/1/b/x//", Err("ERROR_CMD_COS_INVALID_PATH")),
        ("/files/v1/1/b/a%3Fb", Err("ERROR_CMD_COS_INVALID_PATH")),
    ];
    for (path, expected) in rows {
        let got = Place::read(path, "").map(|place| place.resource());
        if got.as_deref().map_err(|refusal| refusal.0) != expected {
            return Err(format!("{path}: {got:?}"));
        }
    }
    Ok(())
}
