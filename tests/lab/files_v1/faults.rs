//! What a broken service says in the place of the answer that it should give: rules of the case.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::json;

use super::answer::Answer;
use crate::lab::script::Span;

/// A rule. What it does not say fits every request.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Fault {
    /// The operation: as in the interface, but `init` and `slice` for `upload_slice`, and `download`.
    pub op: Option<String>,
    /// What the path of the URL begins with.
    pub path: Option<String>,
    /// The how manieth of these requests, from 1.
    pub nth: Option<usize>,
    /// The status; 200 for the code 0, 400 for others.
    status: Option<u16>,
    /// The JSON code.
    code: Option<i64>,
    /// Its symbol.
    message: String,
    /// Header fields.
    headers: BTreeMap<String, String>,
    /// How long the answer takes.
    pub delay: Option<Span>,
    /// No answer comes: the connection ends.
    pub drop: bool,
    /// What was asked for is done nevertheless, before the answer gets lost.
    pub done: bool,
    /// The body, in the place of JSON.
    body: Option<String>,
}

impl Fault {
    /// What it says, if it says anything.
    pub fn answer(&self) -> Option<Answer> {
        if self.status.is_none() && self.code.is_none() && self.body.is_none() {
            return None;
        }
        let code = self.code.unwrap_or(0);
        let status = self.status.unwrap_or(if code == 0 { 200 } else { 400 });
        let mut answer = match (&self.body, self.code) {
            (None, Some(code)) => Answer::json(status, code, &self.message, &json!({})),
            (body, _) => Answer { body: body.clone().unwrap_or_default().into_bytes(), ..Answer::empty(status) },
        };
        answer.headers.extend(self.headers.iter().map(|(name, value)| (name.clone(), value.clone())));
        Some(answer)
    }
}

/// How often rules were looked at, and whether they were ever of use.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    fitting: usize,
    used: bool,
}

impl Tally {
    /// Counts a request for a rule, and says whether it is the one.
    pub fn counts(&mut self, nth: Option<usize>, fits: bool) -> bool {
        self.fitting += usize::from(fits);
        let chosen = fits && nth.is_none_or(|nth| nth == self.fitting);
        self.used |= chosen;
        chosen
    }

    /// Whether the rule was ever of use.
    pub const fn used(self) -> bool {
        self.used
    }
}

/// Whether a rule about an operation and the beginning of a path is about a request.
pub fn is_about(op: Option<&str>, path: Option<&str>, operation: &str, asked: &str) -> bool {
    op.is_none_or(|op| op == operation) && path.is_none_or(|path| asked.starts_with(path))
}
