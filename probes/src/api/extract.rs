//! What a step takes out of its answer for the steps behind it.

use bytes::Bytes;
use http::HeaderName;
use regex::bytes::Regex;
use serde_json::Value;
use serde_json_path::JsonPath;

use super::fault::{Answer, Fault};
use super::template::Variables;
use crate::fault::Failure;
use crate::net::Attempt;
use crate::request::Response;

/// A longer value is none: it would stand wherever the task names it.
const LONGEST: usize = 16 * 1024;

/// A variable and where its value stands.
#[derive(Clone, Debug)]
pub struct Extract {
    /// The variable.
    pub name: String,
    /// Where.
    pub from: From,
}

/// Where a value stands.
#[derive(Clone, Debug)]
pub enum From {
    /// In the group of this expression, in the answer or the body.
    Regex(Regex),
    /// At this path of a JSON body, as it was written.
    Json(JsonPath, String),
    /// In this header field.
    Header(HeaderName),
}

/// The expressions that an answer over a connection is searched with.
pub(super) fn patterns(extracts: &[Extract]) -> Vec<Regex> {
    let regex = |extract: &Extract| match &extract.from {
        From::Regex(regex) => Some(regex.clone()),
        From::Json(..) | From::Header(_) => None,
    };
    extracts.iter().filter_map(regex).collect()
}

/// Takes the values out of bytes.
pub(super) fn from_bytes(extracts: &[Extract], bytes: &[u8], into: &mut Variables) -> Result<(), Failure<Fault>> {
    for extract in extracts {
        if let From::Regex(regex) = &extract.from {
            let place = format!("`{regex}` in the {} bytes that were searched", bytes.len());
            keep(extract, in_group(regex, bytes), &place, into)?;
        }
    }
    Ok(())
}

/// Takes the values out of a response; `None` is the deadline.
pub(super) async fn from_response(
    extracts: &[Extract],
    attempt: &Attempt<'_>,
    response: &Response,
    into: &mut Variables,
) -> Option<Result<(), Failure<Fault>>> {
    let mut result = from_bytes(extracts, &response.body, into);
    for extract in extracts {
        if result.is_err() {
            break;
        }
        result = match &extract.from {
            From::Regex(_) => Ok(()),
            From::Json(path, written) => {
                // Away from the thread that others run on: it may take its time.
                let found = tokio::task::spawn_blocking({
                    let (path, body) = (path.clone(), response.body.clone());
                    move || in_json(&path, &body)
                });
                let found = attempt.within(found).await?.ok().flatten();
                let place = format!("{written} in the {} bytes of the body that were read", response.body.len());
                keep(extract, found, &place, into)
            }
            From::Header(name) => {
                let found = response.headers.get(name).map(|value| value.as_bytes().to_vec());
                keep(extract, found, &format!("the header {name}"), into)
            }
        };
    }
    Some(result)
}

fn keep(extract: &Extract, found: Option<Vec<u8>>, place: &str, into: &mut Variables) -> Result<(), Failure<Fault>> {
    let Extract { name, .. } = extract;
    let detail = match found {
        Some(value) if value.len() <= LONGEST => {
            into.insert(name.clone(), value);
            return Ok(());
        }
        Some(value) => format!("what stands at {place} is too long for `{name}`: {} bytes", value.len()),
        None => format!("there is nothing for `{name}` in the answer: no match of {place}"),
    };
    Err(Failure::new(Answer::Extract, detail))
}

fn in_group(regex: &Regex, bytes: &[u8]) -> Option<Vec<u8>> {
    regex.captures(bytes)?.get(1).map(|group| group.as_bytes().to_vec())
}

/// The first value there; texts without their quotes, and nothing for null.
fn in_json(path: &JsonPath, body: &Bytes) -> Option<Vec<u8>> {
    let document: Value = serde_json::from_slice(body).ok()?;
    match path.query(&document).all().first()? {
        Value::Null => None,
        Value::String(text) => Some(text.clone().into_bytes()),
        value => Some(value.to_string().into_bytes()),
    }
}
