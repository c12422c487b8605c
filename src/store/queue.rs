//! The runs that wait to be written, bounded, and the state that the writer reports.

#![expect(
    clippy::vec_box,
    reason = "a run is large, and a batch goes back into the queue where the disk does not take it"
)]

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use probes::evidence::Evidence;
use probes::outcome::Verdict;

use super::{Health, Trouble};
use crate::run::Run;

/// How many runs are written at once, at most.
pub(super) const BATCH: usize = 8192;

/// Between those who probe and the writer.
#[derive(Debug)]
pub(super) struct Queue {
    most: usize,
    inner: Mutex<Inner>,
    changed: Condvar,
    /// A reader has found the file damaged.
    damage: AtomicBool,
}

#[derive(Debug, Default)]
struct Inner {
    failed: VecDeque<Box<Run>>,
    other: VecDeque<Box<Run>>,
    /// Taken by the writer and not committed yet.
    taken: usize,
    closed: bool,
    health: Health,
}

impl Inner {
    fn length(&self) -> usize {
        self.failed.len() + self.other.len()
    }

    /// Makes room by dropping the oldest, those that did not fail first.
    fn bound(&mut self, most: usize) {
        while self.length() > most {
            if self.other.pop_front().is_none() {
                self.failed.pop_front();
            }
            self.health.dropped += 1;
        }
    }
}

impl Queue {
    pub(super) fn new(most: usize) -> Self {
        Self { most, inner: Mutex::default(), changed: Condvar::new(), damage: AtomicBool::new(false) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn push(&self, mut run: Box<Run>) {
        let failed = run.outcome.verdict == Verdict::Failed;
        // Only the evidence of what did not go well is kept.
        let unneeded = run.outcome.ok.then(|| std::mem::take::<Evidence>(&mut run.outcome.evidence));
        let mut inner = self.lock();
        if inner.closed {
            inner.health.dropped += 1;
        } else {
            let list = if failed { &mut inner.failed } else { &mut inner.other };
            list.push_back(run);
            inner.bound(self.most);
        }
        let enough = inner.length() == BATCH;
        drop(inner);
        drop(unneeded);
        if enough {
            self.changed.notify_one();
        }
    }

    /// What waits, once that is enough for a batch or a time has passed; whether the end has come, too.
    pub(super) fn take(&self, patience: Duration) -> (Vec<Box<Run>>, bool) {
        let mut inner = self.wait(patience, |inner| !inner.closed && inner.length() < BATCH);
        let failed = inner.failed.len().min(BATCH);
        let mut runs: Vec<Box<Run>> = inner.failed.drain(..failed).collect();
        let other = inner.other.len().min(BATCH - failed);
        runs.extend(inner.other.drain(..other));
        inner.taken = runs.len();
        let ended = inner.closed && inner.length() == 0;
        (runs, ended)
    }

    /// Waits for a time, or until the end; whether it has come.
    pub(super) fn pause(&self, time: Duration) -> bool {
        self.wait(time, |inner| !inner.closed).closed
    }

    fn wait(&self, time: Duration, while_so: impl Fn(&Inner) -> bool) -> MutexGuard<'_, Inner> {
        let waited = self.changed.wait_timeout_while(self.lock(), time, |inner| while_so(inner));
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Puts back, in front, what could not be written.
    pub(super) fn restore(&self, runs: Vec<Box<Run>>) {
        let mut inner = self.lock();
        inner.taken = 0;
        for run in runs.into_iter().rev() {
            let list = if run.outcome.verdict == Verdict::Failed { &mut inner.failed } else { &mut inner.other };
            list.push_front(run);
        }
        inner.bound(self.most);
    }

    /// What was taken is on disk.
    pub(super) fn committed(&self, written: u64, bytes: u64, any: bool) -> Option<Trouble> {
        let mut inner = self.lock();
        inner.taken = 0;
        inner.health.written += written;
        inner.health.bytes = bytes;
        if any {
            inner.health.committed = Some(SystemTime::now());
        }
        inner.health.trouble.take()
    }

    /// Nothing can be written; says whether that is news.
    pub(super) fn fail(&self, text: String) -> bool {
        let mut inner = self.lock();
        let known = inner.health.trouble.as_ref();
        let is_news = known.is_none_or(|trouble| trouble.text != text);
        let since = known.map_or_else(SystemTime::now, |trouble| trouble.since);
        inner.health.trouble = Some(Trouble { text, since });
        is_news
    }

    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// A reader has found the file damaged: the writer sees to it with its next batch.
    pub(super) fn find_damage(&self) {
        self.damage.store(true, Ordering::Relaxed);
    }

    /// Whether a reader has found the file damaged since the last call.
    pub(super) fn take_damage(&self) -> bool {
        self.damage.swap(false, Ordering::Relaxed)
    }

    /// How the store is doing.
    pub(super) fn health(&self) -> Health {
        let inner = self.lock();
        Health { waiting: inner.length() + inner.taken, ..inner.health.clone() }
    }
}
