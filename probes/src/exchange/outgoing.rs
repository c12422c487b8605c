//! The body of a request, which says when the last of it was taken.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::Frame;

/// All of it, as one piece.
pub(super) struct Outgoing {
    pub(super) data: Option<Bytes>,
    pub(super) taken: Arc<AtomicBool>,
}

impl Outgoing {
    /// Says that nothing of the body is left to be taken.
    pub(super) fn all_taken(&self) {
        self.taken.store(true, Ordering::Relaxed);
    }
}

impl hyper::body::Body for Outgoing {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.all_taken();
        Poll::Ready(self.data.take().map(|data| Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.data.is_none()
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        hyper::body::SizeHint::with_exact(self.data.as_ref().map_or(0, |data| data.len() as u64))
    }
}
