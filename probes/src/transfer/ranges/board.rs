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

/// What there is to do for a connection.
enum Next {
    /// A piece is to be fetched.
    Piece(u64),
    /// There may be one once another one was handed on, or was given back.
    Wait,
    /// All are there.
    Nothing,
}

impl Board {
    /// What is to be done next.
    fn next(&self) -> Next {
        if let Some(index) = self.given_back.last() {
            return Next::Piece(*index);
        }
        let all_there = self.delivered + self.done.len() as u64 == self.pieces;
        match self.next {
            next if next < self.pieces && next < self.delivered + self.window => Next::Piece(next),
            _ if all_there => Next::Nothing,
            _ => Next::Wait,
        }
    }

    fn hand_out(&mut self, index: u64) {
        if self.given_back.last() == Some(&index) {
            self.given_back.pop();
        } else {
            self.next = index + 1;
        }
    }
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

    /// Waits until a piece may be fetched; `false` if there is none left.
    pub(super) async fn has_work(&self) -> bool {
        self.look(|_, _| {}).await.is_some()
    }

    /// The next piece to fetch, once there is room for it; `None` if there is none left.
    pub(super) async fn claim(&self) -> Option<u64> {
        self.look(Board::hand_out).await
    }

    /// Looks at the board whenever it has changed, until it has a piece, to which `then` is done, or none any more.
    async fn look(&self, then: impl Fn(&mut Board, u64)) -> Option<u64> {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            {
                let mut board = self.board();
                match board.next() {
                    Next::Piece(index) => {
                        then(&mut board, index);
                        return Some(index);
                    }
                    Next::Nothing => return None,
                    Next::Wait => {}
                }
            }
            changed.await;
        }
    }

    /// A piece is there.
    pub(super) fn put(&self, index: u64, bytes: Bytes) {
        self.board().done.insert(index, bytes);
        self.changed.notify_waiters();
    }

    /// Lets others fetch a piece, unless it has come.
    pub(super) fn give_back(&self, index: u64) {
        let mut board = self.board();
        if board.delivered <= index && !board.done.contains_key(&index) {
            board.given_back.push(index);
            drop(board);
            self.changed.notify_waiters();
        }
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
