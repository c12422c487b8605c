//! Where a download goes: counted, put through MD5 and written to a file, on a thread of its own once it is large.
//!
//! The thread takes the bytes in their order over a channel that holds few of them, so that memory stays bounded and
//! the network does not wait for the digest.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use md5::{Digest as _, Md5};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::fault::{Content, Fault};
use super::{Download, Progress};
use crate::evidence;
use crate::exchange;
use crate::fault::Failure;

/// Up to so many bytes are dealt with at once; more are worth a thread.
const AT_ONCE: u64 = 128 * 1024;
/// How many pieces wait for the thread.
const WAITING: usize = 32;
/// How many seconds of a long transfer are kept one by one.
const MOST_SECONDS: usize = 3600;

/// What became of a download.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) md5: [u8; 16],
}

/// Takes a download in.
pub(super) struct Sink {
    save_to: Option<PathBuf>,
    limit: Option<u64>,
    progress: Arc<Progress>,
    first_byte: Option<Duration>,
    begun: Instant,
    last: Instant,
    bytes: u64,
    per_second: Vec<u64>,
    worker: Worker,
}

enum Worker {
    Here(Box<Writer>),
    Thread(mpsc::Sender<Bytes>, JoinHandle<io::Result<Writer>>),
    /// It failed, and was asked why.
    Gone,
}

#[derive(Default)]
struct Writer {
    digest: Md5,
    file: Option<File>,
}

impl Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.digest.update(bytes);
        self.file.as_mut().map_or(Ok(()), |file| file.write_all(bytes))
    }
}

impl Sink {
    pub(super) fn new(download: &Download, progress: Arc<Progress>, first_byte: Option<Duration>) -> Self {
        let begun = Instant::now();
        Self {
            save_to: download.save_to.clone(),
            limit: download.limit,
            progress,
            first_byte,
            begun,
            last: begun,
            bytes: 0,
            per_second: Vec::new(),
            worker: Worker::Here(Box::default()),
        }
    }

    /// How much came, and how fast.
    pub(super) fn figures(&self) -> evidence::Transfer {
        evidence::Transfer::new(self.bytes, self.last - self.begun, self.per_second.clone(), self.first_byte)
    }

    /// Forgets what came so far.
    pub(super) fn restart(&mut self) {
        self.begun = Instant::now();
        self.last = self.begun;
        self.bytes = 0;
        self.per_second.clear();
        self.worker = Worker::Here(Box::default());
        self.progress.begin(self.progress.total());
    }

    /// Waits until everything is written.
    pub(super) async fn finish(mut self) -> Result<Kept, Failure<Fault>> {
        // A file is made even if nothing comes.
        self.begin().map_err(|error| self.unwritten(&error))?;
        let writer = match std::mem::replace(&mut self.worker, Worker::Gone) {
            Worker::Here(writer) => Ok(*writer),
            Worker::Thread(sender, thread) => {
                drop(sender);
                joined(thread).await
            }
            Worker::Gone => Err(gone()),
        };
        let flushed = writer.and_then(|mut writer| {
            writer.file.as_mut().map_or(Ok(()), io::Write::flush)?;
            Ok(writer)
        });
        let writer = flushed.map_err(|error| self.unwritten(&error))?;
        Ok(Kept { md5: writer.digest.finalize().into() })
    }

    /// Opens the file of the task when the first byte comes, so that a download that fails before leaves it alone.
    fn begin(&mut self) -> io::Result<()> {
        if let (Worker::Here(writer), Some(path)) = (&mut self.worker, &self.save_to)
            && writer.file.is_none()
        {
            // A pipe that nobody reads would be waited for without end.
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(true).custom_flags(libc::O_NONBLOCK);
            writer.file = Some(options.open(path)?);
        }
        Ok(())
    }

    async fn write(&mut self, bytes: Bytes) -> io::Result<()> {
        self.begin()?;
        self.move_out();
        match &mut self.worker {
            Worker::Here(writer) => writer.write(&bytes),
            Worker::Thread(sender, _) => match sender.send(bytes).await {
                Ok(()) => Ok(()),
                Err(_) => self.reason().await,
            },
            Worker::Gone => Err(gone()),
        }
    }

    /// Hands over to a thread where that is worth it.
    fn move_out(&mut self) {
        let blocks = self.save_to.is_some() || self.bytes > AT_ONCE;
        if blocks && matches!(self.worker, Worker::Here(_)) {
            let Worker::Here(mut writer) = std::mem::replace(&mut self.worker, Worker::Gone) else { return };
            let (sender, mut pieces) = mpsc::channel::<Bytes>(WAITING);
            let thread = tokio::task::spawn_blocking(move || {
                while let Some(piece) = pieces.blocking_recv() {
                    writer.write(&piece)?;
                }
                Ok(*writer)
            });
            self.worker = Worker::Thread(sender, thread);
        }
    }

    /// Why the thread takes no more.
    async fn reason(&mut self) -> io::Result<()> {
        match std::mem::replace(&mut self.worker, Worker::Gone) {
            Worker::Thread(_, thread) => joined(thread).await.and(Err(gone())),
            Worker::Here(_) | Worker::Gone => Err(gone()),
        }
    }

    fn unwritten(&self, error: &io::Error) -> Failure<Fault> {
        let path = self.save_to.as_deref().unwrap_or(Path::new("memory")).display();
        let detail = format!("what came cannot be written to {path}: {}", crate::net::connect::kernel_words(error));
        Failure { fault: Fault::Content(Content::Unwritten), detail, errno: error.raw_os_error() }
    }

    fn count(&mut self, bytes: u64) {
        self.bytes += bytes;
        self.last = Instant::now();
        self.progress.advance(bytes);
        let second = usize::try_from((self.last - self.begun).as_secs()).unwrap_or(usize::MAX).min(MOST_SECONDS - 1);
        if self.per_second.len() <= second {
            self.per_second.resize(second + 1, 0);
        }
        self.per_second[second] += bytes;
    }
}

async fn joined(thread: JoinHandle<io::Result<Writer>>) -> io::Result<Writer> {
    match thread.await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(error) => Err(io::Error::other(error)),
        },
    }
}

fn gone() -> io::Error {
    io::Error::other("the writer ended early")
}

impl exchange::Sink for Sink {
    type Error = Failure<Fault>;

    async fn take(&mut self, bytes: Bytes) -> Result<(), Failure<Fault>> {
        self.count(bytes.len() as u64);
        if let Some(limit) = self.limit.filter(|limit| self.bytes > *limit) {
            return super::fails(Content::Unwritten, format!("more than {limit} bytes came"));
        }
        self.write(bytes).await.map_err(|error| self.unwritten(&error))
    }
}

/// Takes what nobody looks at.
pub(super) struct Drain;

impl exchange::Sink for Drain {
    type Error = Failure<Fault>;

    async fn take(&mut self, _: Bytes) -> Result<(), Failure<Fault>> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::Sink as _;

    #[tokio::test]
    async fn no_more_is_taken_than_the_limit() {
        let download = Download {
            connections: 1,
            size: None,
            md5: None,
            save_to: None,
            decode: false,
            allow_empty: false,
            limit: Some(4),
        };
        let mut sink = Sink::new(&download, Arc::default(), None);
        assert!(sink.take(Bytes::from_static(b"1234")).await.is_ok());
        let refused = sink.take(Bytes::from_static(b"5")).await.map_err(|failure| failure.fault);
        assert_eq!(refused, Err(Fault::Content(Content::Unwritten)));
    }
}
