//! The agent's own state: what it ran and what it did not, how late, and how those do who work beside the probes.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use probes::outcome::{Idle, Verdict};

use super::histogram::{Histogram, LATENESS, Names};
use super::process;
use super::series::{OUTCOMES, since_1970};
use super::text::{Kind, begin, count, label, length, sample, single};
use crate::run::Run;

/// What schedule, store and export say of themselves at the moment.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    /// Runs under way.
    pub running: usize,
    /// Runs that are due and wait for a place.
    pub waiting: usize,
    /// The store; none where there is none.
    pub store: Option<StoreStanding>,
    /// Failures that an export could not take, since the start.
    pub export_dropped: u64,
    /// Whether none of the guard's targets answers.
    pub cut_off: bool,
    /// Why the configuration that was read last was refused; none where it was taken.
    pub refused: Option<String>,
}

/// What the store says of itself.
#[derive(Clone, Debug, Default)]
pub struct StoreStanding {
    /// Runs that wait to be written.
    pub queue: usize,
    /// Runs written since the start.
    pub written: u64,
    /// Runs that were given up since the start, for want of room.
    pub dropped: u64,
    /// Bytes on disk.
    pub bytes: u64,
    /// Why the last attempt to write failed, and since when none succeeds; none where it did.
    pub trouble: Option<(String, SystemTime)>,
    /// When the last batch was safe on disk.
    pub last_commit: Option<SystemTime>,
}

/// What a request to `/probe` came to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Asking {
    /// A probe was run.
    Run,
    /// There is no such module.
    UnknownModule,
    /// As many as may be were under way.
    Busy,
    /// Something else was wrong with the request.
    Unusable,
}

impl Asking {
    const ALL: [(Self, &'static str); 4] = [
        (Self::Run, "outcome=\"run\""),
        (Self::UnknownModule, "outcome=\"unknown_module\""),
        (Self::Busy, "outcome=\"busy\""),
        (Self::Unusable, "outcome=\"unusable\""),
    ];
}

const LATENESS_NAMES: Names = Names {
    family: "agent_lateness_seconds",
    bucket: "agent_lateness_seconds_bucket",
    sum: "agent_lateness_seconds_sum",
    count: "agent_lateness_seconds_count",
};

/// The counters of the agent itself.
#[derive(Debug, Default)]
pub(super) struct Agent {
    runs: [AtomicU64; 5],
    not_begun: [AtomicU64; 4],
    missed_slots: AtomicU64,
    lateness: Mutex<Histogram>,
    asked: [AtomicU64; 4],
    accepted: AtomicU64,
    refused: AtomicU64,
    last_refused: AtomicU64,
    accepted_at: AtomicI64,
    tasks: AtomicU64,
    targets: AtomicU64,
}

impl Agent {
    pub(super) fn observe(&self, run: &Run) {
        let verdict = run.outcome.verdict;
        add(&self.runs[verdict as usize], 1);
        match verdict {
            Verdict::Ok | Verdict::Failed | Verdict::Error => {
                self.lateness.lock().unwrap_or_else(PoisonError::into_inner).observe(&LATENESS, run.late);
            }
            Verdict::Skipped | Verdict::Missed => {
                let why = Idle::ALL.iter().position(|idle| Some(idle.fault()) == run.outcome.fault);
                if let Some(counter) = why.and_then(|why| self.not_begun.get(why)) {
                    add(counter, 1);
                }
            }
        }
    }

    pub(super) fn miss(&self, slots: u64) {
        add(&self.missed_slots, slots);
    }

    pub(super) fn ask(&self, came_to: Asking) {
        add(&self.asked[came_to as usize], 1);
    }

    pub(super) fn configured(&self, tasks: usize, targets: usize) {
        add(&self.accepted, 1);
        self.last_refused.store(0, Ordering::Relaxed);
        let now = since_1970(SystemTime::now()).as_secs();
        self.accepted_at.store(i64::try_from(now).unwrap_or(i64::MAX), Ordering::Relaxed);
        self.tasks.store(tasks as u64, Ordering::Relaxed);
        self.targets.store(targets as u64, Ordering::Relaxed);
    }

    pub(super) fn refused(&self) {
        add(&self.refused, 1);
        self.last_refused.store(1, Ordering::Relaxed);
    }

    /// The page of everything that is not about a target.
    pub(super) fn text(&self, standing: &Standing) -> String {
        let mut page = String::with_capacity(8192);
        build(&mut page);
        self.runs(&mut page);
        schedule(&mut page, standing);
        if let Some(store) = &standing.store {
            write_store(&mut page, store);
        }
        let help = "Failures that an export could not take.";
        single(&mut page, "agent_export_dropped_total", help, Kind::Counter, count(standing.export_dropped));
        self.configuration(&mut page);
        process::write(&mut page);
        page
    }

    fn runs(&self, page: &mut String) {
        let numbers = |name: &str, labels: &[&str], counters: &[AtomicU64], page: &mut String| {
            for (label, counter) in labels.iter().zip(counters) {
                sample(page, name, ("", label), count(load(counter)));
            }
        };
        begin(page, "agent_runs_total", "Runs of the schedule by what they came to.", Kind::Counter);
        numbers("agent_runs_total", &OUTCOMES.map(|(_, label)| label), &self.runs, page);
        let name = "agent_runs_not_begun_total";
        begin(page, name, "Runs that were due and not begun, by the reason.", Kind::Counter);
        for (idle, counter) in Idle::ALL.iter().zip(&self.not_begun) {
            let mut reason = String::new();
            label(&mut reason, "reason", idle.fault().trim_start_matches("agent."));
            sample(page, name, ("", &reason), count(load(counter)));
        }
        let help = "Slots that passed without a run, while the machine was suspended, its clock jumped or the agent was held up.";
        single(page, "agent_missed_slots_total", help, Kind::Counter, count(load(&self.missed_slots)));
        begin(page, LATENESS_NAMES.family, "How much later than due runs began.", Kind::Histogram);
        let lateness = *self.lateness.lock().unwrap_or_else(PoisonError::into_inner);
        lateness.write(page, &LATENESS_NAMES, &LATENESS, ("", ""));
        let name = "agent_probe_requests_total";
        begin(page, name, "Requests to /probe by what they came to.", Kind::Counter);
        numbers(name, &Asking::ALL.map(|(_, label)| label), &self.asked, page);
    }

    fn configuration(&self, page: &mut String) {
        let name = "agent_config_reloads_total";
        begin(page, name, "Reloads of the configuration by what they came to.", Kind::Counter);
        // The first configuration is no reload.
        let reloads = load(&self.accepted).saturating_sub(1);
        sample(page, name, ("", "result=\"accepted\""), count(reloads));
        sample(page, name, ("", "result=\"refused\""), count(load(&self.refused)));
        let last = f64::from(u8::from(load(&self.last_refused) == 0));
        let help = "Whether the last reload was accepted.";
        single(page, "agent_config_last_reload_successful", help, Kind::Gauge, last);
        let at = count(u64::try_from(self.accepted_at.load(Ordering::Relaxed)).unwrap_or(0));
        let help = "When a configuration was accepted last, in seconds since 1970.";
        single(page, "agent_config_last_reload_success_timestamp_seconds", help, Kind::Gauge, at);
        single(
            page,
            "agent_config_tasks",
            "Tasks, modules for /probe included.",
            Kind::Gauge,
            count(load(&self.tasks)),
        );
        single(page, "agent_config_targets", "Targets of all tasks.", Kind::Gauge, count(load(&self.targets)));
    }
}

fn build(page: &mut String) {
    let mut version = String::new();
    label(&mut version, "version", env!("CARGO_PKG_VERSION"));
    begin(page, "agent_build_info", "The version of the agent.", Kind::Gauge);
    sample(page, "agent_build_info", ("", &version), 1.0);
}

fn schedule(page: &mut String, standing: &Standing) {
    single(page, "agent_running", "Runs under way.", Kind::Gauge, length(standing.running));
    single(page, "agent_waiting", "Runs that are due and wait for a place.", Kind::Gauge, length(standing.waiting));
}

fn write_store(page: &mut String, store: &StoreStanding) {
    let failing = f64::from(u8::from(store.trouble.is_some()));
    let rows = [
        ("agent_store_queue_length", "Runs that wait to be written.", Kind::Gauge, length(store.queue)),
        ("agent_store_written_total", "Runs written to the store.", Kind::Counter, count(store.written)),
        ("agent_store_dropped_total", "Runs given up for want of room.", Kind::Counter, count(store.dropped)),
        ("agent_store_size_bytes", "Bytes of the store on disk.", Kind::Gauge, count(store.bytes)),
        ("agent_store_failing", "Whether the last attempt to write to the store failed.", Kind::Gauge, failing),
    ];
    for (name, help, kind, value) in rows {
        single(page, name, help, kind, value);
    }
    if let Some(at) = store.last_commit {
        let help = "When the last batch was safe on disk, in seconds since 1970.";
        let name = "agent_store_last_commit_timestamp_seconds";
        single(page, name, help, Kind::Gauge, since_1970(at).as_secs_f64());
    }
}

fn add(counter: &AtomicU64, more: u64) {
    counter.fetch_add(more, Ordering::Relaxed);
}

fn load(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}
