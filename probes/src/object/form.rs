//! The bodies of requests: JSON, and forms with a file in them (RFC 7578).

use bytes::Bytes;
use http::HeaderValue;
use serde_json::Value;

use super::sign::random_bytes;
use crate::exchange::Payload;

/// A body and its Content-Type.
pub(super) type Body = (HeaderValue, Payload);

pub(super) fn json(value: &Value) -> Body {
    (HeaderValue::from_static("application/json"), Bytes::from(value.to_string()).into())
}

/// A form that is being written.
pub(super) struct Form {
    boundary: String,
    text: String,
}

impl Form {
    /// A form for an operation.
    pub(super) fn new(operation: &str) -> Self {
        // No file has a boundary in it that nobody could know.
        let boundary = random_bytes::<16>().iter().fold("agent".to_owned(), |text, byte| format!("{text}{byte:02x}"));
        Self { boundary, text: String::new() }.field("op", operation)
    }

    /// Adds a field.
    pub(super) fn field(mut self, name: &str, value: &str) -> Self {
        let Self { boundary, text } = &mut self;
        text.push_str(&format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"));
        self
    }

    /// Adds a field that may be absent.
    pub(super) fn field_if_any(self, name: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.field(name, value),
            None => self,
        }
    }

    /// The form without a file.
    pub(super) fn finish(self) -> Body {
        let Self { boundary, text } = self;
        (content_type(&boundary), Bytes::from(format!("{text}--{boundary}--\r\n")).into())
    }

    /// The form with a file as its last field: its Content-Type, and what stands before and behind the bytes.
    pub(super) fn around_file(self) -> (HeaderValue, Bytes, Bytes) {
        let Self { boundary, text } = self;
        let head = format!(
            "{text}--{boundary}\r\nContent-Disposition: form-data; name=\"filecontent\"; filename=\"filecontent\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n"
        );
        (content_type(&boundary), head.into(), format!("\r\n--{boundary}--\r\n").into())
    }
}

fn content_type(boundary: &str) -> HeaderValue {
    HeaderValue::from_str(&format!("multipart/form-data; boundary={boundary}"))
        .unwrap_or_else(|error| unreachable!("letters and digits are fit for a header: {error}"))
}
