//! The guard: tells the agent's own lost connectivity from the targets'. A failed run counts only if a look at the
//! guard's targets that was begun after the failure finds one that answers, and none since the run began found none.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use probes::net::Host;
use probes::outcome::Verdict;
use tokio::sync::{Notify, watch};

use crate::config::Config;

/// From the beginning of one look to that of the next.
const PAUSE: Duration = Duration::from_secs(1);

/// What is known of the agent's own connectivity.
#[derive(Clone, Copy, Debug)]
struct Known {
    /// When the last look began.
    begun: Option<Instant>,
    /// Whether nobody answered then.
    cut_off: bool,
    /// When the last look ended at which nobody answered.
    last_cut_off: Option<Instant>,
}

/// Looks whether the agent is cut off, and remembers it for all runs.
#[derive(Debug)]
pub(super) struct Guard {
    known: watch::Sender<Known>,
    asked: Notify,
    config: watch::Sender<(Arc<Config>, Arc<Host>)>,
}

impl Guard {
    pub(super) fn new(config: Arc<Config>, host: Arc<Host>) -> Self {
        let known = Known { begun: None, cut_off: false, last_cut_off: None };
        Self { known: watch::Sender::new(known), asked: Notify::new(), config: watch::Sender::new((config, host)) }
    }

    /// Takes over other targets.
    pub(super) fn replace(&self, config: Arc<Config>, host: Arc<Host>) {
        self.config.send_replace((config, host));
    }

    /// Whether the configuration still has a target.
    pub(super) fn is_configured(&self, task: &str, target: &str) -> bool {
        let tasks = &self.config.borrow().0.tasks;
        let probes = tasks.iter().filter(|known| known.name == task).flat_map(|known| &known.probes);
        probes.into_iter().any(|probe| probe.identity.target == target)
    }

    /// Whether there is anything to look at.
    pub(super) fn is_on(&self) -> bool {
        !self.config.borrow().0.guard.is_empty()
    }

    /// Whether nobody answered at the last look.
    pub(super) fn is_cut_off(&self) -> bool {
        self.known.borrow().cut_off
    }

    /// Whether a run that began and failed at these instants says nothing about its target, since the agent was cut off.
    pub(super) async fn excuses(&self, began: Instant, failed: Instant) -> bool {
        let mut news = self.known.subscribe();
        loop {
            let known = *news.borrow_and_update();
            if known.begun.is_some_and(|begun| begun >= failed) {
                return known.cut_off || known.last_cut_off.is_some_and(|last| last >= began);
            }
            self.asked.notify_one();
            if news.changed().await.is_err() {
                return false;
            }
        }
    }

    /// Looks when it is asked to, and while the agent is cut off; never more often than once in [`PAUSE`].
    pub(super) async fn watch(&self) {
        loop {
            let Known { begun, cut_off, .. } = *self.known.borrow();
            if !cut_off {
                self.asked.notified().await;
            }
            if let Some(begun) = begun {
                tokio::time::sleep_until((begun + PAUSE).into()).await;
            }
            self.look().await;
        }
    }

    async fn look(&self) {
        let begun = Instant::now();
        let (config, host) = self.config.borrow().clone();
        let answered = config.guard.is_empty() || answers(&config, &host).await;
        self.known.send_modify(|known| {
            match (known.cut_off, answered) {
                (false, false) => tracing::warn!("the agent is cut off: none of the guard's targets answers"),
                (true, true) => tracing::info!("the agent is no longer cut off"),
                (false, true) | (true, false) => {}
            }
            known.begun = Some(begun);
            known.cut_off = !answered;
            if !answered {
                known.last_cut_off = Some(Instant::now());
            }
        });
    }
}

/// Whether one of the targets answers; the first that does is enough.
async fn answers(config: &Config, host: &Host) -> bool {
    let mut outcomes: FuturesUnordered<_> = config.guard.iter().map(|probe| probe.run(host)).collect();
    while let Some(outcome) = outcomes.next().await {
        if outcome.verdict == Verdict::Ok {
            return true;
        }
    }
    false
}
