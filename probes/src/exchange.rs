//! One HTTP request and its response over a connection that is already open (RFC 9112, RFC 9113).
//!
//! hyper frames the messages; the tap below it says why they broke off and when the bytes moved. The request is
//! *sent* when its last byte was taken by the kernel, the response has *begun* with its first byte, and whatever
//! the library calls an error, the tap decides between an end, a reset and silence.

mod body;
mod clock;
mod coding;
mod connection;
mod failure;
mod hop;
mod http2;
mod interim;
mod outgoing;
mod session;
mod tell;

pub(crate) use body::{Sink, Spilt};
pub(crate) use coding::ACCEPT_ENCODING;
pub(crate) use hop::{close_hop, describe, location, note_answer, open_hop, same_origin, taint};
pub(crate) use outgoing::Payload;
pub(crate) use session::Session;

use std::time::Duration;

use http::{HeaderMap, Method, StatusCode, Version, header};
use url::Url;

use clock::Clock;
use connection::{Arriving, Driver, Sender};

use crate::fault::{self, Failure, faults, named_by_parts};
use crate::net::Attempt;
use crate::net::stream::{Stream, Tap};

/// A head larger than this, or with more fields, is malformed: no honest server sends one.
const LARGEST_HEAD: usize = 256 * 1024;
/// This many bytes without a complete head, or without a byte of body, are a flood: heads, chunk sizes and trailers
/// are small. A body may come in one read with the end of the head, hence the second summand.
const ROOM: usize = LARGEST_HEAD + 64 * 1024;
const MOST_FIELDS: usize = 256;

/// More interim (1xx) responses than this are malformed.
const MOST_INTERIM: usize = 16;

faults! {
    /// How an HTTP exchange can break, beyond what the network does to it.
    pub enum Broken {
        /// What came back is no HTTP response, or breaks off the rules of HTTP.
        Malformed = "http.malformed", Target;
        /// The body has a Transfer-Encoding other than `chunked`, which no request of ours says that it takes.
        TransferEncoding = "http.transfer_encoding", Target;
        /// The body does not decode under its Content-Encoding.
        BodyEncoding = "http.body_encoding", Target;
        /// The server breaks the rules of HTTP/2, or sends what they leave no room for.
        Http2 = "http.http2_broken", Target;
        /// HTTP/2 was demanded and the server does not speak it.
        NoHttp2 = "http.no_http2", Target;
        /// The server reset the HTTP/2 stream.
        StreamReset = "http.stream_reset", Target;
        /// The server ended the HTTP/2 connection with an error (GOAWAY).
        Goaway = "http.goaway", Target;
        /// The head of the request was acknowledged, and its body was not taken or acknowledged in time.
        BodyUnsent = "send.body_timeout", Target;
        /// What the request was to carry could not be read to its end.
        Source = "http.body_source", Agent;
    }
}

/// What can go wrong in an exchange.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    /// Below HTTP.
    Net(fault::Fault),
    /// In HTTP.
    Broken(Broken),
}

named_by_parts!(Fault: Net, Broken);

fn broken(fault: Broken, detail: impl Into<String>) -> Failure<Fault> {
    Failure { fault: Fault::Broken(fault), detail: detail.into(), errno: None }
}

/// Which versions of HTTP to speak.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Versions {
    /// HTTP/2 where TLS agrees on it, else HTTP/1.1.
    #[default]
    Auto,
    /// HTTP/1.1 only.
    Http1,
    /// HTTP/2 only, without TLS by prior knowledge.
    Http2,
}

impl Versions {
    /// What to offer in the TLS handshake (RFC 7301).
    #[must_use]
    pub(crate) const fn alpn(self) -> &'static [&'static [u8]] {
        match self {
            Self::Auto => &[b"h2", b"http/1.1"],
            Self::Http1 => &[b"http/1.1"],
            Self::Http2 => &[b"h2"],
        }
    }
}

/// Whether a URL is short enough to be asked for: hyper takes request targets below 64 KiB.
#[must_use]
pub fn fits_a_request(url: &Url) -> bool {
    url.as_str().parse::<http::Uri>().is_ok()
}

/// What is waited for no longer than this, once the request is out.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Patience {
    /// The first byte of the response.
    FirstByte(Duration),
    /// Its head to the end.
    Head(Duration),
}

/// What to ask for.
#[derive(Debug)]
pub(crate) struct Ask {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Payload,
    /// How long the response may take once the request is out; the run's deadline holds anyway.
    pub(crate) patience: Option<Patience>,
    /// Whether the connection is wanted for a further exchange.
    pub(crate) keep: bool,
    /// Which numbers the response may have as its status.
    pub(crate) statuses: Statuses,
}

/// Says whether a number is a status.
pub(crate) type Statuses = fn(u16) -> bool;

/// There are five classes (RFC 9110 section 15); whoever knows others says so in [`Ask::statuses`].
pub(crate) const fn is_status(number: u16) -> bool {
    number / 100 <= 5
}

/// A response whose head is complete and whose body can be read.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) version: Version,
    pub(crate) headers: HeaderMap,
    incoming: Arriving,
    sender: Sender,
    driver: Driver,
    clock: Clock,
    tap: Tap,
    statuses: Statuses,
}

impl Answer {
    /// What the connection carries, valid after the answer is gone.
    pub(crate) fn tap(&self) -> Tap {
        self.tap.clone()
    }

    /// When the last byte of the request was taken by the kernel; none if the response came before that.
    pub(crate) fn sent(&self) -> Option<std::time::Instant> {
        self.clock.sent.map(|sent| sent.at)
    }

    /// When the first byte of it came.
    pub(crate) fn first_byte(&self) -> Option<std::time::Instant> {
        self.clock.answered
    }

    /// Gives the phases of the run the time up to here; what follows belongs to another part of it.
    pub(crate) fn hand_on(&mut self, attempt: &mut Attempt<'_>) {
        self.clock.split(attempt);
    }
}

/// Sends the one request of a connection and waits for the complete head of its response.
pub(crate) async fn send(
    attempt: &mut Attempt<'_>,
    stream: Stream,
    versions: Versions,
    ask: Ask,
) -> Result<Answer, Failure<Fault>> {
    Session::over(stream, versions)?.ask(attempt, ask).await
}

/// No request of ours says that it takes any other (RFC 9112 section 7.4), and hyper would read on to the end.
fn unknown_transfer_coding(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    codings.next().is_some_and(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"chunked")) || codings.next().is_some()
}

/// `1.0`, `1.1` or `2`.
pub(crate) fn version_name(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "1.0",
        Version::HTTP_2 => "2",
        _ => "1.1",
    }
}
