//! Whoever asks a store: connections of their own that only read, while a daemon writes and without one.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::database::{MIGRATIONS, inode};
use super::{Error, database};

/// Asks a store. Its questions block; async callers ask from a thread that may.
#[derive(Clone, Debug)]
pub struct Reader {
    path: PathBuf,
    /// Connections that nobody uses just now, each with the number of the file that it has open.
    idle: Arc<Mutex<Vec<(Option<u64>, Connection)>>>,
}

impl Reader {
    /// For a store that may not be there yet.
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), idle: Arc::default() }
    }

    /// For a store that must be there.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let reader = Self::new(path);
        reader.ask(|_| Ok(()))?;
        Ok(reader)
    }

    /// Asks within one view of the file, whatever is written meanwhile.
    pub(super) fn ask<T>(&self, question: impl FnOnce(&Connection) -> Result<T, Error>) -> Result<T, Error> {
        let (file, mut connection) = self.connect()?;
        let view = connection.transaction().map_err(|error| self.error(&error))?;
        let answer = question(&view);
        drop(view);
        if answer.is_ok() {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push((file, connection));
        }
        answer.map_err(|error| Error::new(format!("the store {}: {error}", self.path.display())))
    }

    fn connect(&self) -> Result<(Option<u64>, Connection), Error> {
        let file = inode(&self.path);
        if file.is_none() {
            let text = format!("there is no store at {}: the daemon makes it when it starts", self.path.display());
            return Err(Error::new(text));
        }
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        // A file that was moved aside is nobody's any more.
        idle.retain(|(of, _)| *of == file);
        if let Some(known) = idle.pop() {
            return Ok(known);
        }
        drop(idle);
        Ok((file, self.open_file()?))
    }

    fn open_file(&self) -> Result<Connection, Error> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags).map_err(|error| self.error(&error))?;
        let prepare = || {
            connection.busy_timeout(Duration::from_secs(5))?;
            connection.set_prepared_statement_cache_capacity(32);
            connection.pragma_update(None, "mmap_size", 1_i64 << 32)?;
            connection.pragma_query_value(None, "user_version", |row| row.get::<_, usize>(0))
        };
        let version = prepare().map_err(|error| self.error(&error))?;
        if version != MIGRATIONS.len() {
            return Err(database::other_version(&self.path, version));
        }
        Ok(connection)
    }

    fn error(&self, error: &rusqlite::Error) -> Error {
        Error::new(format!("the store {} cannot be read: {error}", self.path.display()))
    }
}
