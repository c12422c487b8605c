//! The file of a store as its writer opens it: locked, of the newest schema, and whole.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::Error;
use super::checkpoint::{Checkpoints, checkpoint};

/// The steps from each version of the schema to the next; the version of a file is how many it has been through.
pub(super) const MIGRATIONS: [&str; 1] = [include_str!("schema.sql")];

/// A log of so many bytes is long.
const LONG_LOG: u64 = 64 << 20;

/// The file, open for writing.
#[derive(Debug)]
pub(super) struct Database {
    /// Ends before the connection, which then closes the file as its last user.
    _checkpoints: Checkpoints,
    pub(super) connection: Connection,
    path: PathBuf,
    inode: Option<u64>,
    /// Holds an exclusive lock for as long as it is open.
    _lock: Connection,
}

/// Why it cannot be opened.
#[derive(Debug)]
pub(super) enum Refusal {
    /// No waiting mends it.
    Final(Error),
    /// The disk is full or cannot be written, or has another trouble that may pass.
    Passing(String),
}

impl From<rusqlite::Error> for Refusal {
    fn from(error: rusqlite::Error) -> Self {
        Self::Passing(error.to_string())
    }
}

impl Database {
    /// Opens the file, or makes it. One that is damaged is moved aside for a new one.
    pub(super) fn open(path: &Path) -> Result<Self, Refusal> {
        let lock = lock(path)?;
        let opened = match connect(path) {
            Err(Opening::Sqlite(error)) if is_damage(&error) => {
                move_aside(path, &error)?;
                connect(path)
            }
            opened => opened,
        };
        match opened {
            Ok(connection) => {
                let checkpoints = Checkpoints::start(path)?;
                let (path, inode) = (path.to_owned(), inode(path));
                Ok(Self { _checkpoints: checkpoints, connection, path, inode, _lock: lock })
            }
            Err(Opening::Sqlite(error)) => Err(error.into()),
            Err(Opening::Newer(error)) => Err(Refusal::Final(error)),
        }
    }

    /// Whether the file that is open is still the one with the name.
    pub(super) fn is_there(&self) -> bool {
        self.inode.is_some() && inode(&self.path) == self.inode
    }

    /// Moves the log into the file at once where it has become long: too much is written for the thread beside this one.
    pub(super) fn shorten_log(&self) -> rusqlite::Result<()> {
        if size(&with_suffix(&self.path, "-wal")) < LONG_LOG {
            return Ok(());
        }
        checkpoint(&self.connection)
    }

    /// What the file and its log take on disk, in bytes.
    pub(super) fn bytes(&self) -> u64 {
        size(&self.path) + size(&with_suffix(&self.path, "-wal"))
    }
}

fn size(path: &Path) -> u64 {
    path.metadata().map_or(0, |metadata| metadata.len())
}

/// The number of a file, which a new one of the same name does not have.
pub(super) fn inode(path: &Path) -> Option<u64> {
    path.metadata().ok().map(|metadata| metadata.ino())
}

/// Whether a file is no database, or a broken one.
pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

/// Moves a damaged file out of the way, for someone to look at.
pub(super) fn move_aside(path: &Path, damage: &rusqlite::Error) -> Result<(), Refusal> {
    let aside = with_suffix(path, &format!(".damaged-{}", jiff::Timestamp::now().as_millisecond()));
    std::fs::rename(path, &aside)
        .map_err(|error| Refusal::Passing(format!("{damage}; it cannot be moved aside: {error}")))?;
    for suffix in ["-wal", "-shm"] {
        // The log belongs to the file, and is of no use to another one.
        let _ = std::fs::rename(with_suffix(path, suffix), with_suffix(&aside, suffix));
    }
    tracing::error!(
        store = %path.display(), moved_to = %aside.display(),
        "the store is damaged ({damage}): it is moved aside, and a new one begins"
    );
    Ok(())
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// A lock that ends with this process, however it ends: SQLite's own, on a file beside the store.
fn lock(path: &Path) -> Result<Connection, Refusal> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(|error| Refusal::Passing(format!("{}: {error}", folder.display())))?;
    }
    let lock = Connection::open(with_suffix(path, ".lock"))?;
    lock.busy_timeout(Duration::ZERO)?;
    match lock.execute_batch("PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE") {
        Ok(()) => Ok(lock),
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => {
            let text = format!("{} is in use by another daemon; each needs a store of its own", path.display());
            Err(Refusal::Final(Error::new(text)))
        }
        Err(error) => Err(error.into()),
    }
}

enum Opening {
    Sqlite(rusqlite::Error),
    Newer(Error),
}

impl From<rusqlite::Error> for Opening {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

fn connect(path: &Path) -> Result<Connection, Opening> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.set_prepared_statement_cache_capacity(64);
    // Room that is freed can be given back only where this was said before the first table.
    connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    let known = version(&connection)?;
    if known > MIGRATIONS.len() {
        return Err(Opening::Newer(other_version(path, known)));
    }
    // A batch is on disk as far as the process is concerned; power that fails may cost the last ones, never the file.
    connection.query_row("PRAGMA journal_mode = WAL", (), |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "journal_size_limit", 16 << 20)?;
    connection.pragma_update(None, "cache_size", -16 * 1024)?;
    migrate(&mut connection, &MIGRATIONS)?;
    Ok(connection)
}

fn version(connection: &Connection) -> rusqlite::Result<usize> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Why a file of another version is not read: its tables may mean something else.
pub(super) fn other_version(path: &Path, version: usize) -> Error {
    let (path, newest) = (path.display(), MIGRATIONS.len());
    Error::new(if version > newest {
        format!("{path} was written by a newer agent: its schema is version {version}, and this one knows {newest}")
    } else {
        format!("{path} was written by an older agent (schema {version}, not {newest}): start the daemon once with it")
    })
}

/// Takes a file through the steps that it has not been through, each of them whole or not at all.
fn migrate(connection: &mut Connection, steps: &[&str]) -> rusqlite::Result<()> {
    for (done, step) in steps.iter().enumerate().skip(version(connection)?) {
        let transaction = connection.transaction()?;
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "user_version", done + 1)?;
        transaction.commit()?;
    }
    Ok(())
}
