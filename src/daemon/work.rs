//! Everything that is at work in a daemon: how it begins and how it ends.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use probes::net::Host;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use super::Trouble;
use super::files::{Files, Watcher};
use super::sinks::Sinks;
use super::systemd::Manager;
use crate::config::Config;
use crate::export::{Counters, Export};
use crate::metrics::{Metrics, Standing, StoreStanding};
use crate::reader::Stamp;
use crate::schedule::{Figures, Schedule};
use crate::settings::daemon::Settings;
use crate::store::{Limits, Store};
use crate::web::{App, Door, Reload};

/// How long runs under way may go on after the first signal.
pub(super) const GRACE: Duration = Duration::from_secs(10);
/// How long what is queued for others may take after that.
pub(super) const FLUSH: Duration = Duration::from_secs(5);
/// What the host is made of, beside its settings.
const NAME_SERVICE: [&str; 2] = ["/etc/resolv.conf", "/etc/hosts"];

/// What is at work.
pub(super) struct Daemon {
    pub(super) path: PathBuf,
    pub(super) config: watch::Sender<Arc<Config>>,
    pub(super) host: watch::Sender<Arc<Host>>,
    pub(super) files: Files,
    pub(super) watcher: Watcher,
    pub(super) names: [Stamp; 2],
    pub(super) schedule: Schedule,
    pub(super) sinks: Arc<Sinks>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) exported: Arc<Counters>,
    pub(super) manager: Manager,
    /// Why the configuration that was read last was refused.
    pub(super) refused: watch::Sender<Option<String>>,
    store: Arc<Store>,
    ready: watch::Sender<bool>,
    door: Opened,
}

/// The door while it is open.
struct Opened {
    stop: oneshot::Sender<()>,
    served: JoinHandle<Result<(), String>>,
}

impl Daemon {
    /// Opens the store and the door, and starts the schedule. Wishes to reload that come in by the door go to `reload`.
    pub(super) async fn start(
        path: &Path,
        config: Config,
        files: Files,
        reload: mpsc::Sender<Reload>,
    ) -> Result<Self, Trouble> {
        let own = &config.settings.daemon;
        let store = Arc::new(open_store(own)?);
        let exported = Arc::new(Counters::default());
        let export = Export::start(&own.export, &exported).map_err(Trouble::Start)?;
        let door = Door::open(&own.web).await.map_err(Trouble::Start)?;
        let metrics = Arc::new(Metrics::default());
        metrics.configure(&config);
        let sinks = Arc::new(Sinks::new(export, Arc::clone(&metrics), Arc::clone(&store)));
        let config = Arc::new(config);
        let host = Arc::new(config.settings.host());
        let taking = Arc::clone(&sinks);
        let sink = Arc::new(move |run, slots| taking.take(run, slots));
        let schedule = Schedule::start(Arc::clone(&config), Arc::clone(&host), sink);
        let mut watcher = Watcher::new();
        watcher.follow(&files);
        let refused = watch::Sender::new(None);
        let (config, host, ready) = (watch::Sender::new(config), watch::Sender::new(host), watch::Sender::new(true));
        let app = App {
            config: config.subscribe(),
            host: host.subscribe(),
            metrics: Arc::clone(&metrics),
            store: Some(store.reader()),
            standing: standing(
                Arc::clone(schedule.figures()),
                Arc::clone(&store),
                Arc::clone(&exported),
                refused.subscribe(),
            ),
            reload,
            ready: ready.subscribe(),
        };
        tracing::info!("listening on {}://{}/", door.scheme(), door.address());
        Ok(Self {
            path: path.to_owned(),
            config,
            host,
            files,
            watcher,
            names: stamps(),
            schedule,
            sinks,
            metrics,
            exported,
            manager: Manager::of_environment(),
            store,
            refused,
            ready,
            door: Opened::new(door, app),
        })
    }

    /// Begins nothing more, finishes what is under way, and hands over what is queued.
    pub(super) async fn end(self) {
        self.manager.tell("STOPPING=1");
        self.ready.send_replace(false);
        let cut = self.schedule.stop(GRACE).await;
        if cut > 0 {
            tracing::warn!("{cut} runs were cut off: they did not end within {GRACE:?}");
        }
        self.sinks.close();
        let store = self.store;
        let flushed = tokio::task::spawn_blocking(move || store.close());
        let exported = close(self.sinks.export_to(Arc::default()), FLUSH);
        let ((), flushed, ()) = tokio::join!(self.door.close(), flushed, exported);
        if let Err(error) = flushed {
            tracing::error!("the store was not closed: {error}");
        }
        tracing::info!("ended");
    }
}

impl Opened {
    fn new(door: Door, app: App) -> Self {
        let (stop, stopped) = oneshot::channel();
        let stopped = async {
            // Both answers are the end.
            let _ = stopped.await;
        };
        Self { stop, served: tokio::spawn(door.serve(app, stopped, FLUSH)) }
    }

    async fn close(self) {
        // A door that is closed already is well.
        let _ = self.stop.send(());
        if let Ok(Err(error)) = self.served.await {
            tracing::error!("{error}");
        }
    }
}

/// Closes an export when nobody uses it any more.
pub(super) async fn close(export: Arc<Export>, grace: Duration) {
    if let Ok(export) = Arc::try_unwrap(export) {
        export.close(grace).await;
    }
}

/// The files of the name service as they are now.
pub(super) fn stamps() -> [Stamp; 2] {
    NAME_SERVICE.map(|file| Stamp::of(Path::new(file)))
}

fn open_store(settings: &Settings) -> Result<Store, Trouble> {
    let state = state_folder(settings);
    if let Err(error) = fs::create_dir_all(&state) {
        tracing::error!("the state folder {} cannot be made: {error}", state.display());
    }
    let limits = Limits { retention: settings.store.retention, max_size: settings.store.max_size, ..Limits::default() };
    let path = state.join(&settings.store.path);
    Store::open(&path, limits).map_err(|error| Trouble::Start(format!("{}: {error}", path.display())))
}

/// Where the daemon keeps what must outlast it.
fn state_folder(settings: &Settings) -> PathBuf {
    let given = std::env::var("STATE_DIRECTORY").ok().filter(|given| !given.is_empty());
    // The service manager may name several; the first is the one of the unit's name.
    let given = given.and_then(|given| given.split(':').next().map(PathBuf::from));
    settings.state.clone().or(given).unwrap_or_else(|| PathBuf::from("var"))
}

/// What schedule, store and export say of themselves.
fn standing(
    figures: Arc<Figures>,
    store: Arc<Store>,
    exported: Arc<Counters>,
    refused: watch::Receiver<Option<String>>,
) -> Arc<dyn Fn() -> Standing + Send + Sync> {
    Arc::new(move || {
        let health = store.health();
        Standing {
            running: usize::try_from(figures.running()).unwrap_or(usize::MAX),
            waiting: usize::try_from(figures.waiting()).unwrap_or(usize::MAX),
            store: Some(StoreStanding {
                queue: health.waiting,
                written: health.written,
                dropped: health.dropped,
                bytes: health.bytes,
                trouble: health.trouble.map(|trouble| (trouble.text, trouble.since)),
                last_commit: health.committed,
            }),
            export_dropped: exported.dropped(),
            cut_off: figures.is_cut_off(),
            refused: refused.borrow().clone(),
        }
    })
}
