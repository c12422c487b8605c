//! How a store is doing, for the log, the metrics and the status page.

use std::time::SystemTime;

/// How a store is doing.
#[derive(Clone, Debug, Default)]
pub struct Health {
    /// Runs that wait to be written.
    pub waiting: usize,
    /// Runs written since the start.
    pub written: u64,
    /// Runs dropped since the start, because too many waited.
    pub dropped: u64,
    /// Size of the file and its log on disk, in bytes.
    pub bytes: u64,
    /// When a batch was last committed.
    pub committed: Option<SystemTime>,
    /// Why nothing can be written; nothing while all is well.
    pub trouble: Option<Trouble>,
}

/// Why nothing can be written.
#[derive(Clone, Debug)]
pub struct Trouble {
    /// The reason in words.
    pub text: String,
    /// Since when.
    pub since: SystemTime,
}
