//! Moves what the log beside the file has into the file, on a thread of its own: that waits for the disk, and the
//! writer must not.

use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

/// How often.
const EVERY: Duration = Duration::from_secs(1);

/// Ends with the file that it belongs to.
#[derive(Debug)]
pub(super) struct Checkpoints {
    /// Nobody sends anything: its end is the sign.
    running: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Checkpoints {
    pub(super) fn start(path: &Path) -> rusqlite::Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        let (running, ended) = channel::<()>();
        let turns = move || {
            while let Err(RecvTimeoutError::Timeout) = ended.recv_timeout(EVERY) {
                // Where this fails, the writer fails too, and says so.
                let _ = checkpoint(&connection);
            }
        };
        // Without a thread the writer does it when the log is long.
        let thread = std::thread::Builder::new().name("store-checkpoint".to_owned()).spawn(turns).ok();
        Ok(Self { running: Some(running), thread })
    }
}

impl Drop for Checkpoints {
    fn drop(&mut self) {
        drop(self.running.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that moves the store's log has panicked");
        }
    }
}

/// Moves what can be moved without waiting for anybody who reads or writes.
pub(super) fn checkpoint(connection: &Connection) -> rusqlite::Result<()> {
    connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", (), |_| Ok(()))
}
