//! When what runs: every task and target has slots of its own on the wall clock, runs begin at them as far as there
//! is room, and whatever comes of it, or does not, is handed on as a [`Run`].

mod driver;
mod grid;
mod guard;
mod slots;
mod timeline;
mod work;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use probes::net::Host;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::config::Config;
use crate::run::Run;
use driver::{Command, Driver};

/// Who gets the runs, each with the number of slots it stands for: one, and all of them for a record of missed ones. It is
/// called from the threads that probe, and must not wait for anything.
pub type Sink = Arc<dyn Fn(Run, u64) + Send + Sync>;

/// The schedule of a configuration, at work.
#[derive(Debug)]
pub struct Schedule {
    commands: mpsc::UnboundedSender<Command>,
    figures: Arc<Figures>,
    driver: JoinHandle<usize>,
}

/// What the schedule is doing, for those who ask at any time.
#[derive(Debug, Default)]
pub struct Figures {
    running: AtomicU64,
    waiting: AtomicU64,
    jumps: AtomicU64,
    cut_off: AtomicU64,
    turns: AtomicU64,
}

impl Figures {
    /// Runs that are under way.
    #[must_use]
    pub fn running(&self) -> u64 {
        self.running.load(Ordering::Relaxed)
    }

    /// Runs that are due and wait for a place.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        self.waiting.load(Ordering::Relaxed)
    }

    /// How often the clock has jumped since the start, by a second or more.
    #[must_use]
    pub fn clock_jumps(&self) -> u64 {
        self.jumps.load(Ordering::Relaxed)
    }

    /// Whether the guard says that the agent is cut off.
    #[must_use]
    pub fn is_cut_off(&self) -> bool {
        self.cut_off.load(Ordering::Relaxed) != 0
    }

    /// Grows at least once a second while the schedule is alive.
    #[must_use]
    pub fn turns(&self) -> u64 {
        self.turns.load(Ordering::Relaxed)
    }
}

impl Schedule {
    /// Starts it on the runtime of the caller.
    #[must_use]
    pub fn start(config: Arc<Config>, host: Arc<Host>, sink: Sink) -> Self {
        let (commands, received) = mpsc::unbounded_channel();
        let figures = Arc::new(Figures::default());
        let driver = Driver::new(config, host, sink, commands.clone(), Arc::clone(&figures));
        Self { commands, figures, driver: tokio::spawn(driver.drive(received)) }
    }

    /// Takes over another configuration: tasks that are in both keep their slots, runs under way go on.
    pub fn replace(&self, config: Arc<Config>, host: Arc<Host>) {
        // A driver that is gone has no use for it.
        let _ = self.commands.send(Command::Replace(config, host));
    }

    /// What it is doing.
    #[must_use]
    pub const fn figures(&self) -> &Arc<Figures> {
        &self.figures
    }

    /// Begins no further runs, waits for those under way, and says how many were not done in time.
    pub async fn stop(self, grace: Duration) -> usize {
        let _ = self.commands.send(Command::Stop(Instant::now() + grace));
        self.driver.await.unwrap_or(0)
    }
}
