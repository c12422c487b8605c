//! An HTTP connection that takes one request after the other.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;

use http::response::Parts;
use http::{Method, Request, Response, StatusCode, Version, header};
use url::Position;

use super::clock::Clock;
use super::connection::{Arriving, Driver, Sender, Trouble, open};
use super::failure::{Progress, SWITCHED, late, name_error, torn_while_sending};
use super::interim::{Impatience, Interim};
use super::outgoing::{Fate, Outgoing};
use super::tell::{tell_request, tell_response};
use super::{Answer, Ask, Broken, Fault, MOST_FIELDS, Patience, ROOM, Statuses, Versions, broken};
use crate::fault::Failure;
use crate::net::Attempt;
use crate::net::stream::{Stream, Tap};

/// A connection between two exchanges.
pub(crate) struct Session {
    line: Line,
    tap: Tap,
    http2: bool,
}

enum Line {
    /// Nothing was said yet.
    Fresh(Stream),
    /// An exchange is complete.
    Used(Sender, Driver),
}

impl Session {
    /// HTTP over a connection on which nothing was said yet.
    pub(crate) fn over(stream: Stream, versions: Versions) -> Result<Self, Failure<Fault>> {
        let http2 = speaks_http2(&stream, versions)?;
        let tap = stream.tap();
        Ok(Self { line: Line::Fresh(stream.asking_first()), tap, http2 })
    }

    /// A connection whose exchange is complete.
    pub(super) const fn used(sender: Sender, driver: Driver, tap: Tap, http2: bool) -> Self {
        Self { line: Line::Used(sender, driver), tap, http2 }
    }

    /// What the connection carries.
    pub(crate) fn tap(&self) -> Tap {
        self.tap.clone()
    }

    /// The same connection, unless the peer has ended it or spoken unasked since the last exchange.
    pub(crate) async fn still_open(mut self, attempt: &Attempt<'_>) -> Option<Self> {
        // What has come meanwhile is seen once the runtime has looked.
        tokio::task::yield_now().await;
        if let Line::Used(sender, driver) = &mut self.line {
            let readiness = poll_fn(|context| {
                driver.poll(context);
                sender.poll_ready(context)
            });
            attempt.within(readiness).await?.ok()?;
        }
        Some(self)
    }

    /// Sends a request and waits for the complete head of its response.
    pub(crate) async fn ask(self, attempt: &mut Attempt<'_>, ask: Ask) -> Result<Answer, Failure<Fault>> {
        let Self { line, tap, http2 } = self;
        let streams = ask.body.is_stream();
        tap.application().begin_anew(ROOM, streams && !http2);
        let mut clock = Clock::start(attempt, http2);
        let fate = Arc::new(Fate::default());
        let interim = Arc::new(Interim::default());
        let (patience, statuses) = (ask.patience, ask.statuses);
        let request = build(ask, http2, fate.clone())?;
        tell_request(attempt, &request);
        let (mut sender, mut driver) = match attempt.within(ready(line, http2)).await {
            Some(Ok(opened)) => opened,
            unopened => {
                let failure = match unopened.and_then(Result::err) {
                    Some(error) => name_error(attempt, &tap, statuses, &error, Progress::Nothing),
                    None => tap.send_failure().map(Fault::Net),
                };
                clock.stop(attempt);
                return Err(failure);
            }
        };
        let mut course = Course { clock, tap, fate, interim, streams };
        let head = course.await_head(attempt, &mut sender, &mut driver, request, patience).await;
        let Course { mut clock, tap, fate, .. } = course;
        // What breaks the rules of HTTP/2 has come.
        let came = |trouble: &Trouble| matches!(trouble, Trouble::Http2(error) if !error.is_remote() && !error.is_io());
        let begun = match &head {
            Some(Ok(Ok(_))) => true,
            Some(Ok(Err(error))) => came(driver.reason().unwrap_or(error)),
            Some(Err(_)) | None => false,
        };
        clock.note_begun(&tap, begun);
        let failure = match head {
            Some(Ok(Ok(response))) => {
                return accept(attempt, Came { response, sender, driver, clock, tap, statuses });
            }
            Some(Ok(Err(_))) if fate.spoilt.load(Ordering::Relaxed) => {
                broken(Broken::Source, "what was to be sent could not be read to its end")
            }
            Some(Ok(Err(error))) => torn_while_sending(attempt, &clock, &tap).unwrap_or_else(|| {
                let progress = if clock.answered.is_some() { Progress::Head } else { Progress::Nothing };
                name_error(attempt, &tap, statuses, driver.reason().unwrap_or(&error), progress)
            }),
            Some(Err(objection)) => broken(Broken::Malformed, objection),
            None => late(attempt, &mut clock, &tap, streams, statuses),
        };
        clock.stop(attempt);
        Err(failure)
    }
}

/// A request on its way, and what is known of it.
struct Course {
    clock: Clock,
    tap: Tap,
    fate: Arc<Fate>,
    interim: Arc<Interim>,
    streams: bool,
}

/// A complete head, or the trouble on the way to it; an objection to what came before it.
type Head = Result<Result<Response<Arriving>, Trouble>, String>;

impl Course {
    /// Sends the request and waits for the final head; `None`: it did not come in time.
    async fn await_head(
        &mut self,
        attempt: &Attempt<'_>,
        sender: &mut Sender,
        driver: &mut Driver,
        request: Request<Outgoing>,
        patience: Option<Patience>,
    ) -> Option<Head> {
        let Self { clock, tap, fate, interim, streams } = self;
        let seen = interim.clone();
        let head_is_out = || {
            let sent = tap.wire().sent;
            tap.application().head_end.get_or_insert(sent);
        };
        let mut response = pin!(sender.send(request, move |status| seen.note(status), head_is_out));
        let mut impatience = pin!(Impatience::new(patience, *streams));
        let head = poll_fn(|context| {
            let mut done = response.as_mut().poll(context);
            if done.is_pending() {
                driver.poll(context);
                clock.note_sent(tap, fate);
                done = response.as_mut().poll(context);
            }
            clock.note_interim(tap, interim);
            match interim.objection() {
                Some(objection) => Poll::Ready(Some(Err(objection))),
                None if done.is_pending() && impatience.as_mut().is_over(context, clock, tap) => Poll::Ready(None),
                None => done.map(Ok).map(Some),
            }
        });
        attempt.within_silence(tap, head).await.flatten()
    }
}

/// Makes a connection ready for a request.
async fn ready(line: Line, http2: bool) -> Result<(Sender, Driver), Trouble> {
    match line {
        Line::Fresh(stream) => open(stream, http2).await,
        Line::Used(mut sender, mut driver) => {
            let readiness = poll_fn(|context| {
                driver.poll(context);
                sender.poll_ready(context)
            });
            readiness.await.map(|()| (sender, driver))
        }
    }
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

/// A response whose head is complete, with the connection it came over.
struct Came {
    response: Response<Arriving>,
    sender: Sender,
    driver: Driver,
    clock: Clock,
    tap: Tap,
    statuses: Statuses,
}

/// Refuses statuses that no server may send here: 101 unasked, and numbers that are none of HTTP's.
fn accept(attempt: &mut Attempt<'_>, came: Came) -> Result<Answer, Failure<Fault>> {
    let Came { response, sender, driver, mut clock, tap, statuses } = came;
    let (parts, incoming) = response.into_parts();
    let unusable = match parts.status {
        StatusCode::SWITCHING_PROTOCOLS => Some(SWITCHED.to_owned()),
        _ if parts.headers.len() > MOST_FIELDS => Some(format!("the head has more than {MOST_FIELDS} fields")),
        status if !statuses(status.as_u16()) => Some(format!("{} is no HTTP status", status.as_u16())),
        _ => None,
    };
    if let Some(detail) = unusable {
        clock.stop(attempt);
        return Err(broken(Broken::Malformed, detail));
    }
    let Parts { status, version, headers, .. } = parts;
    let answer = Answer { status, version, headers, incoming, sender, driver, clock, tap, statuses };
    tell_response(attempt, &answer);
    Ok(answer)
}

fn build(ask: Ask, http2: bool, fate: Arc<Fate>) -> Result<Request<Outgoing>, Failure<Fault>> {
    let Ask { method, url, mut headers, body, keep, .. } = ask;
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
        if !keep && !headers.contains_key(header::CONNECTION) {
            headers.insert(header::CONNECTION, header::HeaderValue::from_static("close"));
        }
    }
    let bodiless = matches!(method, Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE | Method::DELETE);
    if (body.len() > 0 || !bodiless) && !headers.contains_key(header::CONTENT_LENGTH) {
        headers.insert(header::CONTENT_LENGTH, body.len().into());
    }
    let mut request = request
        .body(Outgoing::new(body, fate))
        .map_err(|error| broken(Broken::Malformed, format!("the request cannot be put into HTTP: {error}")))?;
    request.headers_mut().extend(headers);
    Ok(request)
}
