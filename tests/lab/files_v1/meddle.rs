//! A middlebox in front of the service that changes requests on their way: so arises what no correct client sends.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Deserialize;

use super::describe::Description;
use super::form::{self, Part};
use super::request::Request;
use super::sign::Sign;

/// What is done to a request. What it does not say fits every request.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Meddling {
    /// The operation: as in the interface, but `init` and `slice` for `upload_slice`, and `download`.
    pub op: Option<String>,
    /// What the path of the URL begins with.
    pub path: Option<String>,
    /// The how manieth of these requests, from 1.
    pub nth: Option<usize>,
    /// Another method.
    method: Option<String>,
    /// Another path of the URL.
    url: Option<String>,
    /// Header fields that are set.
    set: BTreeMap<String, String>,
    /// Header fields that are removed.
    remove: Vec<String>,
    /// Fields that are set: of the form, of the JSON object, or of the query.
    fields: BTreeMap<String, Field>,
    /// Fields that are removed.
    drop_fields: Vec<String>,
    /// Another body.
    body: Option<String>,
    /// The signature is made anew with these of its fields; `e = "+60"` is good for a minute from now.
    sign: Option<BTreeMap<String, String>>,
    /// The key it is made with; that which belongs to it if absent.
    key: Option<String>,
    /// The request is passed on twice, and the second answer is passed back.
    pub twice: bool,
    /// Another client deletes this path of the same bucket first.
    pub delete: Option<String>,
}

/// The value of a field.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Field {
    Repeated { text: String, times: usize },
    Hex { hex: String },
    Value(serde_json::Value),
}

impl Field {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Repeated { text, times } => text.repeat(*times).into_bytes(),
            Self::Hex { hex } => hex.as_bytes().chunks(2).map(byte).collect(),
            Self::Value(serde_json::Value::String(text)) => text.clone().into_bytes(),
            Self::Value(value) => value.to_string().into_bytes(),
        }
    }

    fn value(&self) -> serde_json::Value {
        match self {
            Self::Value(value) => value.clone(),
            other => String::from_utf8_lossy(&other.bytes()).into_owned().into(),
        }
    }
}

fn byte(pair: &[u8]) -> u8 {
    std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok()).expect("pairs of hex digits")
}

impl Meddling {
    /// Changes a request.
    pub fn change(&self, description: &Description, request: &mut Request) {
        if !self.fields.is_empty() || !self.drop_fields.is_empty() {
            self.change_fields(request);
        }
        if let Some(sign) = &self.sign {
            self.sign_anew(description, request, sign);
        }
        if let Some(body) = &self.body {
            request.body = Bytes::from(body.clone());
        }
        if let Some(url) = &self.url {
            request.path.clone_from(url);
        }
        if let Some(method) = &self.method {
            request.method.clone_from(method);
        }
        for name in &self.remove {
            request.remove_header(name);
        }
        for (name, value) in &self.set {
            request.set_header(name, value.clone());
        }
    }

    fn change_fields(&self, request: &mut Request) {
        let changed = |name: &str| self.fields.contains_key(name) || self.drop_fields.iter().any(|own| own == name);
        if request.method != "POST" {
            let mut pairs = request.query_pairs();
            pairs.retain(|(name, _)| !changed(name));
            let text = |field: &Field| String::from_utf8_lossy(&field.bytes()).into_owned();
            pairs.extend(self.fields.iter().map(|(name, field)| (name.clone(), text(field))));
            request.set_query(&pairs);
        } else if let Some(boundary) = request.boundary() {
            let mut parts = form::read(&boundary, &request.body).unwrap_or_default();
            parts.retain(|part| !changed(&part.name));
            let part = |(name, field): (&String, &Field)| Part { name: name.clone(), content: field.bytes().into() };
            parts.extend(self.fields.iter().map(part));
            request.body = form::write(&boundary, &parts);
        } else if let Ok(serde_json::Value::Object(mut object)) = serde_json::from_slice(&request.body) {
            object.retain(|name, _| !changed(name));
            object.extend(self.fields.iter().map(|(name, field)| (name.clone(), field.value())));
            request.body = serde_json::Value::Object(object).to_string().into();
        }
    }

    fn sign_anew(&self, description: &Description, request: &mut Request, changes: &BTreeMap<String, String>) {
        let mut pairs = request.query_pairs();
        let in_query = pairs.iter_mut().find(|(name, _)| name == "sign");
        let text = in_query.as_ref().map(|(_, sign)| sign.clone());
        let text = text.or_else(|| request.header("authorization").map(str::to_owned)).unwrap_or_default();
        let Ok(sign) = Sign::read(&text) else { return };
        let secret_id = changes.get("k").map_or_else(|| sign.secret_id(), String::as_str);
        let own = description.key(secret_id).map(|(_, key)| key);
        let key = self.key.as_deref().or(own).unwrap_or_default();
        let mut changes = changes.clone();
        if let Some(seconds) = changes.get("e").and_then(|e| e.strip_prefix('+')).and_then(|e| e.parse::<u64>().ok()) {
            changes.insert("e".to_owned(), (description.clock.now() + seconds).to_string());
        }
        let remade = sign.remade(&changes, key);
        match in_query {
            Some((_, sign)) => {
                *sign = remade;
                request.set_query(&pairs);
            }
            None => request.set_header("Authorization", remade),
        }
    }
}
