//! One HTTP request and its response over a connection that is already open (RFC 9112, RFC 9113).
//!
//! hyper frames the messages; the tap below it says why they broke off and when the bytes moved. The request is
//! *sent* when its last byte was taken by the kernel, the response has *begun* with its first byte, and whatever
//! the library calls an error, the tap decides between an end, a reset and silence.

mod body;
mod clock;
mod connection;
mod http2;
mod outgoing;
mod tell;

pub(crate) use body::ACCEPT_ENCODING;

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Poll;

use bytes::Bytes;
use http::response::Parts;
use http::{HeaderMap, Method, Request, Response, StatusCode, Version, header};
use url::{Position, Url};

use clock::Clock;
use connection::{Arriving, Driver, Trouble, open};
use outgoing::Outgoing;
use tell::{tell_request, tell_response};

use crate::fault::{self, Failure, faults, named_by_parts};
use crate::net::Attempt;
use crate::net::stream::{Broken as Torn, Stream, Tap, show};

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
        /// The body does not decode under its Content-Encoding.
        BodyEncoding = "http.body_encoding", Target;
        /// HTTP/2 was demanded and the server does not speak it.
        NoHttp2 = "http.no_http2", Target;
        /// The server reset the HTTP/2 stream.
        StreamReset = "http.stream_reset", Target;
        /// The server ended the HTTP/2 connection with an error (GOAWAY).
        Goaway = "http.goaway", Target;
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

/// What to ask for.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// A response whose head is complete and whose body can be read.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) version: Version,
    pub(crate) headers: HeaderMap,
    incoming: Arriving,
    driver: Driver,
    clock: Clock,
    tap: Tap,
}

impl Answer {
    /// What the connection carries, valid after the answer is gone.
    pub(crate) fn tap(&self) -> Tap {
        self.tap.clone()
    }
}

/// Sends a request and waits for the complete head of its response.
pub(crate) async fn send(
    attempt: &mut Attempt<'_>,
    stream: Stream,
    versions: Versions,
    ask: Ask,
) -> Result<Answer, Failure<Fault>> {
    let http2 = speaks_http2(&stream, versions)?;
    let tap = stream.tap();
    tap.application().room = Some(ROOM);
    let stream = stream.asking_first();
    let mut clock = Clock::start(attempt, http2);
    let body_taken = Arc::new(AtomicBool::new(ask.body.is_empty()));
    let interim = Arc::new(Interim::default());
    let request = build(ask, http2, body_taken.clone())?;
    tell_request(attempt, &request);

    let (sender, mut driver) = match attempt.within(open(stream, http2)).await {
        Some(Ok(opened)) => opened,
        unopened => {
            let failure = match unopened.and_then(Result::err) {
                Some(error) => name_error(attempt, &tap, &error, false),
                None => tap.send_failure().map(Fault::Net),
            };
            clock.stop(attempt);
            return Err(failure);
        }
    };
    let seen = interim.clone();
    let mut response = pin!(sender.send(request, move |status| seen.note(status)));
    let head = attempt
        .within(poll_fn(|context| {
            let mut done = response.as_mut().poll(context);
            if done.is_pending() {
                driver.poll(context);
                clock.note_sent(&tap, &body_taken);
                done = response.as_mut().poll(context);
            }
            clock.note_interim(&tap, &interim);
            match interim.objection() {
                Some(objection) => Poll::Ready(Err(objection)),
                None => done.map(Ok),
            }
        }))
        .await;
    // What breaks the rules of HTTP/2 has come.
    let came = |trouble: &Trouble| matches!(trouble, Trouble::Http2(error) if !error.is_remote() && !error.is_io());
    let begun = match &head {
        Some(Ok(Ok(_))) => true,
        Some(Ok(Err(error))) => came(driver.reason().unwrap_or(error)),
        Some(Err(_)) | None => false,
    };
    clock.note_begun(&tap, begun);
    let failure = match head {
        Some(Ok(Ok(response))) => return accept(attempt, response, driver, clock, tap),
        Some(Ok(Err(error))) => torn_while_sending(&clock, &tap)
            .unwrap_or_else(|| name_error(attempt, &tap, driver.reason().unwrap_or(&error), clock.answered.is_some())),
        Some(Err(objection)) => broken(Broken::Malformed, objection),
        None => late(attempt, &mut clock, &tap),
    };
    clock.stop(attempt);
    Err(failure)
}

/// Which of the two the connection is to speak.
fn speaks_http2(stream: &Stream, versions: Versions) -> Result<bool, Failure<Fault>> {
    match versions {
        Versions::Http1 => Ok(false),
        Versions::Auto => Ok(stream.alpn() == Some(b"h2")),
        Versions::Http2 if stream.is_tls() && stream.alpn() != Some(b"h2") => {
            Err(broken(Broken::NoHttp2, "the server did not agree on HTTP/2 in the TLS handshake"))
        }
        Versions::Http2 => Ok(true),
    }
}

/// The heads that came before the final one.
#[derive(Debug, Default)]
struct Interim {
    count: AtomicUsize,
    switched: AtomicBool,
}

impl Interim {
    fn note(&self, status: StatusCode) {
        self.count.fetch_add(1, Ordering::Relaxed);
        self.switched.fetch_or(status == StatusCode::SWITCHING_PROTOCOLS, Ordering::Relaxed);
    }

    /// What no server may do with them.
    fn objection(&self) -> Option<String> {
        if self.switched.load(Ordering::Relaxed) {
            return Some(SWITCHED.to_owned());
        }
        let many = self.count.load(Ordering::Relaxed) > MOST_INTERIM;
        many.then(|| format!("more than {MOST_INTERIM} interim responses"))
    }
}

/// What is wrong with a 101 that no request of ours asks for.
const SWITCHED: &str = "the server switched protocols unasked (101)";

/// Refuses statuses that no server may send here: 101 unasked, and numbers that are none of HTTP's.
fn accept(
    attempt: &mut Attempt<'_>,
    response: Response<Arriving>,
    driver: Driver,
    mut clock: Clock,
    tap: Tap,
) -> Result<Answer, Failure<Fault>> {
    let (parts, incoming) = response.into_parts();
    let unusable = match parts.status {
        StatusCode::SWITCHING_PROTOCOLS => Some(SWITCHED.to_owned()),
        _ if parts.headers.len() > MOST_FIELDS => Some(format!("the head has more than {MOST_FIELDS} fields")),
        // RFC 9110 section 15: there are five classes.
        status if status.as_u16() / 100 > 5 => Some(format!("{} is no HTTP status", status.as_u16())),
        _ => None,
    };
    if let Some(detail) = unusable {
        clock.stop(attempt);
        return Err(broken(Broken::Malformed, detail));
    }
    let Parts { status, version, headers, .. } = parts;
    let answer = Answer { status, version, headers, incoming, driver, clock, tap };
    tell_response(attempt, &answer);
    Ok(answer)
}

/// No request of ours says that it takes any other (RFC 9112 section 7.4), and hyper would read on to the end.
fn unknown_transfer_coding(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    codings.next().is_some_and(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"chunked")) || codings.next().is_some()
}

/// The failure of an exchange whose time is over before a head came: the state decides, not the timer.
fn late(attempt: &mut Attempt<'_>, clock: &mut Clock, tap: &Tap) -> Failure<Fault> {
    if let Some(failure) = impossible_status(tap) {
        return failure;
    }
    let failure = match clock.sent {
        _ if clock.answered.is_some() => attempt.receive_failure(tap, true),
        None => tap.send_failure(),
        Some(sent) => match tap.unacknowledged(sent.wire) {
            Some(failure) => {
                clock.sent = None;
                failure
            }
            None => attempt.receive_failure(tap, false),
        },
    };
    failure.map(Fault::Net)
}

/// The failure of a response whose status line is complete and none that a server may send here, whatever becomes of the
/// head behind it.
fn impossible_status(tap: &Tap) -> Option<Failure<Fault>> {
    const SWITCHING: u16 = StatusCode::SWITCHING_PROTOCOLS.as_u16();
    let record = tap.application();
    let line = record.first_bytes.strip_prefix(b"HTTP/1.")?;
    let digits = std::str::from_utf8(line.get(2..5)?).ok()?;
    let ends = line.get(5).is_some_and(|byte| matches!(byte, b' ' | b'\r' | b'\n'));
    let status = digits.parse::<u16>().ok().filter(|status| ends && (*status == SWITCHING || *status / 100 > 5))?;
    let detail = if status == SWITCHING { SWITCHED.to_owned() } else { format!("{status} is no HTTP status") };
    Some(broken(Broken::Malformed, detail))
}

/// A connection that is torn down before the whole request was taken broke while sending, even if a read is the
/// first to hear of it.
fn torn_while_sending(clock: &Clock, tap: &Tap) -> Option<Failure<Fault>> {
    let reset = tap.application().read_error.as_ref().is_some_and(Torn::is_reset);
    let torn = clock.sent.is_none() && clock.answered.is_none() && (tap.is_torn() || reset);
    torn.then(|| tap.torn_failure().map(Fault::Net))
}

/// Names what the libraries call an error, by what the tap saw; `begun` says whether any of the answer came.
fn name_error(attempt: &mut Attempt<'_>, tap: &Tap, error: &Trouble, begun: bool) -> Failure<Fault> {
    if let Trouble::Http2(error) = error
        && let Some(failure) = http2_failure(error)
    {
        return failure;
    }
    let (ended, read_failed, write_failed, first) = {
        let record = tap.application();
        (record.ended, record.read_error.is_some(), record.write_error.is_some(), record.first_bytes.clone())
    };
    if tap.application().room == Some(0) {
        return broken(Broken::Malformed, format!("{ROOM} bytes came and the response did not get on"));
    }
    if error.is_garbage() {
        return broken(
            Broken::Malformed,
            format!("what came back is no HTTP response; it began with {}", show(&attempt.conditions.secrets, &first)),
        );
    }
    if let Some(failure) = impossible_status(tap) {
        return failure;
    }
    if read_failed || ended {
        return attempt.receive_failure(tap, begun).map(Fault::Net);
    }
    if write_failed {
        return tap.send_failure().map(Fault::Net);
    }
    broken(Broken::Malformed, format!("the response breaks the rules of HTTP: {}", error.words()))
}

/// The failures that HTTP/2 has words of its own for (RFC 9113 section 7).
fn http2_failure(error: &h2::Error) -> Option<Failure<Fault>> {
    let reason = error.reason().map_or_else(|| error.to_string(), |reason| format!("{reason:?}"));
    if !error.is_remote() {
        // Our own side of the library complains about the peer's frames; a broken connection is the tap's to name.
        return (!error.is_io()).then(|| broken(Broken::Malformed, format!("the peer broke HTTP/2: {reason}")));
    }
    if error.is_go_away() {
        return Some(broken(Broken::Goaway, format!("the server sent GOAWAY with {reason}")));
    }
    Some(broken(Broken::StreamReset, format!("the server reset the stream with {reason}")))
}

fn build(ask: Ask, http2: bool, taken: Arc<AtomicBool>) -> Result<Request<Outgoing>, Failure<Fault>> {
    let Ask { method, url, mut headers, body } = ask;
    let target = &url[Position::BeforePath..Position::AfterQuery];
    let target = if target.starts_with('/') { target.to_owned() } else { format!("/{target}") };
    let host = match url.port() {
        Some(port) => format!("{}:{port}", url.host_str().unwrap_or_default()),
        None => url.host_str().unwrap_or_default().to_owned(),
    };
    let mut request = Request::builder().method(&method);
    if http2 {
        let authority =
            headers.remove(header::HOST).and_then(|host| host.to_str().map(str::to_owned).ok()).unwrap_or(host);
        request = request.version(Version::HTTP_2).uri(format!("{}://{authority}{target}", url.scheme()));
        headers.remove(header::CONNECTION);
    } else {
        request = request.uri(target);
        if !headers.contains_key(header::HOST) {
            request = request.header(header::HOST, host);
        }
        if !headers.contains_key(header::CONNECTION) {
            headers.insert(header::CONNECTION, header::HeaderValue::from_static("close"));
        }
    }
    let bodiless = matches!(method, Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE | Method::DELETE);
    if (!body.is_empty() || !bodiless) && !headers.contains_key(header::CONTENT_LENGTH) {
        headers.insert(header::CONTENT_LENGTH, body.len().into());
    }
    let mut request = request
        .body(Outgoing { data: Some(body).filter(|body| !body.is_empty()), taken })
        .map_err(|error| broken(Broken::Malformed, format!("the request cannot be put into HTTP: {error}")))?;
    request.headers_mut().extend(headers);
    Ok(request)
}

/// `1.0`, `1.1` or `2`.
pub(crate) fn version_name(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "1.0",
        Version::HTTP_2 => "2",
        _ => "1.1",
    }
}
