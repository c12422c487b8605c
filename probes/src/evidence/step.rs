//! The parts of a run that has several, and what an object store said.

use serde::Serialize;

use super::Evidence;
use crate::phases::Phases;

/// One part of a run that has several: a step of a task, an operation of several.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Step {
    /// What was done.
    pub name: String,
    /// What was spoken, where steps differ in that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<&'static str>,
    /// Where to, without credentials, where steps differ in that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Whether it went well.
    pub ok: bool,
    /// The code it came to; null where it was not run.
    pub code: Option<i32>,
    /// Whether it was not run.
    pub skipped: bool,
    /// How often it was run, where that can be more than once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rounds: Option<u32>,
    /// What happened, where it did not go well; from the closed list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<&'static str>,
    /// What happened, for people, or why it was not run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The peer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote: Option<String>,
    /// The time it took; of several rounds, the sums.
    pub phases: Phases,
    /// What else was seen, in its last round.
    #[serde(flatten)]
    pub evidence: Box<Evidence>,
}

impl Step {
    /// Hands every text that a peer could have written to `edit`.
    pub(super) fn each_text(&mut self, edit: &mut impl FnMut(&mut String)) {
        edit(&mut self.name);
        self.target.iter_mut().chain(&mut self.detail).for_each(&mut *edit);
        self.evidence.each_text(edit);
    }
}

/// What an object store said.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Object {
    /// Who made the code: `sdk` (the agent), `json`, `http` or `download`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layer: Option<&'static str>,
    /// Its name in the table of the service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub symbol: Option<&'static str>,
    /// The message of the last answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// How many entries were listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entries: Option<u64>,
    /// Whether there are more of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub has_more: Option<bool>,
    /// The SHA-1 of what was downloaded, in lower-case hex.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha1: Option<String>,
}
