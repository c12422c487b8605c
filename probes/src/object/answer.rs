//! What an answer of the service comes to.
//!
//! A JSON code decides, whatever the status; without one the status is the code, if it is one that the service has; any
//! other answer is none. A status stands once the head is complete, so that it counts also where the body is too large,
//! breaks off or never ends.

use std::fmt::Write as _;
use std::sync::OnceLock;

use regex::{Captures, Regex};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::fault::{Answer, Fault};
use crate::codes::{Code, Layer};
use crate::fault::Failure;

/// How much of a message or of a body is shown.
const EXCERPT: usize = 500;

/// An answer whose head is complete.
pub(super) struct Heard {
    pub(super) status: u16,
    pub(super) body: Result<Vec<u8>, Unheard>,
}

/// Why the body of an answer is not there.
pub(super) enum Unheard {
    /// It is larger than any answer.
    TooLarge,
    /// It broke off.
    Broken(Failure<Fault>),
}

/// The JSON of an answer: a key that stands twice makes it none.
#[derive(Default, Deserialize)]
struct Json {
    #[serde(default)]
    code: Value,
    #[serde(default)]
    message: Value,
    #[serde(default)]
    data: Value,
}

/// What an answer says.
pub(super) struct Verdict {
    /// What the service says in words.
    pub(super) message: Option<String>,
    /// The data of a success.
    pub(super) result: Result<Data, Failure<Fault>>,
}

/// The data of an answer.
#[derive(Debug, Default)]
pub(super) struct Data(Map<String, Value>);

impl Data {
    /// A text that says something.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.as_str().filter(|text| !text.is_empty())
    }

    /// A whole number; some services write it as a text.
    pub(super) fn number(&self, key: &str) -> Option<i64> {
        let value = self.0.get(key)?;
        value.as_i64().or_else(|| value.as_str()?.parse().ok())
    }

    /// A boolean; some services write it as 0 or 1.
    pub(super) fn boolean(&self, key: &str) -> Option<bool> {
        let value = self.0.get(key)?;
        value.as_bool().or_else(|| match value.as_i64() {
            Some(0) => Some(false),
            Some(1) => Some(true),
            _ => None,
        })
    }

    /// How many entries a list has.
    pub(super) fn count(&self, key: &str) -> Option<u64> {
        self.0.get(key)?.as_array().map(|list| list.len() as u64)
    }

    /// Where the file can be had: the SDKs know it under these names.
    pub(super) fn access_url(&self) -> Option<&str> {
        ["access_url", "source_url", "url"].into_iter().find_map(|key| self.text(key))
    }
}

/// Judges an answer to an operation; texts in it go through `strike` before they are cut.
pub(super) fn judge(operation: &str, heard: Heard, strike: impl Fn(&str) -> String) -> Verdict {
    let Heard { status, body } = heard;
    let text = body.as_ref().map(|body| String::from_utf8_lossy(body)).unwrap_or_default();
    let json: Json =
        serde_json::from_str(&text).or_else(|_| serde_json::from_str(&without_halves(&text))).unwrap_or_default();
    let message = json.message.as_str().map(|message| excerpt(&strike(message)));
    let Some(code) = json.code.as_i64().and_then(|code| i32::try_from(code).ok()) else {
        let shown = excerpt(&strike(&text));
        return Verdict { message, result: Err(without_code(operation, status, body.err(), &shown)) };
    };
    if code == Code::success().number() {
        let data = if let Value::Object(data) = json.data { data } else { Map::new() };
        return Verdict { message, result: Ok(Data(data)) };
    }
    let code = Code::of_json(code, json.message.as_str().unwrap_or_default());
    let mut detail = format!("the service answered {operation} with the code {code}");
    let symbol = code.entry().and_then(|entry| entry.symbol);
    if let Some(symbol) = symbol {
        let _ = write!(detail, " {symbol}");
    }
    let _ = write!(detail, " (HTTP status {status})");
    // Mostly the message is the symbol.
    if let Some(message) = message.as_deref().filter(|message| symbol != Some(message)) {
        let _ = write!(detail, ": {message}");
    }
    Verdict { message, result: Err(Failure::new(Fault::Said(Layer::Json, code), detail)) }
}

/// The text with what stands for half a character in JSON (RFC 8259 section 8.2) made a replacement character, where the
/// other half is missing: it does no harm to the code beside it.
fn without_halves(text: &str) -> String {
    static HALF: OnceLock<Regex> = OnceLock::new();
    let half = HALF.get_or_init(|| {
        Regex::new(r"(?i)(\\ud[89ab][0-9a-f]{2}\\ud[c-f][0-9a-f]{2})|\\ud[89a-f][0-9a-f]{2}")
            .expect("a fixed expression")
    });
    let replace = |found: &Captures<'_>| found.get(1).map_or("\\ufffd".to_owned(), |pair| pair.as_str().to_owned());
    half.replace_all(text, replace).into_owned()
}

/// An answer without a JSON code.
fn without_code(operation: &str, status: u16, unheard: Option<Unheard>, shown: &str) -> Failure<Fault> {
    let body = match &unheard {
        Some(Unheard::TooLarge) => "its body is larger than any answer".to_owned(),
        Some(Unheard::Broken(failure)) => format!("its body broke off: {}", failure.detail),
        None if shown.is_empty() => "it has no body".to_owned(),
        None => format!("it begins with {shown:?}"),
    };
    let detail = format!("the answer to {operation} has the HTTP status {status} and no JSON code; {body}");
    match (Code::of_front_end(status), unheard) {
        (Some(code), _) => Failure::new(Fault::Said(Layer::Http, code), detail),
        (None, Some(Unheard::Broken(failure))) => failure,
        (None, Some(Unheard::TooLarge)) => Failure::new(Answer::TooLarge, detail),
        (None, None) => Failure::new(Answer::WithoutCode, detail),
    }
}

fn excerpt(text: &str) -> String {
    match text.char_indices().nth(EXCERPT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Named as _;

    fn verdict(status: u16, body: &str) -> Result<(), (&'static str, i32)> {
        let heard = Heard { status, body: Ok(body.as_bytes().to_vec()) };
        let number = |fault| super::super::table::classify(fault).number();
        let verdict = judge("stat", heard, str::to_owned);
        verdict.result.map(drop).map_err(|failure| (failure.fault.name(), number(failure.fault)))
    }

    #[test]
    fn a_json_code_decides_whatever_the_status() {
        let rows = [
            (200, r#"{"code":0}"#, Ok(())),
            (503, r#"{"code":0,"message":"SUCCESS","data":{}}"#, Ok(())),
            (200, r#"{"code":-97,"message":"ERROR_PROXY_AUTH_FAILED"}"#, Err(("object.code", -97))),
            (400, r#"{"code":-97,"message":"a\ud800b"}"#, Err(("object.code", -97))),
            (404, r#" {"message":1,"code":-166} "#, Err(("object.code", -166))),
            (200, r#"{"code":404}"#, Err(("object.code", 404))),
            (200, r#"{"code":-1}"#, Err(("object.code", -1))),
            (403, r#"{"code":"-97"}"#, Err(("object.status", 403))),
            (599, "", Err(("object.status", 599))),
            (200, r#"{"code":"0"}"#, Err(("object.answer_without_code", -2))),
            (200, r#"{"code":0.0}"#, Err(("object.answer_without_code", -2))),
            (200, r#"{"code":null}"#, Err(("object.answer_without_code", -2))),
            (200, r#"{"code":-97,"code":0}"#, Err(("object.answer_without_code", -2))),
            (200, r#"{"code":99999999999}"#, Err(("object.answer_without_code", -2))),
            (200, r#"[{"code":0}]"#, Err(("object.answer_without_code", -2))),
            (200, r#"{"code":0} x"#, Err(("object.answer_without_code", -2))),
            (404, "<html>", Err(("object.answer_without_code", -2))),
        ];
        for (status, body, wanted) in rows {
            assert_eq!(verdict(status, body), wanted, "{status} {body}");
        }
        let deep = format!("{{\"code\":0,\"data\":{}1{}}}", "[".repeat(10_000), "]".repeat(10_000));
        assert_eq!(verdict(200, &deep), Err(("object.answer_without_code", -2)));
    }

    #[test]
    fn a_message_that_is_no_utf_8_does_not_hide_the_code() {
        let body = [b"{\"code\":-97,\"message\":\"".as_slice(), b"\xb4\xed", b"\"}"].concat();
        let verdict = judge("stat", Heard { status: 400, body: Ok(body) }, str::to_owned);
        assert!(
            matches!(verdict.result, Err(Failure { fault: Fault::Said(Layer::Json, code), .. }) if code.number() == -97)
        );
    }
}
