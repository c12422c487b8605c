//! The thread that writes: batches as they come, room when it is due, and after a trouble another attempt each second.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::{ErrorCode, ffi};

use super::batch::{self, Memory, Written};
use super::database::{self, Database, Refusal};
use super::queue::Queue;
use super::trim::Trim;
use super::{Error, Limits, Trouble};

/// How long runs are gathered, and how long a batch may take: far less than the second that a sudden end may cost.
const PATIENCE: Duration = Duration::from_millis(100);

/// Between two attempts after a trouble.
const RETRY: Duration = Duration::from_secs(1);

/// How much of a turn may go into making room.
const TIDYING: Duration = Duration::from_millis(50);

/// Writes what the queue has.
#[derive(Debug)]
pub(super) struct Writer {
    path: PathBuf,
    queue: Arc<Queue>,
    limits: Limits,
    memory: Memory,
    trim: Trim,
    /// Nothing while it cannot be opened.
    database: Option<Database>,
}

impl Writer {
    pub(super) fn open(path: &Path, limits: Limits, queue: Arc<Queue>) -> Result<Self, Error> {
        let (path, trim) = (path.to_owned(), Trim::new(limits));
        let mut writer = Self { path, queue, limits, memory: Memory::new(), trim, database: None };
        match Database::open(&writer.path) {
            Ok(database) => writer.database = Some(database),
            Err(Refusal::Final(error)) => return Err(error),
            Err(Refusal::Passing(text)) => writer.suffer(text),
        }
        Ok(writer)
    }

    /// Writes until the queue is closed and empty, or closed and the disk does not take what is left.
    pub(super) fn run(mut self) {
        loop {
            let worked = self.database.is_some() || self.reopen();
            let ended = if worked { self.turn() } else { Err(()) };
            match ended {
                Ok(true) => break,
                Err(()) if self.queue.pause(RETRY) => {
                    // The last attempt.
                    let lost = (self.database.is_none() && !self.reopen()) || self.turn_to_the_end().is_err();
                    if lost {
                        tracing::error!(runs = self.queue.health().waiting, "the store's last runs are lost");
                    }
                    break;
                }
                Ok(false) | Err(()) => {}
            }
        }
    }

    fn turn_to_the_end(&mut self) -> Result<(), ()> {
        while !self.turn()? {}
        Ok(())
    }

    /// One batch; whether it was the last one.
    fn turn(&mut self) -> Result<bool, ()> {
        let (runs, ended) = self.queue.take(PATIENCE);
        if self.queue.take_damage() {
            self.queue.restore(runs);
            self.stumble(&rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_CORRUPT), None));
            return Err(());
        }
        let Some(database) = &mut self.database else { return Err(()) };
        if !database.is_there() {
            self.queue.restore(runs);
            self.database = None;
            self.memory.forget();
            self.suffer("the file was removed or replaced".to_owned());
            return Err(());
        }
        match batch::write(&mut database.connection, &mut self.memory, &runs, PATIENCE) {
            Ok(Written { done, new }) => {
                let all = done == runs.len();
                let trouble = self.queue.committed(new, database.bytes(), done > 0);
                if let Some(Trouble { text, .. }) = trouble {
                    tracing::info!(store = %self.path.display(), "the store is written again; before: {text}");
                }
                if !all {
                    self.queue.restore(runs.into_iter().skip(done).collect());
                }
                if !ended {
                    self.tidy();
                }
                Ok(ended && all)
            }
            Err(error) => {
                self.queue.restore(runs);
                self.stumble(&error);
                Err(())
            }
        }
    }

    /// Makes room, a little at a time; trouble with it is trouble of the store.
    fn tidy(&mut self) {
        let begun = Instant::now();
        let Some(database) = &mut self.database else { return };
        let mut more = database.shorten_log().map(|()| true);
        while matches!(more, Ok(true)) && begun.elapsed() < TIDYING {
            more = self.trim.slice(&mut database.connection);
        }
        if let Err(error) = more {
            self.stumble(&error);
        }
    }

    fn reopen(&mut self) -> bool {
        match Database::open(&self.path) {
            Ok(database) => {
                self.database = Some(database);
                true
            }
            Err(Refusal::Final(error)) => {
                self.suffer(error.to_string());
                false
            }
            Err(Refusal::Passing(text)) => {
                self.suffer(text);
                false
            }
        }
    }

    /// After an error of SQLite: what was remembered may not be so, and a damaged file is moved aside.
    fn stumble(&mut self, error: &rusqlite::Error) {
        self.memory.forget();
        self.suffer(error.to_string());
        if database::is_damage(error) {
            self.database = None;
            if let Err(Refusal::Passing(text)) = database::move_aside(&self.path, error) {
                self.suffer(text);
            }
        } else if error.sqlite_error_code() != Some(ErrorCode::DiskFull) {
            // A new connection finds out whether the file can be written again.
            self.database = None;
        }
    }

    fn suffer(&self, text: String) {
        let said = text.clone();
        if self.queue.fail(text) {
            let kept = self.limits.waiting;
            tracing::error!(
                store = %self.path.display(),
                "the store cannot be written, and the newest {kept} runs are kept in memory meanwhile: {said}"
            );
        }
    }
}
