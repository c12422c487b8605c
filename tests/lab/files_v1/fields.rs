//! Step 2: the body, the operation in it, and its fields, wherever they stand.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::Value;

use super::answer::Refusal;
use super::form;
use super::request::Request;

/// The operations of other versions of the interface.
const ELSEWHERE: [&str; 5] =
    ["upload_slice_init", "upload_slice_data", "upload_slice_finish", "upload_slice_list", "copy"];

/// An operation of the interface.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Operation {
    /// Makes a folder.
    Create,
    /// Uploads a file at once.
    Upload,
    /// Begins to upload a file in slices, or sends one.
    UploadSlice,
    /// Lists a folder, or what begins with a prefix.
    List,
    /// Says what a file or folder is.
    Stat,
    /// Changes the marks of a file or folder.
    Update,
    /// Deletes a file or an empty folder.
    Delete,
    /// Gives a file another path.
    Move,
}

impl Operation {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "create" => Self::Create,
            "upload" => Self::Upload,
            "upload_slice" => Self::UploadSlice,
            "list" => Self::List,
            "stat" => Self::Stat,
            "update" => Self::Update,
            "delete" => Self::Delete,
            "move" => Self::Move,
            _ => return None,
        })
    }

    const fn asks(self) -> bool {
        matches!(self, Self::List | Self::Stat)
    }

    const fn is_in_a_form(self) -> bool {
        matches!(self, Self::Upload | Self::UploadSlice)
    }
}

/// The fields of a request.
#[derive(Debug, Default)]
pub struct Fields {
    values: BTreeMap<String, Value>,
    /// The bytes of a file.
    pub content: Option<Bytes>,
    form: bool,
}

impl Fields {
    /// A field as a text; numbers are texts too.
    pub fn text(&self, name: &str) -> Option<String> {
        match self.values.get(name)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }

    /// A field as it is.
    pub fn value(&self, name: &str) -> Option<&Value> {
        self.values.get(name)
    }

    /// Whether a field is there.
    pub fn has(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }
}

/// Reads what is asked for.
pub fn read(request: &Request) -> Result<(Operation, Fields), Refusal> {
    let fields = raw(request)?;
    let name = fields.text("op").filter(|name| !name.is_empty());
    if !fields.has("op") || fields.text("op").is_some_and(|name| name.is_empty()) {
        return Err(Refusal("ERROR_CGI_PARAM_MISSING_OP"));
    }
    // "Upload", as one client writes it.
    let name = name.unwrap_or_default().to_lowercase();
    if ELSEWHERE.contains(&name.as_str()) {
        return Err(Refusal("ERROR_CGI_UNSUPPORTED_METHOD"));
    }
    let operation = Operation::named(&name).ok_or(Refusal("ERROR_PROXY_AUTH_UNSUPPORTED_OP"))?;
    if operation.asks() != (request.method == "GET") {
        return Err(Refusal("ERROR_CGI_REQ_METHOD"));
    }
    if fields.form && !operation.is_in_a_form() {
        return Err(Refusal("ERROR_CGI_JSON_PARSE_ERROR"));
    }
    Ok((operation, fields))
}

/// Reads the fields of a request, whatever it asks for.
pub fn raw(request: &Request) -> Result<Fields, Refusal> {
    if request.method == "GET" {
        let pairs = request.query_pairs().into_iter().map(|(name, value)| (name, Value::String(value)));
        return Ok(Fields { values: pairs.collect(), ..Fields::default() });
    }
    let content_type = request.header("content-type").unwrap_or_default();
    if content_type.trim_start().to_lowercase().starts_with("multipart/") {
        return read_form(request);
    }
    match serde_json::from_slice(&request.body) {
        Ok(Value::Object(object)) => Ok(Fields { values: object.into_iter().collect(), ..Fields::default() }),
        _ => Err(Refusal("ERROR_CGI_JSON_PARSE_ERROR")),
    }
}

/// The fields that an operation has, as rules of the case name it. `prefix` is one client's own, beside the path.
fn known(operation: &str) -> &'static [&'static str] {
    match operation {
        "create" => &["op", "biz_attr"],
        "upload" => &["op", "sha", "biz_attr", "insertOnly", "authority"],
        "init" => &["op", "filesize", "sha", "slice_size", "biz_attr", "session", "insertOnly"],
        "slice" => &["op", "session", "offset", "sha", "insertOnly"],
        "list" => &["op", "num", "pattern", "order", "context", "prefix"],
        "update" => &["op", "flag", "biz_attr", "authority", "custom_headers"],
        "move" => &["op", "dest_fileid", "to_over_write"],
        _ => &["op"],
    }
}

/// What a client sent that no document knows, although it is not looked at.
pub fn oddity(request: &Request, operation: &str) -> Option<String> {
    let fields = raw(request).ok()?;
    let json = request.header("content-type").is_some_and(|kind| kind.starts_with("application/json"));
    if request.method == "POST" && !fields.form && !json {
        return Some(format!("{operation} is no application/json"));
    }
    if request.method == "GET" && !request.body.is_empty() {
        return Some(format!("{operation} has a body"));
    }
    let strange = fields.values.keys().find(|name| !known(operation).contains(&name.as_str()));
    strange.map(|name| format!("{operation} has a field {name}"))
}

fn read_form(request: &Request) -> Result<Fields, Refusal> {
    let broken = Refusal("ERROR_CGI_FORM_ERR");
    let parts = request.boundary().and_then(|boundary| form::read(&boundary, &request.body)).ok_or(broken)?;
    let mut fields = Fields { form: true, ..Fields::default() };
    for part in parts {
        if part.name.eq_ignore_ascii_case("filecontent") {
            if fields.content.replace(part.content).is_some() {
                return Err(broken);
            }
            continue;
        }
        let text = String::from_utf8(part.content.to_vec()).map_err(|_| Refusal("ERROR_CMD_NOT_UTF8_ENCODING"))?;
        if fields.values.insert(part.name, Value::String(text)).is_some() {
            return Err(broken);
        }
    }
    Ok(fields)
}
