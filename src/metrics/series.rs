//! What is kept of one target of one task: its last run, and counts over all of them.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use probes::outcome::{Outcome, Verdict};
use probes::phases::Phase;

use super::histogram::{Histogram, Names, PHASES};
use super::reading::Reading;
use super::text::{count, label, sample};

/// The names of the histogram of phases.
pub(super) const PHASE_NAMES: Names = Names {
    family: "probe_phase_duration_seconds",
    bucket: "probe_phase_duration_seconds_bucket",
    sum: "probe_phase_duration_seconds_sum",
    count: "probe_phase_duration_seconds_count",
};
/// The name of the counts of runs.
pub(super) const RUNS: &str = "probe_runs_total";
/// The name of the time of the last run.
pub(super) const LAST: &str = "probe_last_run_timestamp_seconds";

/// The name of the counts of codes.
pub(super) const FAILURES: &str = "probe_failures_total";
/// How many different codes of one target are told apart; an object store makes numbers of its own.
const MOST_CODES: usize = 64;

/// The outcomes with their labels, in the order of the counts.
pub(super) const OUTCOMES: [(Verdict, &str); 5] = [
    (Verdict::Ok, "outcome=\"ok\""),
    (Verdict::Failed, "outcome=\"failed\""),
    (Verdict::Error, "outcome=\"error\""),
    (Verdict::Skipped, "outcome=\"skipped\""),
    (Verdict::Missed, "outcome=\"missed\""),
];

/// One target of one task.
#[derive(Debug)]
pub(super) struct Series {
    labels: Box<str>,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    last: Option<Arc<Reading>>,
    at: Option<SystemTime>,
    runs: [u64; 5],
    phases: Vec<(Phase, Histogram)>,
    /// The labels of each code that failed runs ended with, and how many did.
    failures: Vec<(Box<str>, u64)>,
}

impl Kept {
    fn count_failure(&mut self, outcome: &Outcome) {
        let (Verdict::Failed, Some(code), Some(book)) = (outcome.verdict, outcome.code, outcome.book) else { return };
        let mut labels = String::new();
        label(&mut labels, "book", book.name());
        label(&mut labels, "protocol", outcome.protocol.name());
        let others = format!("{labels},code=\"other\"");
        label(&mut labels, "code", &code.number().to_string());
        if let Some((_, runs)) = self.failures.iter_mut().find(|(known, _)| **known == *labels) {
            *runs += 1;
        } else if self.failures.len() < MOST_CODES {
            self.failures.push((labels.into_boxed_str(), 1));
        } else if let Some((_, runs)) = self.failures.iter_mut().find(|(known, _)| **known == *others) {
            *runs += 1;
        } else {
            self.failures.push((others.into_boxed_str(), 1));
        }
    }
}

impl Series {
    /// Without any run.
    pub(super) fn new(labels: Box<str>) -> Self {
        Self { labels, kept: Mutex::default() }
    }

    /// Its labels as they stand in samples.
    pub(super) fn labels(&self) -> &str {
        &self.labels
    }

    /// Takes a run; what says nothing about the target changes a count and nothing else.
    pub(super) fn observe(&self, outcome: &Outcome) {
        let about_target = matches!(outcome.verdict, Verdict::Ok | Verdict::Failed);
        let reading = about_target.then(|| Arc::new(Reading::of(outcome)));
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.runs[outcome.verdict as usize] += 1;
        if reading.is_none() {
            return;
        }
        kept.count_failure(outcome);
        let replaced = std::mem::replace(&mut kept.last, reading);
        kept.at = Some(SystemTime::now());
        for (phase, spent) in outcome.phases.iter() {
            let known = kept.phases.iter().position(|(known, _)| *known == phase);
            let at = known.unwrap_or_else(|| {
                kept.phases.reserve_exact(1);
                kept.phases.push((phase, Histogram::default()));
                kept.phases.len() - 1
            });
            kept.phases[at].1.observe(&PHASES, spent);
        }
        drop(kept);
        drop(replaced);
    }

    /// What the last run said.
    pub(super) fn last(&self) -> Option<Arc<Reading>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).last.clone()
    }

    /// Writes the counts of runs: of those that say something about the target always, of the others where there are any.
    pub(super) fn write_runs(&self, page: &mut String) {
        let runs = self.kept.lock().unwrap_or_else(PoisonError::into_inner).runs;
        for ((verdict, label), number) in OUTCOMES.iter().zip(runs) {
            if number > 0 || matches!(verdict, Verdict::Ok | Verdict::Failed) {
                sample(page, RUNS, (&self.labels, label), count(number));
            }
        }
    }

    /// Writes how often each code came.
    pub(super) fn write_failures(&self, page: &mut String) {
        let failures = self.kept.lock().unwrap_or_else(PoisonError::into_inner).failures.clone();
        for (labels, runs) in failures {
            sample(page, FAILURES, (&self.labels, &labels), count(runs));
        }
    }

    /// Writes when the last run ended.
    pub(super) fn write_last(&self, page: &mut String) {
        let at = self.kept.lock().unwrap_or_else(PoisonError::into_inner).at;
        if let Some(at) = at {
            sample(page, LAST, (&self.labels, ""), since_1970(at).as_secs_f64());
        }
    }

    /// Writes how long the phases took.
    pub(super) fn write_phases(&self, page: &mut String) {
        let phases = self.kept.lock().unwrap_or_else(PoisonError::into_inner).phases.clone();
        for (phase, histogram) in phases {
            let label = format!("phase=\"{}\"", phase.name());
            histogram.write(page, &PHASE_NAMES, &PHASES, (&self.labels, &label));
        }
    }
}

/// The time since 1970; none before it.
pub(super) fn since_1970(time: SystemTime) -> Duration {
    time.duration_since(UNIX_EPOCH).unwrap_or_default()
}
