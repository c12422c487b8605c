//! Notices when the machine stands still: a shared one now and then gives a processor to somebody else for a second.
//!
//! A case with a timer of a second says nothing about the agent then. One that failed while the machine stood still is
//! played again, and the report says so; one that failed on a machine that ran has failed.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;

/// How often each processor is looked at.
const TICK: Duration = Duration::from_millis(10);
/// What is no stall yet: debug builds of a dozen tests share the processors.
const PATIENCE: Duration = Duration::from_millis(100);

/// The stalls so far.
#[derive(Clone, Debug, Default)]
pub struct Stalls(Arc<Mutex<Vec<(Instant, Duration)>>>);

impl Stalls {
    /// Starts a thread on each processor that sleeps and looks how long it really slept.
    pub fn watch() -> Self {
        let stalls = Self::default();
        for processor in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            let stalls = stalls.clone();
            std::thread::spawn(move || {
                let mut own = CpuSet::new();
                // Where that is not allowed the thread wanders, and sees a little less.
                let _ = own.set(processor).and_then(|()| sched_setaffinity(Pid::from_raw(0), &own));
                stalls.look();
            });
        }
        stalls
    }

    fn look(&self) -> ! {
        loop {
            let slept = Instant::now();
            std::thread::sleep(TICK);
            let over = slept.elapsed().saturating_sub(TICK);
            if over > PATIENCE {
                self.0.lock().unwrap_or_else(PoisonError::into_inner).push((Instant::now(), over));
            }
        }
    }

    /// The longest stall that ended after an instant.
    pub fn longest_since(&self, since: Instant) -> Option<Duration> {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.iter().filter(|(ended, _)| *ended >= since).map(|(_, over)| *over).max()
    }
}
