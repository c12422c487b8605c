//! A request as it arrived, whole.

use std::fmt::Write as _;

use bytes::Bytes;
use url::form_urlencoded;

use super::{fields, form};

/// So many bytes of a body are kept to be looked at by cases.
const SHOWN: usize = 64 << 10;

/// A request.
#[derive(Clone, Debug)]
pub struct Request {
    /// Its method.
    pub method: String,
    /// The path of its URL, as it came.
    pub path: String,
    /// The query of its URL, as it came.
    pub query: String,
    /// Its header fields.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Bytes,
}

impl Request {
    /// A header field that stands there once.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(own, _)| own.eq_ignore_ascii_case(name));
        values.next().map(|(_, value)| value.as_str()).filter(|_| values.next().is_none())
    }

    /// Sets a header field.
    pub fn set_header(&mut self, name: &str, value: String) {
        self.remove_header(name);
        self.headers.push((name.to_owned(), value));
    }

    /// Removes a header field.
    pub fn remove_header(&mut self, name: &str) {
        self.headers.retain(|(own, _)| !own.eq_ignore_ascii_case(name));
    }

    /// The boundary of the form that the body is said to be.
    pub fn boundary(&self) -> Option<String> {
        form::boundary(self.header("content-type")?)
    }

    /// The fields of the query.
    pub fn query_pairs(&self) -> Vec<(String, String)> {
        form_urlencoded::parse(self.query.as_bytes()).into_owned().collect()
    }

    /// Sets the fields of the query.
    pub fn set_query(&mut self, pairs: &[(String, String)]) {
        self.query = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    }

    /// Which operation it asks for, as rules of the case name it: that of the interface in lower case, but `init` and
    /// `slice` for `upload_slice`.
    pub fn operation(&self) -> String {
        let Ok(fields) = fields::raw(self) else { return String::new() };
        match fields.text("op").unwrap_or_default().to_lowercase().as_str() {
            "upload_slice" if fields.has("offset") && !fields.has("filesize") => "slice".to_owned(),
            "upload_slice" => "init".to_owned(),
            other => other.to_owned(),
        }
    }

    /// The request as a text, for what cases expect the service to have heard.
    pub fn text(&self) -> String {
        let mark = if self.query.is_empty() { "" } else { "?" };
        let mut text = format!("{} {}{mark}{} HTTP/1.1\n", self.method, self.path, self.query);
        for (name, value) in &self.headers {
            let _ = writeln!(text, "{name}: {value}");
        }
        let _ = writeln!(text, "\n{}", String::from_utf8_lossy(&self.body[..self.body.len().min(SHOWN)]));
        text
    }
}
