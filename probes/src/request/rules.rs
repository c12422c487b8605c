//! What a task expects of the final response, judged without a socket.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName};
use regex::bytes::Regex;
use serde_json::Value;
use serde_json_path::JsonPath;

use super::Unwanted;

/// Rules on the final response; all that are given must hold.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// Statuses that are wanted; empty for every status below 400.
    pub statuses: Vec<StatusRange>,
    /// A text in the body.
    pub text: Option<TextRule>,
    /// Must match the body.
    pub regex: Option<Regex>,
    /// Must not match the body.
    pub not_regex: Option<Regex>,
    /// Values that the JSON of the body must have.
    pub json: Arc<[(JsonPath, Value)]>,
    /// Fields of which a value must match.
    pub headers: Vec<HeaderRule>,
    /// Fields of which no value may match.
    pub not_headers: Vec<HeaderRule>,
    /// Whether the final response must have come over TLS (true) or must not (false).
    pub tls: Option<bool>,
}

/// Statuses by class (`2xx`), number (`301`) or range (`200-204`).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StatusRange(RangeInclusive<u16>);

impl FromStr for StatusRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("`{text}` is no status such as \"2xx\", \"301\" or \"200-204\"");
        let status = |text: &str| match text.parse::<u16>() {
            Ok(status) if text.len() == 3 && (1..=5).contains(&(status / 100)) => Ok(status),
            _ => Err(bad()),
        };
        if let Some(class) = text.strip_suffix("xx").or_else(|| text.strip_suffix("XX")) {
            let first = status(&format!("{class}00"))?;
            return Ok(Self(first..=first + 99));
        }
        match text.split_once('-') {
            Some((first, last)) => {
                let (first, last) = (status(first)?, status(last)?);
                if first > last { Err(bad()) } else { Ok(Self(first..=last)) }
            }
            None => status(text).map(|status| Self(status..=status)),
        }
    }
}

impl fmt::Display for StatusRange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.start() == self.0.end() {
            return self.0.start().fmt(formatter);
        }
        write!(formatter, "{}-{}", self.0.start(), self.0.end())
    }
}

/// A text that must, or must not, be in the body.
#[derive(Clone, Debug)]
pub struct TextRule {
    /// The text, compared byte by byte.
    pub text: String,
    /// Whether it must be there.
    pub present: bool,
}

/// A regular expression on the values of a header field.
#[derive(Clone, Debug)]
pub struct HeaderRule {
    /// The field.
    pub name: HeaderName,
    /// The expression.
    pub regex: Regex,
}

impl HeaderRule {
    fn matches(&self, headers: &HeaderMap) -> bool {
        headers.get_all(&self.name).iter().any(|value| self.regex.is_match(value.as_bytes()))
    }
}

type Verdict = Result<(), (Unwanted, String)>;

impl Rules {
    /// Whether the task lists this status as wanted.
    pub(super) fn expects(&self, status: u16) -> bool {
        self.statuses.iter().any(|range| range.0.contains(&status))
    }

    /// Whether any rule needs the body.
    pub(super) fn look_at_body(&self) -> bool {
        self.text.is_some() || self.regex.is_some() || self.not_regex.is_some() || !self.json.is_empty()
    }

    /// Holds the response against every rule, in the order status, TLS, headers, body.
    pub(super) fn judge(&self, status: u16, encrypted: bool, headers: &HeaderMap, body: &[u8]) -> Verdict {
        if !self.statuses.is_empty() && !self.expects(status) {
            let wanted: Vec<_> = self.statuses.iter().map(ToString::to_string).collect();
            return Err((Unwanted::Status, format!("the status is {status}, the task expects {}", wanted.join(", "))));
        }
        match self.tls {
            Some(true) if !encrypted => return Err((Unwanted::Tls, "the final response came without TLS".to_owned())),
            Some(false) if encrypted => return Err((Unwanted::Tls, "the final response came over TLS".to_owned())),
            _ => {}
        }
        self.judge_headers(headers)?;
        self.judge_body(body)
    }

    /// Holds the body against the rules on JSON, which may take their time: away from the thread that others run on.
    pub(super) async fn judge_json(&self, body: Bytes) -> Verdict {
        if self.json.is_empty() {
            return Ok(());
        }
        let rules = self.json.clone();
        match tokio::task::spawn_blocking(move || judge_json(&rules, &body)).await {
            Ok(verdict) => verdict,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(error) => Err((Unwanted::Json, format!("the rules on JSON were not applied: {error}"))),
            },
        }
    }

    fn judge_headers(&self, headers: &HeaderMap) -> Verdict {
        if let Some(rule) = self.headers.iter().find(|rule| !rule.matches(headers)) {
            let detail = if headers.contains_key(&rule.name) {
                format!("the header {} does not match `{}`", rule.name, rule.regex)
            } else {
                format!("there is no header {}", rule.name)
            };
            return Err((Unwanted::Header, detail));
        }
        if let Some(rule) = self.not_headers.iter().find(|rule| rule.matches(headers)) {
            return Err((Unwanted::Header, format!("the header {} matches `{}`", rule.name, rule.regex)));
        }
        Ok(())
    }

    fn judge_body(&self, body: &[u8]) -> Verdict {
        let searched = body.len();
        if let Some(rule) = &self.text {
            let found = contains(body, rule.text.as_bytes());
            if rule.present && !found {
                let detail = format!("the text `{}` is not in the {searched} bytes searched", rule.text);
                return Err((Unwanted::TextAbsent, detail));
            }
            if !rule.present && found {
                return Err((Unwanted::TextPresent, format!("the text `{}` is in the body", rule.text)));
            }
        }
        if let Some(regex) = self.regex.as_ref().filter(|regex| !regex.is_match(body)) {
            return Err((Unwanted::Regex, format!("`{regex}` does not match in the {searched} bytes searched")));
        }
        if let Some(regex) = self.not_regex.as_ref().filter(|regex| regex.is_match(body)) {
            return Err((Unwanted::Regex, format!("`{regex}` matches the body")));
        }
        Ok(())
    }
}

fn judge_json(rules: &[(JsonPath, Value)], body: &[u8]) -> Verdict {
    let document: Value = serde_json::from_slice(body)
        .map_err(|error| (Unwanted::Json, format!("the body is no JSON within the bytes read: {error}")))?;
    for (path, wanted) in rules {
        let found = path.query(&document).all();
        if !found.iter().any(|value| same_value(value, wanted)) {
            let found = found.first().map_or_else(|| "nothing".to_owned(), |value| excerpt(value));
            return Err((Unwanted::Json, format!("{path} is {found}, the task expects {wanted}")));
        }
    }
    Ok(())
}

/// Numbers are equal by value, so that 1 in a task file matches 1.0 in an answer.
fn same_value(found: &Value, wanted: &Value) -> bool {
    match (found.as_f64(), wanted.as_f64()) {
        (Some(found), Some(wanted)) => (found - wanted).abs() < f64::EPSILON,
        _ => found == wanted,
    }
}

fn excerpt(value: &Value) -> String {
    // The outcome cuts it further, after it has struck out what is secret.
    const LONGEST: usize = 4096;
    let text = value.to_string();
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// Whether a text is in a body.
pub(crate) fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    needle.is_empty() || memchr::memmem::find(haystack, needle).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(rules: &Rules, body: &str) -> Result<(), Unwanted> {
        rules.judge(200, false, &HeaderMap::new(), body.as_bytes()).map_err(|(fault, _)| fault)
    }

    #[test]
    fn statuses_are_classes_numbers_and_ranges() {
        let rows = [
            ("2xx", 204, true),
            ("2xx", 301, false),
            ("301", 301, true),
            ("200-204", 204, true),
            ("200-204", 205, false),
        ];
        for (text, status, expected) in rows {
            let rules = Rules { statuses: vec![text.parse().expect(text)], ..Rules::default() };
            assert_eq!(rules.expects(status), expected, "{text} {status}");
        }
        for text in ["6xx", "20", "2000", "204-200", "ok", "", "0xx", "+20"] {
            assert!(text.parse::<StatusRange>().is_err(), "{text}");
        }
    }

    #[test]
    fn texts_must_be_there_or_not() {
        let rule = |present| Rules { text: Some(TextRule { text: "ok".to_owned(), present }), ..Rules::default() };
        assert_eq!(verdict(&rule(true), "all ok"), Ok(()));
        assert_eq!(verdict(&rule(true), "failed"), Err(Unwanted::TextAbsent));
        assert_eq!(verdict(&rule(false), "all ok"), Err(Unwanted::TextPresent));
        assert_eq!(verdict(&rule(false), "failed"), Ok(()));
    }

    #[test]
    fn json_values_are_compared_by_value() {
        let rules = |path: &str, value: Value| vec![(JsonPath::parse(path).expect(path), value)];
        let verdict = |rules: &[_], body: &str| judge_json(rules, body.as_bytes()).map_err(|(fault, _)| fault);
        let body = r#"{"status": "ok", "n": 1.0, "list": [{"id": 7}]}"#;
        assert_eq!(verdict(&rules("$.status", "ok".into()), body), Ok(()));
        assert_eq!(verdict(&rules("$.n", 1.into()), body), Ok(()));
        assert_eq!(verdict(&rules("$.list[*].id", 7.into()), body), Ok(()));
        assert_eq!(verdict(&rules("$.status", "down".into()), body), Err(Unwanted::Json));
        assert_eq!(verdict(&rules("$.missing", "ok".into()), body), Err(Unwanted::Json));
        assert_eq!(verdict(&rules("$.status", "ok".into()), "{"), Err(Unwanted::Json));
    }
}
