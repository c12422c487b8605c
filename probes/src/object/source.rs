//! The local file that is uploaded: digested first, then read again piece by piece as it is sent.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use sha1::{Digest as _, Sha1};
use tokio::sync::mpsc;

use super::fault::{Fault, Source, Task, fails};
use crate::exchange::Payload;
use crate::fault::Failure;
use crate::net::Attempt;
use crate::net::connect::kernel_words;

/// How much is read at once, and how many such pieces wait to be sent.
const BLOCK: usize = 64 * 1024;
const WAITING: usize = 2;

/// A file that can be read, and what is in it.
#[derive(Clone, Debug)]
pub(super) struct Content {
    file: Arc<File>,
    pub(super) length: u64,
    /// Lower-case hex.
    pub(super) sha1: String,
}

/// Opens a file and digests it; it may have so many bytes.
pub(super) async fn open(attempt: &Attempt<'_>, path: &Path, most: u64) -> Result<Content, Failure<Fault>> {
    let own = path.to_owned();
    let looked = tokio::task::spawn_blocking(move || look_at(&own, most));
    match attempt.within(looked).await {
        Some(Ok(content)) => content,
        Some(Err(error)) => Err(refuse(path, &io::Error::other(error))),
        None => fails(Source::Late, format!("the source {} was not read to its end in time", path.display())),
    }
}

fn look_at(path: &PathBuf, most: u64) -> Result<Content, Failure<Fault>> {
    let words = |error: &io::Error| refuse(path, error);
    // A pipe that nobody writes to would be waited for without end; only what has a length can be sent.
    let metadata = std::fs::metadata(path).map_err(|error| words(&error))?;
    if !metadata.is_file() {
        return fails(Source::Unreadable, format!("the source {} is no regular file", path.display()));
    }
    let file = File::open(path).map_err(|error| words(&error))?;
    let length = file.metadata().map_err(|error| words(&error))?.len();
    if length > most {
        let detail = format!("the source has {length} bytes, and a simple upload takes {most}: use upload_slice");
        return fails(Task::TooLarge, detail);
    }
    let mut digest = Sha1::new();
    let mut block = vec![0; BLOCK];
    let mut read = 0;
    loop {
        match file.read_at(&mut block, read).map_err(|error| words(&error))? {
            0 => break,
            count => {
                digest.update(&block[..count]);
                read += count as u64;
            }
        }
    }
    if read != length {
        let detail = format!("the source {} has {length} bytes, and {read} could be read", path.display());
        return fails(Source::Unreadable, detail);
    }
    Ok(Content { file: Arc::new(file), length, sha1: hex(&digest.finalize()) })
}

fn refuse(path: &Path, error: &io::Error) -> Failure<Fault> {
    let detail = format!("the source {} cannot be read: {}", path.display(), kernel_words(error));
    Failure::new(Source::Unreadable, detail).with_errno(error.raw_os_error())
}

impl Content {
    /// A part of the file between two other texts, read by a thread of its own; whoever drops the receiver ends it.
    pub(super) fn part(&self, head: Bytes, begin: u64, length: u64, tail: Bytes) -> Payload {
        let (sender, receiver) = mpsc::channel(WAITING);
        let file = self.file.clone();
        let whole = head.len() as u64 + length + tail.len() as u64;
        tokio::task::spawn_blocking(move || {
            if sender.blocking_send(Ok(head)).is_err() {
                return;
            }
            let mut at = begin;
            while at < begin + length {
                let most = usize::try_from(begin + length - at).unwrap_or(BLOCK).min(BLOCK);
                let piece = read_piece(&file, at, most);
                let failed = piece.is_err();
                at += piece.as_ref().map_or(0, |piece| piece.len() as u64);
                if sender.blocking_send(piece).is_err() || failed {
                    return;
                }
            }
            let _ = sender.blocking_send(Ok(tail));
        });
        Payload::Stream(whole, receiver)
    }
}

/// The bytes at a place; the file may have become shorter.
fn read_piece(file: &File, at: u64, most: usize) -> io::Result<Bytes> {
    let mut block = vec![0; most];
    let count = loop {
        match file.read_at(&mut block, at) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => break done?,
        }
    };
    if count == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    block.truncate(count);
    Ok(block.into())
}

/// Lower-case hex, as sha1sum prints it.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}
