//! One run as those get it who keep, count, show and export it.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use probes::outcome::Outcome;

/// One run: what it came to, and when it should have begun.
#[derive(Clone, Debug)]
pub struct Run {
    /// What it came to.
    pub outcome: Outcome,
    /// When it was due.
    pub due: SystemTime,
    /// How much later than due it began; nothing for one that was not begun.
    pub late: Duration,
    /// The task file that made it, without its secrets.
    pub definition: Arc<str>,
}
