//! The one task that turns slots into runs: it sleeps until the next slot, a run's end or a command.

use std::collections::HashMap;
use std::convert::Infallible;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use probes::net::Host;
use probes::outcome::{Idle, not_begun};
use tokio::sync::mpsc;

use super::grid::{Grid, Key, Nanos, wall_clock};
use super::guard::Guard;
use super::slots::{Due, Event, Slots};
use super::timeline::{Jump, Timeline};
use super::work::{Job, Work};
use super::{Figures, Sink};
use crate::config::Config;
use crate::run::Run;

/// What the driver is told.
#[derive(Debug)]
pub(super) enum Command {
    /// Another configuration.
    Replace(Arc<Config>, Arc<Host>),
    /// The run of a key has ended.
    Ended(Key),
    /// No further runs; those under way may go on until then.
    Stop(Instant),
}

/// How often the clocks are compared, if nothing else happens.
const TURN: Duration = Duration::from_millis(500);

pub(super) struct Driver {
    slots: Slots,
    timeline: Timeline,
    jobs: HashMap<Key, Job>,
    host: Arc<Host>,
    sink: Sink,
    guard: Arc<Guard>,
    figures: Arc<Figures>,
    commands: mpsc::UnboundedSender<Command>,
    /// Every run under way, and every verdict that is held, has one of these.
    alive: mpsc::Sender<Infallible>,
    ended: mpsc::Receiver<Infallible>,
    stopping: Arc<AtomicBool>,
}

impl Driver {
    pub(super) fn new(
        config: Arc<Config>,
        host: Arc<Host>,
        sink: Sink,
        commands: mpsc::UnboundedSender<Command>,
        figures: Arc<Figures>,
    ) -> Self {
        let (alive, ended) = mpsc::channel(1);
        let mut driver = Self {
            slots: Slots::default(),
            timeline: Timeline::new(Instant::now(), SystemTime::now()),
            jobs: HashMap::new(),
            host: Arc::clone(&host),
            sink,
            guard: Arc::new(Guard::new(Arc::clone(&config), Arc::clone(&host))),
            figures,
            commands,
            alive,
            ended,
            stopping: Arc::default(),
        };
        driver.replace(config, host);
        driver
    }

    /// Works until it is stopped, and says how many runs were not done in time.
    pub(super) async fn drive(mut self, mut commands: mpsc::UnboundedReceiver<Command>) -> usize {
        let guard = Arc::clone(&self.guard);
        let watch = tokio::spawn(async move { guard.watch().await });
        let until = loop {
            let wake = self.wake();
            let mut command = tokio::select! {
                biased;
                command = commands.recv() => command,
                () = tokio::time::sleep_until(wake.into()) => None,
            };
            let mut stop = None;
            while let Some(told) = command.take().or_else(|| commands.try_recv().ok()) {
                if let ControlFlow::Break(until) = self.obey(told) {
                    stop = Some(until);
                }
            }
            match stop {
                Some(until) => break until,
                None => self.turn(Instant::now(), SystemTime::now()),
            }
        };
        let left = self.drain(commands, until).await;
        watch.abort();
        left
    }

    /// When there is something to do, unless something happens before.
    fn wake(&self) -> Instant {
        let turn = Instant::now() + TURN;
        self.slots.next().map_or(turn, |next| self.timeline.instant(next).min(turn))
    }

    fn obey(&mut self, command: Command) -> ControlFlow<Instant> {
        match command {
            Command::Replace(config, host) => self.replace(config, host),
            Command::Ended(key) => {
                let events = self.slots.ended(key);
                self.act(events);
            }
            Command::Stop(until) => return ControlFlow::Break(until),
        }
        ControlFlow::Continue(())
    }

    fn replace(&mut self, config: Arc<Config>, host: Arc<Host>) {
        let (jobs, lanes) = read(&config);
        self.jobs = jobs;
        let now = self.timeline.wall(Instant::now());
        self.slots.replace(lanes, config.settings.daemon.schedule.clone(), now);
        self.guard.replace(config, Arc::clone(&host));
        self.host = host;
        let events = self.slots.admit();
        self.act(events);
    }

    /// Looks at the clocks and at the slots that have come.
    fn turn(&mut self, instant: Instant, wall: SystemTime) {
        match self.timeline.follow(instant, wall) {
            None => {}
            Some(Jump::Ahead(by)) => {
                self.figures.jumps.fetch_add(1, Ordering::Relaxed);
                tracing::warn!("the clock is {by:.1?} ahead: it was set, or the machine was suspended");
            }
            Some(Jump::Back(by)) => {
                self.figures.jumps.fetch_add(1, Ordering::Relaxed);
                tracing::warn!("the clock was set back by {by:.1?}");
                self.slots.restart(self.timeline.wall(instant));
            }
        }
        let events = self.slots.advance(self.timeline.wall(instant));
        let passed = events.iter().filter_map(|event| match event {
            Event::Idle { why: Idle::Passed, count, .. } => Some(*count),
            Event::Idle { .. } | Event::Begin { .. } => None,
        });
        let (probes, slots) = passed.fold((0_u64, 0), |(probes, slots), count| (probes + 1, slots + count));
        if slots > 0 {
            tracing::warn!("{slots} slots of {probes} probes have passed: the agent was held up, or the clock was set");
        }
        self.act(events);
        self.figures.turns.fetch_add(1, Ordering::Relaxed);
        self.figures.running.store(self.slots.running() as u64, Ordering::Relaxed);
        self.figures.waiting.store(self.slots.waiting() as u64, Ordering::Relaxed);
        self.figures.cut_off.store(u64::from(self.guard.is_cut_off()), Ordering::Relaxed);
    }

    fn act(&mut self, mut events: Vec<Event>) {
        while let Some(event) = events.pop() {
            match event {
                Event::Idle { key, due, why, count } => self.skip(key, due, why, count),
                Event::Begin { key, due } if self.guard.is_cut_off() => {
                    self.skip(key, due, Idle::CutOff, 1);
                    events.extend(self.slots.ended(key));
                }
                Event::Begin { key, due } => self.begin(key, due),
            }
        }
    }

    fn begin(&mut self, key: Key, due: Nanos) {
        let Some(job) = self.jobs.get(&key) else { return };
        let work = Work {
            job: job.clone(),
            key,
            due: wall_clock(due),
            due_at: self.timeline.instant(due),
            host: Arc::clone(&self.host),
            sink: Arc::clone(&self.sink),
            guard: Arc::clone(&self.guard),
            alive: self.alive.clone(),
            commands: self.commands.clone(),
            stopping: Arc::clone(&self.stopping),
        };
        tokio::spawn(work.perform());
    }

    /// Leaves the one record of slots without a run.
    fn skip(&self, key: Key, due: Nanos, why: Idle, count: u64) {
        let Some(probe) = self.jobs.get(&key).and_then(Job::probe) else { return };
        let due = wall_clock(due);
        let mut outcome = not_begun(probe.spec.protocol(), &probe.identity, due, why);
        if why == Idle::Passed {
            outcome.detail = Some(match count {
                1 => format!("1 slot: {}", why.words()),
                _ => format!("{count} slots, this one the first: {}", why.words()),
            });
        }
        let run = Run { outcome, due, late: Duration::ZERO, definition: Arc::clone(&probe.definition) };
        (self.sink)(run, count);
    }

    /// Waits for what is under way.
    async fn drain(self, mut commands: mpsc::UnboundedReceiver<Command>, until: Instant) -> usize {
        let Self { mut slots, alive, mut ended, guard, stopping, .. } = self;
        stopping.store(true, Ordering::Relaxed);
        // Held verdicts still need it.
        let _guard = guard;
        drop(alive);
        tokio::select! {
            // Nobody ever sends: this is the end of the last sender.
            _ = ended.recv() => {}
            () = tokio::time::sleep_until(until.into()) => {}
        }
        while let Ok(command) = commands.try_recv() {
            if let Command::Ended(key) = command {
                slots.forget(key);
            }
        }
        slots.running()
    }
}

/// What there is to run, and when.
fn read(config: &Arc<Config>) -> (HashMap<Key, Job>, Vec<Due>) {
    let (mut jobs, mut lanes) = (HashMap::new(), Vec::new());
    for (index, task) in config.tasks.iter().enumerate() {
        for (number, probe) in task.probes.iter().enumerate() {
            let of = |nth| Key::of(&task.name, &probe.identity.target, nth);
            // A target that a task names again has slots of its own.
            let key = (0..number).map(of).find(|key| !jobs.contains_key(key)).unwrap_or_else(|| of(number));
            jobs.insert(key, Job { config: Arc::clone(config), task: index, probe: number });
            lanes.push((key, Grid::of(key, task.interval), probe.spec.protocol()));
        }
    }
    (jobs, lanes)
}
