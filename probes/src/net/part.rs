//! Runs of several parts: each has phases, evidence and limits of its own, and all share one clock.

use std::time::{Duration, Instant};

use super::stream::Tap;
use super::{Attempt, Limits, before};
use crate::evidence::Bytes;
use crate::phases::Phase;

impl Attempt<'_> {
    /// The next part of this run, with limits of its own, until `deadline`.
    pub(crate) fn part(&self, limits: Limits, deadline: Instant) -> Self {
        Self {
            limits,
            started: self.started,
            deadline,
            begun: self.begun,
            setup_deadline: deadline,
            tainted: self.tainted.clone(),
            ..Self::new(self.host, self.conditions)
        }
    }

    /// Takes a part that is over into the run, with what its connections carried.
    pub(crate) fn join(&mut self, part: Attempt<'_>, bytes: Option<Bytes>) {
        self.phases.add_all(&part.phases);
        self.current = part.current;
        self.blamed = part.blamed;
        self.remote = part.remote.or(self.remote);
        self.tainted = part.tainted;
        self.warnings.extend(part.warnings);
        if let Some(bytes) = bytes {
            self.count(bytes);
        }
    }

    /// Counts the time of a phase to another one, which has not ended after all.
    pub(crate) fn count_as(&mut self, from: Phase, to: Phase) {
        let spent = self.phases.take(from).unwrap_or_default();
        self.hop_phases.take(from);
        self.add(to, spent);
    }

    /// How long ago the current phase was entered.
    pub(crate) fn in_phase(&self) -> Duration {
        self.entered.elapsed()
    }

    /// Runs `work` until the run's deadline, or until the peer has been silent for too long; `None` is the end of either.
    pub(crate) async fn within_silence<T>(&self, tap: &Tap, work: impl Future<Output = T>) -> Option<T> {
        let Some(silence) = self.silence else { return self.within(work).await };
        let begun = Instant::now();
        let mut work = std::pin::pin!(work);
        loop {
            let ends = tap.last_moved().max(begun) + silence;
            if let Some(done) = before(self.deadline.min(ends), work.as_mut()).await {
                return Some(done);
            }
            let moved = tap.last_moved().max(begun) + silence > ends;
            if !moved || Instant::now() >= self.deadline {
                return None;
            }
        }
    }
}
