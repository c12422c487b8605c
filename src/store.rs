//! Every run on disk, what the runs add up to, and the questions that are asked of both.
//!
//! One thread writes, in batches, to an embedded SQLite file; whoever probes only hands a run over and never waits.
//! Readers have connections of their own, so that they work while a daemon writes and without one.

mod batch;
mod cells;
mod checkpoint;
mod database;
mod health;
mod pack;
mod queue;
mod range;
mod reader;
mod runs;
mod series;
mod stored;
mod timeline;
mod top;
mod trim;
mod writer;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::run::Run;
use queue::Queue;
use writer::Writer;

pub use health::{Health, Trouble};
pub use reader::Reader;
pub use runs::HistoryQuery;
pub use series::{Hour, Summary};
pub use stored::Stored;
pub use timeline::{Bucket, CodeCount, PhaseTimes, TimelineQuery};
pub use top::{Dimension, Group, Top, TopCode, TopQuery};

/// How much a store keeps.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Older runs are removed; 90 days.
    pub retention: Duration,
    /// The oldest runs are removed when the file would grow above so many bytes; 4 GiB.
    pub max_size: u64,
    /// How many runs wait in memory while the disk does not take them; 20,000.
    pub waiting: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { retention: Duration::from_secs(90 * 24 * 60 * 60), max_size: 4 << 30, waiting: 20_000 }
    }
}

/// Why the store does not do what was asked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Error {
    text: String,
    /// The file itself is damaged.
    damage: bool,
}

impl Error {
    fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), damage: false }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl std::error::Error for Error {}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        Self { text: error.to_string(), damage: database::is_damage(&error) }
    }
}

/// The store of a daemon: takes runs and writes them.
#[derive(Debug)]
pub struct Store {
    queue: Arc<Queue>,
    path: PathBuf,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl Store {
    /// Opens the file, makes it if there is none, and begins to write. Only what no waiting mends is an error: another
    /// daemon has the file, or a newer version of the agent wrote it. A disk that is full or cannot be written is said in
    /// [`Store::health`] and tried again each second.
    pub fn open(path: &Path, limits: Limits) -> Result<Self, Error> {
        let queue = Arc::new(Queue::new(limits.waiting));
        let writer = Writer::open(path, limits, Arc::clone(&queue))?;
        let thread = std::thread::Builder::new().name("store".to_owned()).spawn(move || writer.run());
        let thread = thread.map_err(|error| Error::new(format!("the store's thread cannot be started: {error}")))?;
        Ok(Self { queue, path: path.to_owned(), writer: Mutex::new(Some(thread)) })
    }

    /// Hands a run over. Never waits: where too many wait already, the oldest of them is dropped and counted, and runs
    /// that did not fail before those that did.
    pub fn push(&self, run: Run) {
        // A run is large, and moves several times from here on.
        self.queue.push(Box::new(run));
    }

    /// How it is doing.
    #[must_use]
    pub fn health(&self) -> Health {
        self.queue.health()
    }

    /// What asks this store.
    #[must_use]
    pub fn reader(&self) -> Reader {
        Reader::beside(&self.path, Arc::clone(&self.queue))
    }

    /// Writes what waits, if the disk takes it, and closes the file; later runs are dropped. Waits for the writer.
    pub fn close(&self) {
        self.queue.close();
        let thread = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!("the store's writer has panicked");
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.close();
    }
}
