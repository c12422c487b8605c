//! The life of the daemon: start, reloads, end.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use probes::net::Host;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::MissedTickBehavior;

use super::Trouble;
use super::configuration::{needing_restart, probes, read};
use super::files::{Files, Watcher};
use super::sinks::Sinks;
use super::systemd::{Manager, watchdog};
use crate::config::Config;
use crate::export::{Counters, Export};
use crate::reader::Stamp;
use crate::schedule::Schedule;

/// How long runs under way may go on after the first signal.
const GRACE: Duration = Duration::from_secs(10);
/// How long what is queued for others may take after that.
const FLUSH: Duration = Duration::from_secs(5);
/// How often the files of the name service are looked at.
const LOOK: Duration = Duration::from_secs(5);
/// How often files are looked at that may have changed unheard, on a network's file system or behind a link.
const LOOK_AT_ALL: Duration = Duration::from_secs(30);
/// What the host is made of, beside its settings.
const NAME_SERVICE: [&str; 2] = ["/etc/resolv.conf", "/etc/hosts"];

/// A wish to read the configuration again, and where to say how many probes it has or why it was refused.
pub(super) type Request = oneshot::Sender<Result<usize, String>>;

/// What is at work.
struct Daemon {
    path: PathBuf,
    config: watch::Sender<Arc<Config>>,
    host: watch::Sender<Arc<Host>>,
    files: Files,
    watcher: Watcher,
    names: [Stamp; 2],
    schedule: Schedule,
    sinks: Arc<Sinks>,
    exported: Arc<Counters>,
    manager: Manager,
}

/// Works until a signal ends it.
pub(super) async fn serve(path: &Path, config: Config, files: Files) -> Result<(), Trouble> {
    let mut signals = Signals::listen().map_err(|error| Trouble::Start(format!("signals cannot be heard: {error}")))?;
    let (_requests, mut asked) = mpsc::channel::<Request>(8);
    let mut daemon = Daemon::start(path, config, files)?;
    daemon.manager.tell("READY=1");
    tracing::info!("{} probes are scheduled", probes(&daemon.config.borrow()));
    let mut look = every(LOOK);
    let mut look_at_all = every(LOOK_AT_ALL);
    let mut alive = every(watchdog().unwrap_or(LOOK));
    let mut turns = 0;
    loop {
        let wish = tokio::select! {
            told = signals.next() => match told {
                Told::End => break,
                Told::Reload => Some(None),
            },
            Some(request) = asked.recv() => Some(Some(request)),
            () = daemon.watcher.change() => {
                daemon.watcher.follow(&daemon.files);
                daemon.files.have_changed().then_some(None)
            }
            _ = look_at_all.tick() => daemon.files.have_changed().then_some(None),
            _ = look.tick() => { daemon.look_at_names(); None }
            _ = alive.tick() => {
                let now = daemon.schedule.figures().turns();
                if std::mem::replace(&mut turns, now) != now {
                    daemon.manager.tell("WATCHDOG=1");
                }
                None
            }
        };
        let Some(request) = wish else { continue };
        tokio::select! {
            () = signals.end() => break,
            answer = daemon.reload() => if let Some(request) = request {
                // Who has gone away does not want to know.
                let _ = request.send(answer);
            },
        }
    }
    tracing::info!("ending: runs under way have {GRACE:?}; a second signal ends at once");
    tokio::select! {
        () = daemon.end() => Ok(()),
        () = signals.end() => Err(Trouble::Hurry),
    }
}

impl Daemon {
    fn start(path: &Path, config: Config, files: Files) -> Result<Self, Trouble> {
        let state = config.settings.daemon.state_folder();
        if let Err(error) = fs::create_dir_all(&state) {
            tracing::error!("the state folder {} cannot be made: {error}", state.display());
        }
        let config = Arc::new(config);
        let host = Arc::new(config.settings.host());
        let exported = Arc::new(Counters::default());
        let export = Export::start(&config.settings.daemon.export, &exported).map_err(Trouble::Start)?;
        let sinks = Arc::new(Sinks::default());
        sinks.export_to(Arc::new(export));
        let taking = Arc::clone(&sinks);
        let schedule = Schedule::start(Arc::clone(&config), Arc::clone(&host), Arc::new(move |run| taking.take(&run)));
        let mut watcher = Watcher::new();
        watcher.follow(&files);
        Ok(Self {
            path: path.to_owned(),
            config: watch::Sender::new(config),
            host: watch::Sender::new(host),
            files,
            watcher,
            names: stamps(),
            schedule,
            sinks,
            exported,
            manager: Manager::of_environment(),
        })
    }

    /// Reads the configuration again: it takes the place of the running one as a whole, or not at all.
    async fn reload(&mut self) -> Result<usize, String> {
        self.manager.tell("RELOADING=1");
        let begun = Instant::now();
        let (path, patterns) = (self.path.clone(), self.files.patterns.clone());
        let done = tokio::task::spawn_blocking(move || read(&path, &patterns)).await;
        let answer = match done {
            Ok((Ok(config), files)) => {
                self.follow(files);
                self.take_over(config, begun)
            }
            Ok((Err(problems), files)) => {
                self.follow(files);
                Err(problems.0.iter().map(|problem| problem.line() + "\n").collect())
            }
            Err(error) => Err(format!("the configuration cannot be read: {error}\n")),
        };
        if let Err(reason) = &answer {
            tracing::error!("the configuration was read again and refused, the running one stays");
            reason.lines().for_each(|line| tracing::error!("{line}"));
        }
        self.manager.tell("READY=1");
        answer
    }

    fn follow(&mut self, files: Files) {
        self.files = files;
        self.watcher.follow(&self.files);
    }

    fn take_over(&mut self, config: Config, begun: Instant) -> Result<usize, String> {
        let old = Arc::clone(&self.config.borrow());
        let (was, is) = (&old.settings.daemon, &config.settings.daemon);
        if was.export != is.export {
            let export = Export::start(&is.export, &self.exported)?;
            let before = self.sinks.export_to(Arc::new(export));
            tokio::spawn(close(before, FLUSH));
        }
        for section in needing_restart(was, is) {
            tracing::warn!("{section} has changed, which needs a restart");
        }
        let count = probes(&config);
        let config = Arc::new(config);
        let host = Arc::new(config.settings.host());
        self.schedule.replace(Arc::clone(&config), Arc::clone(&host));
        let identities = config.tasks.iter().flat_map(|task| &task.probes).map(|probe| &probe.identity);
        let living: HashSet<_> = identities.map(|own| (own.task.as_str(), own.target.as_str())).collect();
        self.sinks.keep(|task, target| living.contains(&(task, target)));
        self.host.send_replace(host);
        self.config.send_replace(config);
        tracing::info!("the configuration was read again in {:.1?}: {count} probes are scheduled", begun.elapsed());
        Ok(count)
    }

    /// A host remembers its name service: when the files of that change, there is a new host.
    fn look_at_names(&mut self) {
        let now = stamps();
        if std::mem::replace(&mut self.names, now) != now {
            let config = Arc::clone(&self.config.borrow());
            let host = Arc::new(config.settings.host());
            self.schedule.replace(config, Arc::clone(&host));
            self.host.send_replace(host);
            tracing::info!("the name service of this host has changed");
        }
    }

    /// Begins nothing more, finishes what is under way, and hands over what is queued.
    async fn end(self) {
        self.manager.tell("STOPPING=1");
        let cut = self.schedule.stop(GRACE).await;
        if cut > 0 {
            tracing::warn!("{cut} runs were cut off: they did not end within {GRACE:?}");
        }
        self.sinks.close();
        close(self.sinks.export_to(Arc::default()), FLUSH).await;
        tracing::info!("ended");
    }
}

/// Closes an export when nobody uses it any more.
async fn close(export: Arc<Export>, grace: Duration) {
    if let Ok(export) = Arc::try_unwrap(export) {
        export.close(grace).await;
    }
}

fn stamps() -> [Stamp; 2] {
    NAME_SERVICE.map(|file| Stamp::of(Path::new(file)))
}

fn every(period: Duration) -> tokio::time::Interval {
    let mut interval = tokio::time::interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

/// What the daemon is told from outside.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Told {
        tokio::select! {
            _ = self.terminate.recv() => Told::End,
            _ = self.interrupt.recv() => Told::End,
            _ = self.hangup.recv() => Told::Reload,
        }
    }

    /// The end only; a wish to reload waits meanwhile.
    async fn end(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// What a signal says.
enum Told {
    End,
    Reload,
}
