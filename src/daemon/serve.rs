//! The life of the daemon: what it is told from outside, by signals, by requests, by files and by clocks, until the end.

use std::path::Path;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use super::Trouble;
use super::files::Files;
use super::reload::probes;
use super::systemd::watchdog;
use super::work::{Daemon, GRACE};
use crate::config::Config;
use crate::web::Reload;

/// How often the files of the name service are looked at.
const LOOK: Duration = Duration::from_secs(5);
/// How often files are looked at that may have changed unheard, on a network's file system or behind a link.
const LOOK_AT_ALL: Duration = Duration::from_secs(30);

/// Works until a signal ends it.
pub(super) async fn serve(path: &Path, config: Config, files: Files) -> Result<(), Trouble> {
    let mut signals = Signals::listen().map_err(|error| Trouble::Start(format!("signals cannot be heard: {error}")))?;
    let (requests, mut asked) = mpsc::channel::<Reload>(8);
    let mut daemon = Daemon::start(path, config, files, requests).await?;
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
        () = signals.end() => {
            tracing::warn!("ended by the second signal: runs that were under way are given up");
            Err(Trouble::Hurry)
        }
    }
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
