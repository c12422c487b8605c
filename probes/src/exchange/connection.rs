//! hyper's two halves over a stream of ours: the one that asks, and the one that moves the bytes.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::{Frame, Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo};

use super::{LARGEST_HEAD, LARGEST_HEAD_HTTP2, MOST_FIELDS};

/// RFC 9113's own default.
const WINDOW_HTTP2: u32 = 65_535;
use crate::net::stream::Stream;

/// The request's body, which says when the last of it was taken.
pub(super) struct Outgoing {
    pub(super) data: Option<Bytes>,
    pub(super) taken: Arc<AtomicBool>,
}

impl hyper::body::Body for Outgoing {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.taken.store(true, Ordering::Relaxed);
        Poll::Ready(self.data.take().map(|data| Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.data.is_none()
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        hyper::body::SizeHint::with_exact(self.data.as_ref().map_or(0, |data| data.len() as u64))
    }
}

/// Sends requests.
pub(super) enum Sender {
    Http1(hyper::client::conn::http1::SendRequest<Outgoing>),
    Http2(hyper::client::conn::http2::SendRequest<Outgoing>),
}

impl Sender {
    pub(super) async fn send(&mut self, request: Request<Outgoing>) -> hyper::Result<Response<Incoming>> {
        match self {
            Self::Http1(sender) => sender.send_request(request).await,
            Self::Http2(sender) => sender.send_request(request).await,
        }
    }
}

/// hyper's half that moves the bytes; it must be polled beside whatever waits for a result.
pub(super) struct Driver {
    connection: Pin<Box<dyn Future<Output = hyper::Result<()>> + Send>>,
    done: Option<hyper::Result<()>>,
}

impl Driver {
    pub(super) fn poll(&mut self, context: &mut Context<'_>) {
        if self.done.is_none()
            && let Poll::Ready(done) = self.connection.as_mut().poll(context)
        {
            self.done = Some(done);
        }
    }

    /// Why the connection ended; often better than what the request was told.
    pub(super) fn reason(&self) -> Option<&hyper::Error> {
        self.done.as_ref().and_then(|done| done.as_ref().err())
    }
}

/// Starts HTTP over a connection; nothing is sent for HTTP/1.1, and the preface for HTTP/2.
pub(super) async fn open(stream: Stream, http2: bool) -> hyper::Result<(Sender, Driver)> {
    let io = TokioIo::new(stream);
    let (sender, connection): (_, Pin<Box<dyn Future<Output = hyper::Result<()>> + Send>>) = if http2 {
        let mut builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
        // The server may not send more body than is read, so that what comes and does not get on is a flood.
        let builder = builder
            .max_header_list_size(LARGEST_HEAD_HTTP2)
            .initial_stream_window_size(WINDOW_HTTP2)
            .initial_connection_window_size(WINDOW_HTTP2);
        let (sender, connection) = builder.handshake(io).await?;
        (Sender::Http2(sender), Box::pin(connection))
    } else {
        let mut builder = hyper::client::conn::http1::Builder::new();
        let builder = builder.max_headers(MOST_FIELDS).max_header_size(LARGEST_HEAD).max_buf_size(LARGEST_HEAD);
        let (sender, connection) = builder.handshake(io).await?;
        (Sender::Http1(sender), Box::pin(connection))
    };
    Ok((sender, Driver { connection, done: None }))
}
