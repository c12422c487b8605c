//! Which pieces are done, and who fetches which: what the connections of a download share.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::Notify;

/// Which pieces are done, and which are to be fetched.
#[derive(Debug, Default)]
struct Board {
    pieces: u64,
    window: u64,
    next: u64,
    given_back: Vec<u64>,
    done: BTreeMap<u64, Bytes>,
    delivered: u64,
}

/// What the connections share.
#[derive(Default)]
pub(super) struct Shared {
    board: Mutex<Board>,
    pub(super) changed: Notify,
}

impl Shared {
    /// A board of so many pieces, of which the first is on its way.
    pub(super) fn new(pieces: u64, window: u64) -> Self {
        let board = Board { pieces, window, next: 1, ..Board::default() };
        Self { board: Mutex::new(board), changed: Notify::new() }
    }

    fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next piece to fetch, once there is room for it; `None` if there is none left.
    pub(super) async fn claim(&self) -> Option<u64> {
        loop {
            let changed = self.changed.notified();
            {
                let mut board = self.board();
                if let Some(index) = board.given_back.pop() {
                    return Some(index);
                }
                if board.next == board.pieces && board.delivered + board.done.len() as u64 == board.pieces {
                    return None;
                }
                if board.next < board.pieces && board.next < board.delivered + board.window {
                    board.next += 1;
                    return Some(board.next - 1);
                }
            }
            changed.await;
        }
    }

    pub(super) fn put(&self, index: u64, bytes: Bytes) {
        self.board().done.insert(index, bytes);
        self.changed.notify_waiters();
    }

    pub(super) fn give_back(&self, index: u64) {
        self.board().given_back.push(index);
        self.changed.notify_waiters();
    }

    /// The next piece in order, if it is there.
    pub(super) fn take(&self) -> Option<Bytes> {
        let mut board = self.board();
        let at = board.delivered;
        let piece = board.done.remove(&at)?;
        board.delivered += 1;
        drop(board);
        self.changed.notify_waiters();
        Some(piece)
    }

    pub(super) fn is_over(&self) -> bool {
        let board = self.board();
        board.delivered == board.pieces
    }
}
