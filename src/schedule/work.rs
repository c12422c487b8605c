//! One run from its beginning to the sink, with the attempts after it and the word of the guard on each.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Instant, SystemTime};

use probes::net::Host;
use probes::outcome::{Idle, Verdict};
use tokio::sync::mpsc;

use super::Sink;
use super::driver::Command;
use super::grid::Key;
use super::guard::Guard;
use crate::config::Config;
use crate::run::Run;
use crate::task::{Probe, Task};

/// A task and one of its targets, in the configuration that they are of.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) config: Arc<Config>,
    pub(super) task: usize,
    pub(super) probe: usize,
}

impl Job {
    fn task(&self) -> Option<&Task> {
        self.config.tasks.get(self.task)
    }

    pub(super) fn probe(&self) -> Option<&Probe> {
        self.task()?.probes.get(self.probe)
    }
}

/// A run that is due.
pub(super) struct Work {
    pub(super) job: Job,
    pub(super) key: Key,
    pub(super) due: SystemTime,
    pub(super) due_at: Instant,
    pub(super) host: Arc<Host>,
    pub(super) sink: Sink,
    pub(super) guard: Arc<Guard>,
    pub(super) alive: mpsc::Sender<Infallible>,
    pub(super) commands: mpsc::UnboundedSender<Command>,
    /// Whether no further run may begin.
    pub(super) stopping: Arc<AtomicBool>,
}

/// Gives the place of a run back, however the run ends.
struct Place {
    key: Key,
    commands: mpsc::UnboundedSender<Command>,
}

impl Drop for Place {
    fn drop(&mut self) {
        // A driver that is gone has no places.
        let _ = self.commands.send(Command::Ended(self.key));
    }
}

impl Work {
    /// Runs it, and again after a failure as often as its task wants; every attempt is a run of its own.
    pub(super) async fn perform(self) {
        let _place = Place { key: self.key, commands: self.commands.clone() };
        let (Some(task), Some(probe)) = (self.job.task(), self.job.probe()) else { return };
        let mut due = self.due_at;
        for attempt in 1..=task.retries.saturating_add(1) {
            let began = Instant::now();
            let mut outcome = probe.run(&self.host).await;
            outcome.attempt = attempt;
            let failed = outcome.verdict == Verdict::Failed;
            let late = began.saturating_duration_since(due);
            let run = Run { outcome, due: self.due, late, definition: Arc::clone(&probe.definition) };
            if failed && self.guard.is_on() {
                self.hold(run, began);
            } else {
                (self.sink)(run, 1);
            }
            let done = !failed || attempt > task.retries || self.stopping.load(Ordering::Relaxed);
            // A reload may have taken the target away meanwhile.
            if done || self.guard.is_cut_off() || !self.guard.is_configured(&task.name, &probe.identity.target) {
                break;
            }
            due = Instant::now();
        }
    }

    /// Hands a failed run on when the guard has said whether it counts; the place is free meanwhile.
    fn hold(&self, mut run: Run, began: Instant) {
        let failed = Instant::now();
        let (guard, sink, alive) = (Arc::clone(&self.guard), Arc::clone(&self.sink), self.alive.clone());
        tokio::spawn(async move {
            if guard.excuses(began, failed).await {
                run.outcome.excuse(Idle::CutOff);
            }
            sink(run, 1);
            drop(alive);
        });
    }
}
