//! One run as those get it who keep, count, show and export it.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use probes::outcome::Outcome;
use serde::Serialize;

use crate::reader::disturbs;

/// One run: what it came to, and when it should have begun.
#[derive(Clone, Debug)]
pub struct Run {
    /// What it came to.
    pub outcome: Outcome,
    /// When it was due.
    pub due: SystemTime,
    /// How much later than due it began, and a further attempt than the one before it ended; nothing for one that was not
    /// begun.
    pub late: Duration,
    /// The task file that made it, without its secrets.
    pub definition: Arc<str>,
}

/// One result as one line of JSON, with its end; nothing in it disturbs the terminal of someone who looks at it.
#[must_use]
pub fn json_line(result: &impl Serialize) -> String {
    match serde_json::to_string(result) {
        // What may stand in a text and disturb is written as JSON's escape.
        Ok(line) => {
            line.chars().fold(String::with_capacity(line.len() + 1), |mut line, letter| {
                if letter.is_control() || disturbs(letter) {
                    line.push_str(&format!("\\u{:04x}", u32::from(letter)));
                } else {
                    line.push(letter);
                }
                line
            }) + "\n"
        }
        Err(error) => unreachable!("a result has only JSON's kinds of values: {error}"),
    }
}
