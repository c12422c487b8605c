//! Whoever takes the runs, one after the other; none of them waits for anything.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use probes::codes::Code;
use probes::outcome::{Outcome, Verdict};

use crate::export::Export;
use crate::metrics::Metrics;
use crate::reader::printable;
use crate::run::Run;
use crate::store::Store;

/// All who take the runs.
#[derive(Debug)]
pub(super) struct Sinks {
    metrics: Arc<Metrics>,
    store: Arc<Store>,
    export: RwLock<Arc<Export>>,
    failing: Mutex<HashMap<(String, String), Option<i32>>>,
    closed: AtomicBool,
}

impl Sinks {
    /// Sends runs to these.
    pub(super) fn new(export: Export, metrics: Arc<Metrics>, store: Arc<Store>) -> Self {
        let (failing, closed) = (Mutex::default(), AtomicBool::new(false));
        Self { metrics, store, export: RwLock::new(Arc::new(export)), failing, closed }
    }

    /// Takes a run that stands for so many slots. After the end nothing is taken any more.
    pub(super) fn take(&self, run: Run, slots: u64) {
        if self.closed.load(Ordering::Acquire) {
            return;
        }
        self.tell(&run.outcome);
        self.metrics.observe(&run);
        if run.outcome.verdict == Verdict::Missed {
            self.metrics.miss(slots);
        }
        self.export.read().unwrap_or_else(PoisonError::into_inner).push(&run);
        self.store.push(run);
    }

    /// Exports to somewhere else from now on, and hands back what did so before.
    pub(super) fn export_to(&self, export: Arc<Export>) -> Arc<Export> {
        std::mem::replace(&mut *self.export.write().unwrap_or_else(PoisonError::into_inner), export)
    }

    /// Takes nothing any more.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    /// Forgets the failures of tasks that are gone.
    pub(super) fn keep(&self, lives: impl Fn(&str, &str) -> bool) {
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        failing.retain(|(task, target), _| lives(task, target));
    }

    /// Says in the log when a target begins to fail, fails otherwise, or is well again; every run only to those who want it.
    fn tell(&self, outcome: &Outcome) {
        let Outcome { task, target, verdict, code, .. } = outcome;
        tracing::debug!("{task} {target}: {verdict:?} {}", words(outcome));
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        match verdict {
            Verdict::Ok if failing.is_empty() => {}
            Verdict::Ok => {
                if failing.remove(&(task.clone(), target.clone())).is_some() {
                    tracing::info!("{task} {target}: well again");
                }
            }
            Verdict::Failed => {
                let code = code.map(Code::number);
                if failing.insert((task.clone(), target.clone()), code) != Some(code) {
                    tracing::warn!("{task} {target}: {}", words(outcome));
                }
            }
            Verdict::Error => tracing::error!("{task} {target}: {}", words(outcome)),
            Verdict::Skipped | Verdict::Missed => {}
        }
    }
}

/// Code, fault and detail in one line.
fn words(outcome: &Outcome) -> String {
    let code = outcome.code.map(|code| format!("{} ", code.number())).unwrap_or_default();
    let fault = outcome.fault.unwrap_or_default();
    let detail = outcome.detail.as_deref().map(|detail| format!(": {}", printable(detail))).unwrap_or_default();
    format!("{code}{fault}{detail}")
}
