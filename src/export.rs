//! Failed runs on their way out of the house: as lines of a file, and by POST to a URL. Neither ever holds a probe up:
//! what a full queue has no room for is dropped and counted.

mod file;
mod webhook;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use probes::outcome::Verdict;

use crate::run::{Run, json_line};
use crate::settings::daemon::Export as Settings;
use file::File;
use webhook::Webhook;

/// Where failed runs go; nowhere, unless the settings say so.
#[derive(Debug, Default)]
pub struct Export {
    file: Option<File>,
    webhook: Option<Webhook>,
}

/// What became of the failed runs, over all exports since the start.
#[derive(Debug, Default)]
pub struct Counters {
    exported: AtomicU64,
    dropped: AtomicU64,
}

impl Counters {
    /// Failed runs that were written or sent, each way by itself.
    #[must_use]
    pub fn exported(&self) -> u64 {
        self.exported.load(Ordering::Relaxed)
    }

    /// Failed runs that were not, each way by itself: the queue was full, or the webhook refused them for too long.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    fn count_exported(&self, lines: u64) {
        self.exported.fetch_add(lines, Ordering::Relaxed);
    }

    fn count_dropped(&self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }
}

impl Export {
    /// Starts what the settings name, on the runtime of the caller.
    pub fn start(settings: &Settings, counters: &Arc<Counters>) -> Result<Self, String> {
        let file = settings.jsonl.as_ref().map(|path| File::start(path.clone(), Arc::clone(counters))).transpose()?;
        let webhook = settings.webhook.as_ref().map(|url| Webhook::start(url, Arc::clone(counters))).transpose()?;
        Ok(Self { file, webhook })
    }

    /// Takes a run, if it failed; never waits.
    pub fn push(&self, run: &Run) {
        if run.outcome.verdict != Verdict::Failed || (self.file.is_none() && self.webhook.is_none()) {
            return;
        }
        let line: Arc<str> = json_line(&run.outcome).into();
        if let Some(file) = &self.file {
            file.push(Arc::clone(&line));
        }
        if let Some(webhook) = &self.webhook {
            webhook.push(line);
        }
    }

    /// Writes and sends what is still queued, as far as the time goes.
    pub async fn close(self, grace: Duration) {
        let file = async {
            if let Some(file) = self.file {
                file.close(grace).await;
            }
        };
        let webhook = async {
            if let Some(webhook) = self.webhook {
                webhook.close(grace).await;
            }
        };
        tokio::join!(file, webhook);
    }
}
