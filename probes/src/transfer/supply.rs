//! What an upload sends: a file, what a URL leads to, or bytes of our own making. Read by a thread, a few pieces ahead.
//!
//! The source is looked at before the target is contacted: it must be there, and have the MD5 that the task names.

use std::fs::File;
use std::io::{self, Read, Seek as _};
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use md5::{Digest as _, Md5};
use tokio::sync::mpsc;

use super::fault::{Fault, Task};
use super::{Progress, Transfer, Upload, fails};
use crate::check::Check as _;
use crate::fault::{Failure, Named as _};
use crate::net::Attempt;

/// Where the bytes of an upload come from.
#[derive(Clone, Debug)]
pub enum Source {
    /// A file of this host.
    File(PathBuf),
    /// What a download brings, which goes through a nameless file.
    Url(Box<Transfer>),
    /// So many bytes of our own making.
    Generated(u64),
}

/// What a URL leads to may be no larger than this, since it goes through the disk of this host.
pub const LARGEST_FETCHED: u64 = 4 * 1024 * 1024 * 1024;

/// How much is read at once, and how many such pieces wait to be sent.
const BLOCK: usize = 64 * 1024;
const WAITING: usize = 8;

/// Bytes that are ready to be sent.
#[derive(Debug)]
pub(super) struct Supply {
    pub(super) length: u64,
    content: Content,
}

#[derive(Debug)]
enum Content {
    File(File),
    Generated,
}

/// Opens the source of an upload and compares its MD5, where the task names one.
pub(super) async fn open(attempt: &Attempt<'_>, upload: &Upload) -> Result<Supply, Failure<Fault>> {
    let file = match &upload.source {
        Source::Generated(length) => return Ok(Supply { length: *length, content: Content::Generated }),
        Source::File(path) => open_file(path),
        Source::Url(transfer) => fetch(attempt, transfer).await,
    }?;
    let wanted = upload.source_md5;
    let looked = tokio::task::spawn_blocking(move || look_at(file, wanted));
    let looked = attempt.within(looked).await.map(|done| done.unwrap_or_else(|error| Err(io::Error::other(error))));
    match looked {
        None => fails(Task::SourceUnreadable, "the source of the upload was not read to its end in time"),
        Some(Err(error)) => {
            let detail =
                format!("the source of the upload cannot be read: {}", crate::net::connect::kernel_words(&error));
            Err(Failure { fault: Task::SourceUnreadable.into(), detail, errno: error.raw_os_error() })
        }
        Some(Ok((supply, found))) => match wanted.zip(found).filter(|(wanted, found)| wanted != found) {
            None => Ok(supply),
            Some((wanted, found)) => {
                let detail = format!("the source has the MD5 {}, the task names {}", hex(&found), hex(&wanted));
                fails(Task::SourceMd5, detail)
            }
        },
    }
}

fn open_file(path: &Path) -> Result<File, Failure<Fault>> {
    let refuse = |error: &io::Error| {
        let words = crate::net::connect::kernel_words(error);
        let detail = format!("the source of the upload, {}, cannot be read: {words}", path.display());
        Failure { fault: Task::SourceUnreadable.into(), detail, errno: error.raw_os_error() }
    };
    // A pipe that nobody writes to would be waited for without end; only what has a length can be sent.
    let metadata = std::fs::metadata(path).map_err(|error| refuse(&error))?;
    if !metadata.is_file() {
        return fails(Task::SourceUnreadable, format!("the source of the upload, {}, is no file", path.display()));
    }
    File::open(path).map_err(|error| refuse(&error))
}

/// Measures a file, and digests it where that is wanted.
fn look_at(mut file: File, wanted: Option<[u8; 16]>) -> io::Result<(Supply, Option<[u8; 16]>)> {
    let length = file.metadata()?.len();
    let mut found = None;
    if wanted.is_some() {
        let mut digest = Md5::new();
        let mut block = vec![0; BLOCK];
        loop {
            match file.read(&mut block)? {
                0 => break,
                read => digest.update(&block[..read]),
            }
        }
        found = Some(digest.finalize().into());
    }
    file.rewind()?;
    // Files of the kernel's have no length, and bytes all the same.
    if length == 0 && file.read(&mut [0])? > 0 {
        return Err(io::Error::other("its length cannot be known beforehand"));
    }
    file.rewind()?;
    Ok((Supply { length, content: Content::File(file) }, found))
}

/// Downloads the source into a file that goes with it. A download of its own, which is why the future is boxed.
fn fetch<'f>(
    attempt: &'f Attempt<'_>,
    transfer: &'f Transfer,
) -> Pin<Box<dyn Future<Output = Result<File, Failure<Fault>>> + Send + 'f>> {
    Box::pin(async move {
        let refuse = |why: String| Failure { fault: Task::SourceUnfetched.into(), detail: why, errno: None };
        let file = tempfile::tempfile()
            .map_err(|error| refuse(format!("there is no room for the source of the upload: {error}")))?;
        let mut transfer = transfer.clone();
        if let super::Work::Download(download) = &mut transfer.work {
            // The file has no name, and this is the way to it (proc(5)).
            download.save_to = Some(format!("/proc/self/fd/{}", file.as_raw_fd()).into());
        }
        let mut own = attempt.beside();
        match transfer.run(&mut own).await {
            Ok(_) => Ok(file),
            Err(failure) => {
                // The kernel takes its time to let go of a large file, and the run must not wait for it.
                tokio::task::spawn_blocking(move || drop(file));
                let why = format!("{}: {}", failure.fault.name(), failure.detail);
                Err(refuse(format!("the source of the upload cannot be fetched: {why}")))
            }
        }
    })
}

impl Supply {
    /// The bytes, read ahead by a thread of its own; whoever drops the receiver ends it.
    pub(super) fn stream(self, progress: Arc<Progress>) -> (u64, mpsc::Receiver<io::Result<Bytes>>) {
        progress.begin(Some(self.length));
        let (sender, receiver) = mpsc::channel(WAITING);
        let length = self.length;
        tokio::task::spawn_blocking(move || {
            let mut left = length;
            let mut content = self.content;
            while left > 0 {
                let most = usize::try_from(left).unwrap_or(usize::MAX).min(BLOCK);
                let piece = content.next(most);
                let ends = piece.as_ref().map_or(true, Bytes::is_empty);
                left -= piece.as_ref().map_or(0, |piece| piece.len() as u64);
                progress.advance(piece.as_ref().map_or(0, |piece| piece.len() as u64));
                if sender.blocking_send(piece).is_err() || ends {
                    return;
                }
            }
        });
        (length, receiver)
    }
}

impl Content {
    fn next(&mut self, most: usize) -> io::Result<Bytes> {
        match self {
            Self::Generated => Ok(pattern(most)),
            Self::File(file) => {
                let mut block = vec![0; most];
                let read = loop {
                    match file.read(&mut block) {
                        Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                        done => break done?,
                    }
                };
                if read == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                block.truncate(read);
                Ok(block.into())
            }
        }
    }
}

/// Bytes that do not compress, the same in every run.
fn pattern(length: usize) -> Bytes {
    static PATTERN: std::sync::OnceLock<Bytes> = std::sync::OnceLock::new();
    let make = || {
        // Knuth's linear congruential generator: MMIX.
        let mut state: u64 = 1;
        let next = std::iter::repeat_with(move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state.to_be_bytes()[0]
        });
        next.take(BLOCK).collect()
    };
    PATTERN.get_or_init(make).slice(..length.min(BLOCK))
}

/// Lower-case hex, as md5sum prints it.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}
