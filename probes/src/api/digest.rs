//! The MD5 of an answer while it comes: on a thread of its own once it is large, so that reading and digesting go on side by
//! side.

use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};

use md5::{Digest as _, Md5};

/// Up to so many bytes are digested where they are read; more are worth a thread.
const AT_ONCE: u64 = 256 * 1024;
/// The thread is handed blocks of this size, and how many of them wait for it; reading waits meanwhile, no longer than it
/// would have taken to digest one.
const BLOCK: usize = 64 * 1024;
const WAITING: usize = 16;

/// An MD5 under way.
pub(super) struct Digest {
    taken: u64,
    worker: Worker,
}

enum Worker {
    Here(Md5),
    Thread { block: Vec<u8>, sender: SyncSender<Vec<u8>>, thread: JoinHandle<Md5> },
}

impl Digest {
    pub(super) fn new() -> Self {
        Self { taken: 0, worker: Worker::Here(Md5::new()) }
    }

    /// Takes the next bytes.
    pub(super) fn take(&mut self, bytes: &[u8]) {
        self.taken += bytes.len() as u64;
        if let (Worker::Here(begun), true) = (&self.worker, self.taken > AT_ONCE) {
            self.worker = moved_out(begun.clone());
        }
        match &mut self.worker {
            Worker::Here(begun) => begun.update(bytes),
            Worker::Thread { block, sender, .. } => {
                block.extend_from_slice(bytes);
                if block.len() >= BLOCK {
                    // The thread ends with the sender, not before.
                    let _ = sender.send(std::mem::replace(block, Vec::with_capacity(BLOCK)));
                }
            }
        }
    }

    /// The MD5 of all bytes.
    pub(super) fn finish(self) -> [u8; 16] {
        let whole = match self.worker {
            Worker::Here(whole) => whole,
            Worker::Thread { block, sender, thread } => {
                let _ = sender.send(block);
                drop(sender);
                match thread.join() {
                    Ok(whole) => whole,
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
        };
        whole.finalize().into()
    }
}

/// Goes on in a thread, where one can be had.
fn moved_out(begun: Md5) -> Worker {
    let (sender, blocks) = sync_channel::<Vec<u8>>(WAITING);
    let own = begun.clone();
    let thread = Builder::new().name("md5".to_owned()).spawn(move || {
        let mut whole = own;
        while let Ok(block) = blocks.recv() {
            whole.update(&block);
        }
        whole
    });
    match thread {
        Ok(thread) => Worker::Thread { block: Vec::with_capacity(BLOCK), sender, thread },
        Err(_) => Worker::Here(begun),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_every_size_come_to_the_same() {
        for pieces in [vec![], vec![1], vec![300_000, 1, 65_536, 16_384, 200_000], vec![16_384; 40]] {
            let mut digest = Digest::new();
            let mut whole = Vec::new();
            for (index, length) in pieces.into_iter().enumerate() {
                let piece: Vec<u8> = (0..length).map(|at: usize| (at * 31 + index).to_le_bytes()[0]).collect();
                digest.take(&piece);
                whole.extend_from_slice(&piece);
            }
            assert_eq!(digest.finish(), <[u8; 16]>::from(Md5::digest(&whole)), "{} bytes", whole.len());
        }
    }
}
