//! The two halves of an HTTP connection over a stream of ours: the one that asks and the one that moves the bytes.
//!
//! hyper speaks HTTP/1.1, h2 speaks HTTP/2 (hyper's own HTTP/2 client hides interim responses and why a connection
//! was ended).

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::{Body as _, Incoming};
use hyper_util::rt::TokioIo;

use super::http2::{self, Stream2};
use super::outgoing::Outgoing;
use super::{LARGEST_HEAD, MOST_FIELDS};
use crate::net::stream::Stream;

/// What the libraries call an error.
#[derive(Debug)]
pub(super) enum Trouble {
    Http1(hyper::Error),
    Http2(h2::Error),
}

impl Trouble {
    /// Whether what came is no message at all.
    pub(super) fn is_garbage(&self) -> bool {
        matches!(self, Self::Http1(error) if error.is_parse() || error.is_parse_status())
    }

    /// Whether the server ended the connection with an error of HTTP/2's.
    pub(super) fn is_goaway(&self) -> bool {
        matches!(self, Self::Http2(error) if error.is_remote() && error.is_go_away())
    }

    /// Whether the stream was given up on this side for what it carried: of a body under way, its length.
    pub(super) fn is_wrong_length(&self) -> bool {
        let Self::Http2(error) = self else { return false };
        error.is_library() && error.is_reset() && error.reason() == Some(h2::Reason::PROTOCOL_ERROR)
    }

    /// The innermost words.
    pub(super) fn words(&self) -> String {
        let mut error: &dyn std::error::Error = match self {
            Self::Http1(error) => error,
            Self::Http2(error) => error,
        };
        while let Some(source) = error.source() {
            error = source;
        }
        error.to_string()
    }
}

/// The body of a response, as it arrives.
pub(super) enum Arriving {
    Http1(Incoming),
    Http2(Stream2),
}

impl Arriving {
    /// The next bytes of the body; `None` is its end, and trailers carry none.
    pub(super) fn poll_data(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Trouble>>> {
        Poll::Ready(match self {
            Self::Http1(incoming) => match ready!(Pin::new(incoming).poll_frame(context)) {
                Some(Ok(frame)) => Some(Ok(frame.into_data().unwrap_or_default())),
                Some(Err(error)) => Some(Err(Trouble::Http1(error))),
                None => None,
            },
            Self::Http2(stream) => ready!(stream.poll_data(context)).map(|data| data.map_err(Trouble::Http2)),
        })
    }
}

/// One request and the response to it.
pub(super) enum Sender {
    Http1(hyper::client::conn::http1::SendRequest<Outgoing>),
    Http2(h2::client::SendRequest<Bytes>),
}

impl Sender {
    /// Whether a further request can be sent.
    pub(super) fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Trouble>> {
        match self {
            Self::Http1(sender) => sender.poll_ready(context).map_err(Trouble::Http1),
            Self::Http2(sender) => sender.poll_ready(context).map_err(Trouble::Http2),
        }
    }

    /// Sends the request and waits for the final head; `interim` is told the status of every head before it,
    /// `head_is_out` that HTTP/2 has handed the request's own over.
    pub(super) async fn send(
        &mut self,
        mut request: Request<Outgoing>,
        interim: impl Fn(http::StatusCode) + Send + Sync + 'static,
        head_is_out: impl Fn(),
    ) -> Result<Response<Arriving>, Trouble> {
        match self {
            Self::Http1(sender) => {
                hyper::ext::on_informational(&mut request, move |response| interim(response.status()));
                let response = sender.send_request(request).await.map_err(Trouble::Http1)?;
                Ok(response.map(Arriving::Http1))
            }
            Self::Http2(sender) => {
                let response =
                    http2::send(sender.clone(), request, interim, head_is_out).await.map_err(Trouble::Http2)?;
                Ok(response.map(Arriving::Http2))
            }
        }
    }
}

type Moving = Pin<Box<dyn Future<Output = Result<(), Trouble>> + Send>>;

/// The half that moves the bytes; it must be polled beside whatever waits for a result.
pub(super) struct Driver {
    connection: Moving,
    done: Option<Result<(), Trouble>>,
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
    pub(super) fn reason(&self) -> Option<&Trouble> {
        self.done.as_ref().and_then(|done| done.as_ref().err())
    }
}

/// Starts HTTP over a connection; nothing is sent for HTTP/1.1, and the preface for HTTP/2.
pub(super) async fn open(stream: Stream, http2: bool) -> Result<(Sender, Driver), Trouble> {
    let (sender, connection): (_, Moving) = if http2 {
        let (sender, connection) = http2::open(stream).await.map_err(Trouble::Http2)?;
        (Sender::Http2(sender), Box::pin(async { connection.await.map_err(Trouble::Http2) }))
    } else {
        let mut builder = hyper::client::conn::http1::Builder::new();
        let builder = builder.max_headers(MOST_FIELDS).max_header_size(LARGEST_HEAD).max_buf_size(LARGEST_HEAD);
        let (sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(Trouble::Http1)?;
        (Sender::Http1(sender), Box::pin(async { connection.await.map_err(Trouble::Http1) }))
    };
    Ok((sender, Driver { connection, done: None }))
}
