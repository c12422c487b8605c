//! What the agent counts and measures, as Prometheus reads it: the last run of every task and target under the names of
//! `blackbox_exporter`, with the code of its failure beside them, and the agent's own state under `agent_*`.
//!
//! A run is taken by [`Metrics::observe`] on the thread that made it: one lock of its own series for a moment. What was not
//! measured, or not reached, is absent, never a zero.

mod agent;
mod family;
mod histogram;
mod labels;
mod page;
mod process;
mod reading;
mod series;
mod text;

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use probes::outcome::Outcome;

use crate::config::Config;
use crate::run::Run;
use agent::Agent;
pub use agent::{Asking, Standing, StoreStanding};
pub use page::Page;
use reading::Reading;
use series::Series;

/// The series of every target of every task.
type Tasks = HashMap<Box<str>, HashMap<Box<str>, Arc<Series>>>;

/// Everything that is counted and measured.
#[derive(Debug, Default)]
pub struct Metrics {
    tasks: RwLock<Tasks>,
    agent: Agent,
}

impl Metrics {
    /// Takes over a configuration: the first one, or that of an accepted reload. Series of tasks and targets that are gone
    /// disappear; the others keep what they have counted.
    pub fn configure(&self, config: &Config) {
        let mut old = self.tasks.write().unwrap_or_else(PoisonError::into_inner);
        let mut new = Tasks::new();
        let mut targets = 0;
        for task in &config.tasks {
            for probe in &task.probes {
                let secrets = probe.conditions.secrets.long();
                let (name, target) = (secrets.strike(&probe.identity.task), secrets.strike(&probe.identity.target));
                let labels = labels::of(&name, &target, &probe.identity.labels, &secrets);
                let kept = old.get(name.as_str()).and_then(|targets| targets.get(target.as_str()));
                let series = kept.filter(|series| series.labels() == &*labels).cloned();
                let series = series.unwrap_or_else(|| Arc::new(Series::new(labels)));
                new.entry(name.into()).or_default().insert(target.into(), series);
                targets += 1;
            }
        }
        *old = new;
        drop(old);
        self.agent.configured(config.tasks.len(), targets);
    }

    /// Counts a reload that was refused.
    pub fn refuse(&self) {
        self.agent.refused();
    }

    /// Takes a run. One of a task that is no longer configured counts for the agent and has no series.
    pub fn observe(&self, run: &Run) {
        self.agent.observe(run);
        let tasks = self.tasks.read().unwrap_or_else(PoisonError::into_inner);
        let targets = tasks.get(run.outcome.task.as_str());
        let series = targets.and_then(|targets| targets.get(run.outcome.target.as_str())).cloned();
        drop(tasks);
        if let Some(series) = series {
            series.observe(&run.outcome);
        }
    }

    /// Counts slots that passed without a run.
    pub fn miss(&self, slots: u64) {
        self.agent.miss(slots);
    }

    /// Counts a request to `/probe`.
    pub fn ask(&self, came_to: Asking) {
        self.agent.ask(came_to);
    }

    /// The whole page, piece by piece.
    #[must_use]
    pub fn page(&self, standing: &Standing) -> Page {
        let tasks = self.tasks.read().unwrap_or_else(PoisonError::into_inner);
        let mut series: Vec<_> = tasks.values().flat_map(HashMap::values).cloned().collect();
        drop(tasks);
        series.sort_unstable_by(|one, other| one.labels().cmp(other.labels()));
        Page::new(self.agent.text(standing), series)
    }
}

/// One run alone, without labels of task and target: the answer of `/probe`.
#[must_use]
pub fn of_outcome(outcome: &Outcome) -> String {
    Reading::of(outcome).text()
}

/// The answer of `/probe` where there was nothing to run.
#[must_use]
pub fn of_nothing() -> String {
    Reading::of_nothing().text()
}

#[cfg(test)]
mod tests;
