//! Whoever asks a store: connections of their own that only read, while a daemon writes and without one.

use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use percent_encoding::NON_ALPHANUMERIC;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::database::{MIGRATIONS, inode};
use super::queue::Queue;
use super::{Error, database};

/// Asks a store. Its questions block; async callers ask from a thread that may.
#[derive(Clone, Debug)]
pub struct Reader {
    path: PathBuf,
    /// Connections that nobody uses just now.
    idle: Arc<Mutex<Vec<Idle>>>,
    /// Who has to know of damage.
    writer: Option<Arc<Queue>>,
}

/// How many connections are kept for the next question; each has a cache of its own.
const MOST_IDLE: usize = 4;

/// A connection, and the number of the file that it has open.
type Idle = (Option<u64>, Connection);

impl Reader {
    /// For the store of a writer, which may not be there yet; damage that is found is said to the writer.
    pub(super) fn beside(path: &Path, writer: Arc<Queue>) -> Self {
        Self { path: path.to_owned(), idle: Arc::default(), writer: Some(writer) }
    }

    /// For a store that must be there.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let reader = Self { path: path.to_owned(), idle: Arc::default(), writer: None };
        reader.ask(|_| Ok(()))?;
        Ok(reader)
    }

    /// Asks within one view of the file, whatever is written meanwhile.
    pub(super) fn ask<T>(&self, question: impl FnOnce(&Connection) -> Result<T, Error>) -> Result<T, Error> {
        let (file, mut connection) = self.connect()?;
        let view = connection.transaction().map_err(|error| self.error(&error))?;
        let answer = question(&view);
        drop(view);
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if answer.is_ok() && idle.len() < MOST_IDLE {
            idle.push((file, connection));
        }
        drop(idle);
        if let (Err(error), Some(writer)) = (&answer, &self.writer)
            && error.damage
        {
            writer.find_damage();
        }
        answer.map_err(|error| Error::new(format!("the store {}: {error}", self.path.display())))
    }

    fn connect(&self) -> Result<Idle, Error> {
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
        let opened = prepare(&self.path, OpenFlags::empty()).or_else(|error| {
            // Where nothing can be written, what was closed well can be read as a file that nobody changes.
            let alone = error.sqlite_error_code() == Some(ErrorCode::CannotOpen) && !self.has_log();
            if alone { prepare(&self.unchanging(), OpenFlags::SQLITE_OPEN_URI) } else { Err(error) }
        });
        let (connection, version) = opened.map_err(|error| self.error(&error))?;
        if version != MIGRATIONS.len() {
            return Err(database::other_version(&self.path, version));
        }
        Ok(connection)
    }

    fn has_log(&self) -> bool {
        let mut log = self.path.as_os_str().to_owned();
        log.push("-wal");
        Path::new(&log).exists()
    }

    fn unchanging(&self) -> PathBuf {
        let path = std::path::absolute(&self.path).unwrap_or_else(|_| self.path.clone());
        let path = percent_encoding::percent_encode(path.as_os_str().as_bytes(), NON_ALPHANUMERIC);
        // A slash may be encoded, too.
        PathBuf::from(format!("file:{path}?immutable=1"))
    }

    fn error(&self, error: &rusqlite::Error) -> Error {
        Error::new(format!("the store {} cannot be read: {error}", self.path.display()))
    }
}

/// Opens a file to read it, and says which version its schema is.
fn prepare(path: &Path, more: OpenFlags) -> rusqlite::Result<(Connection, usize)> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | more;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.set_prepared_statement_cache_capacity(32);
    let version = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    Ok((connection, version))
}
