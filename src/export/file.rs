//! One JSON object a line, appended by a thread of its own; a file that was renamed or removed is begun anew.

use std::convert::Infallible;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::Counters;

/// Lines that may wait to be written.
const QUEUE: usize = 10_000;
/// How often a file that cannot be written is tried again.
const AGAIN: Duration = Duration::from_secs(1);

/// The way to the file.
#[derive(Debug)]
pub(super) struct File {
    lines: SyncSender<Arc<str>>,
    /// Nothing is ever sent: this ends when the thread does.
    ended: oneshot::Receiver<Infallible>,
    counters: Arc<Counters>,
}

impl File {
    pub(super) fn start(path: PathBuf, counters: Arc<Counters>) -> Result<Self, String> {
        let (lines, queue) = mpsc::sync_channel(QUEUE);
        let (end, ended) = oneshot::channel();
        let own = Arc::clone(&counters);
        let work = move || {
            Writer { path, open: None, broken: None, counters: own }.work(&queue);
            drop(end);
        };
        let started = thread::Builder::new().name("export".to_owned()).spawn(work);
        started.map_err(|error| format!("[export] jsonl: no thread can be started: {error}"))?;
        Ok(Self { lines, ended, counters })
    }

    pub(super) fn push(&self, line: Arc<str>) {
        if self.lines.try_send(line).is_err() {
            self.counters.count_dropped();
        }
    }

    pub(super) async fn close(self, grace: Duration) {
        drop(self.lines);
        tokio::select! {
            _ = self.ended => {}
            () = tokio::time::sleep(grace) => {}
        }
    }
}

struct Writer {
    path: PathBuf,
    open: Option<fs::File>,
    /// Since when the file cannot be written.
    broken: Option<Instant>,
    counters: Arc<Counters>,
}

impl Writer {
    fn work(mut self, queue: &Receiver<Arc<str>>) {
        while let Ok(first) = queue.recv() {
            let mut lines = vec![first];
            lines.extend(queue.try_iter().take(QUEUE));
            let mut text: Vec<u8> = lines.iter().flat_map(|line| line.bytes()).collect();
            while let Err(error) = self.write(&mut text) {
                self.complain(&error);
                thread::sleep(AGAIN);
            }
            if self.broken.take().is_some() {
                tracing::info!("[export] jsonl: {} can be written again", self.path.display());
            }
            self.counters.count_exported(lines.len() as u64);
        }
    }

    /// Writes, and takes out of the text what was written: a disk that fills up in a line must not make it two.
    fn write(&mut self, text: &mut Vec<u8>) -> io::Result<()> {
        if self.open.as_ref().is_none_or(|file| !is_at(file, &self.path)) {
            self.open = Some(OpenOptions::new().append(true).create(true).open(&self.path)?);
        }
        let Some(file) = &mut self.open else { return Ok(()) };
        while !text.is_empty() {
            let written = file.write(text)?;
            text.drain(..written);
        }
        Ok(())
    }

    fn complain(&mut self, error: &io::Error) {
        if self.broken.is_none() {
            tracing::error!("[export] jsonl: {} cannot be written: {error}", self.path.display());
            self.broken = Some(Instant::now());
        }
    }
}

/// Whether an open file is the one at a path.
fn is_at(file: &fs::File, path: &Path) -> bool {
    let (Ok(open), Ok(there)) = (file.metadata(), fs::metadata(path)) else { return false };
    (open.dev(), open.ino()) == (there.dev(), there.ino())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_are_appended_and_a_rotated_file_is_begun_anew() {
        let folder = tempfile::tempdir().unwrap();
        let (path, old) = (folder.path().join("failures.jsonl"), folder.path().join("failures.jsonl.1"));
        fs::write(&path, "before\n").unwrap();
        let counters = Arc::new(Counters::default());
        let file = File::start(path.clone(), Arc::clone(&counters)).unwrap();
        file.push("one\n".into());
        while counters.exported() < 1 {
            thread::yield_now();
        }
        fs::rename(&path, &old).unwrap();
        file.push("two\n".into());
        file.close(Duration::from_secs(10)).await;
        assert_eq!(fs::read_to_string(old).unwrap(), "before\none\n");
        assert_eq!(fs::read_to_string(path).unwrap(), "two\n");
        assert_eq!((counters.exported(), counters.dropped()), (2, 0));
    }

    #[test]
    fn what_the_queue_has_no_room_for_is_counted() {
        let folder = tempfile::tempdir().unwrap();
        let counters = Arc::new(Counters::default());
        // A folder cannot be written.
        let file = File::start(folder.path().to_owned(), Arc::clone(&counters)).unwrap();
        for _ in 0..2 * QUEUE + 2 {
            file.push("line\n".into());
        }
        assert!(counters.dropped() >= 1);
        assert_eq!(counters.exported(), 0);
    }
}
