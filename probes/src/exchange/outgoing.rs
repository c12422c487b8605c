//! The body of a request, which says when the last of it was taken: a piece that is there, or a stream of them.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::Frame;
use tokio::sync::mpsc;

/// What a request carries.
#[derive(Debug)]
pub(crate) enum Payload {
    /// All of it, as one piece; none if empty.
    Whole(Bytes),
    /// So many bytes, as they come. A stream that ends early, or with an error, breaks the exchange off.
    Stream(u64, mpsc::Receiver<std::io::Result<Bytes>>),
}

impl Payload {
    pub(super) fn len(&self) -> u64 {
        match self {
            Self::Whole(bytes) => bytes.len() as u64,
            Self::Stream(length, _) => *length,
        }
    }

    /// Whether the head of the request is to be told apart from what follows it.
    pub(super) const fn is_stream(&self) -> bool {
        matches!(self, Self::Stream(..))
    }
}

impl From<Bytes> for Payload {
    fn from(bytes: Bytes) -> Self {
        Self::Whole(bytes)
    }
}

/// What became of the body of a request.
#[derive(Debug, Default)]
pub(super) struct Fate {
    /// Nothing of it is left to be taken.
    pub(super) taken: AtomicBool,
    /// Its source failed.
    pub(super) spoilt: AtomicBool,
}

impl Fate {
    pub(super) fn is_taken(&self) -> bool {
        self.taken.load(Ordering::Relaxed)
    }
}

/// A body on its way.
pub(super) struct Outgoing {
    payload: Payload,
    left: u64,
    fate: Arc<Fate>,
}

impl Outgoing {
    pub(super) fn new(payload: Payload, fate: Arc<Fate>) -> Self {
        let left = payload.len();
        fate.taken.store(left == 0, Ordering::Relaxed);
        Self { payload, left, fate }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.left == 0
    }

    /// Says that nothing of the body is left to be taken.
    pub(super) fn all_taken(&self) {
        self.fate.taken.store(true, Ordering::Relaxed);
    }

    /// The next piece; `None` is the end, or that of a source that failed.
    pub(super) fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let piece = match &mut self.payload {
            Payload::Whole(bytes) => Some(std::mem::take(bytes)),
            Payload::Stream(_, pieces) => ready!(pieces.poll_recv(context)).and_then(Result::ok),
        };
        let piece = piece.filter(|piece| piece.len() as u64 <= self.left);
        match &piece {
            Some(piece) => self.left -= piece.len() as u64,
            None => self.fate.spoilt.store(true, Ordering::Relaxed),
        }
        Poll::Ready(piece)
    }
}

impl hyper::body::Body for Outgoing {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let piece = ready!(self.poll_piece(context));
        if self.left == 0 {
            self.all_taken();
        }
        Poll::Ready(match piece {
            Some(piece) => Some(Ok(Frame::data(piece))),
            None if self.left == 0 => None,
            None => Some(Err(std::io::ErrorKind::UnexpectedEof.into())),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        hyper::body::SizeHint::with_exact(self.left)
    }
}
