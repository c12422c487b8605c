//! One question over one transport, until its answer has come: datagrams, a stream of messages, or an HTTP exchange.
//!
//! What answers something else is counted and passed over (RFC 5452 section 9.1). Waiting lasts until the answer comes,
//! not until something else does; over a stream the first byte ends it, as everywhere.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use hickory_proto::op::Message;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use tokio::io::AsyncReadExt as _;
use url::Url;

use super::{Exchange, Fault, tell};
use crate::evidence;
use crate::exchange::{self, Ask, Versions, version_name};
use crate::fault::{self, Datagram, Failure, Receive};
use crate::net::Attempt;
use crate::net::connect::MOST_ADDRESSES;
use crate::net::message::{self, Received};
use crate::net::stream::Stream;
use crate::net::udp::{Datagrams, LARGEST_DATAGRAM};
use crate::phases::Phase;

/// After this time without an answer a question is sent again over UDP, as dig and resolvers do.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often a question is sent over UDP in all.
const MOST_QUERIES: u32 = 3;

/// The largest DNS message there is.
const LARGEST_MESSAGE: usize = 65_535;

const MEDIA_TYPE: HeaderValue = HeaderValue::from_static(message::MEDIA_TYPE);

type Answered = Result<Box<Message>, Failure<Fault>>;

/// Asks over UDP: the next address where nothing gets through to one, as over TCP. Silence is waited out.
pub(super) async fn over_datagrams(attempt: &mut Attempt<'_>, addresses: &[SocketAddr], query: &Message) -> Answered {
    let bytes = encode(query)?;
    let mut addresses = attempt.of_the_source(addresses.to_vec());
    addresses.truncate(MOST_ADDRESSES);
    let several = addresses.len() > 1;
    let mut addresses = addresses.into_iter().peekable();
    loop {
        let (address, begun) = (addresses.next(), Instant::now());
        let answer = over_one_address(attempt, address.as_slice(), query, &bytes).await;
        if let Some(address) = address.filter(|_| several) {
            tell::address(attempt, address, begun.elapsed(), answer.as_ref().err());
        }
        match &answer {
            Err(Failure { fault: Fault::Datagram(_), .. })
                if addresses.peek().is_some() && !attempt.time_left().is_zero() => {}
            _ => return answer,
        }
    }
}

async fn over_one_address(
    attempt: &mut Attempt<'_>,
    address: &[SocketAddr],
    query: &Message,
    bytes: &[u8],
) -> Answered {
    let begun = attempt.enter(Phase::Send);
    let sent = open_and_send(attempt, address, query, bytes).await;
    attempt.leave(Phase::Send, begun);
    let socket = sent?;
    let begun = attempt.enter(Phase::Wait);
    let answer = await_datagram(attempt, &socket, query, bytes).await;
    attempt.leave(Phase::Wait, begun);
    // What cannot be read has come all the same; what answers something else has not come to us.
    if answer.as_ref().err().is_none_or(|failure| failure.fault == Fault::Exchange(Exchange::Garbled)) {
        attempt.add(Phase::Receive, Duration::ZERO);
    }
    answer
}

async fn open_and_send(
    attempt: &mut Attempt<'_>,
    addresses: &[SocketAddr],
    query: &Message,
    bytes: &[u8],
) -> Result<Datagrams, Failure<Fault>> {
    let socket = attempt.open_datagrams(addresses).map_err(|failure| failure.map(Fault::Datagram))?;
    send(attempt, &socket, query, bytes).await?;
    Ok(socket)
}

async fn send(
    attempt: &mut Attempt<'_>,
    socket: &Datagrams,
    query: &Message,
    bytes: &[u8],
) -> Result<(), Failure<Fault>> {
    tell::query(attempt, query, bytes.len());
    match attempt.within(socket.send(bytes)).await {
        Some(Ok(())) => Ok(()),
        Some(Err(undelivered)) => Err(attempt.undelivered(undelivered).map(Fault::Datagram)),
        None => Err(Failure::new(Datagram::Other, "the kernel did not take the datagram in time")),
    }
}

/// Waits for the answer, and asks again where none comes.
async fn await_datagram(attempt: &mut Attempt<'_>, socket: &Datagrams, query: &Message, bytes: &[u8]) -> Answered {
    let mut buffer = vec![0; LARGEST_DATAGRAM];
    let mut queries = 1;
    let mut again = Instant::now() + PATIENCE;
    let mut foreign = 0;
    while !attempt.time_left().is_zero() {
        if queries < MOST_QUERIES && Instant::now() >= again {
            queries += 1;
            again += PATIENCE;
            send(attempt, socket, query, bytes).await?;
        }
        let pause = match queries {
            MOST_QUERIES.. => attempt.time_left(),
            _ => again.saturating_duration_since(Instant::now()),
        };
        let received = match attempt.within_pause(pause, socket.receive(&mut buffer)).await {
            None => continue,
            Some(Ok(length)) => message::read_datagram(&buffer[..length], query),
            Some(Err(undelivered)) => return Err(attempt.undelivered(undelivered).map(Fault::Datagram)),
        };
        match received {
            Received::Answer(answer) => return Ok(answer),
            Received::Foreign(what) => {
                foreign += 1;
                tell::ignored(attempt, what);
            }
            Received::Garbled(why) => return Err(garbled(&why)),
        }
    }
    if foreign > 0 {
        return Err(strangers(foreign));
    }
    let silence = match queries {
        1 => "the question was sent, and no answer came in time".to_owned(),
        count => format!("the question was sent {count} times, and no answer came in time"),
    };
    Err(Failure::<fault::Fault>::new(Receive::Silence, silence).map(Fault::Net))
}

/// Asks over a connection, clear or encrypted.
pub(super) async fn over_stream(attempt: &mut Attempt<'_>, mut stream: Stream, query: &Message) -> Answered {
    let bytes = encode(query)?;
    tell::query(attempt, query, bytes.len());
    let tap = stream.tap();
    let begun = attempt.enter(Phase::Send);
    let sent = attempt.within(message::write_framed(&mut stream, &bytes)).await;
    attempt.leave(Phase::Send, begun);
    // What the server said before it tore the connection down may still be read.
    if !matches!(sent, Some(Ok(()))) && !tap.is_torn() {
        return Err(tap.send_failure().map(Fault::Net));
    }
    let mut heard = Vec::new();
    let mut foreign = 0;
    let mut phase = Phase::Wait;
    loop {
        let begun = attempt.enter(phase);
        let read = attempt.within(stream.read_buf(&mut heard)).await;
        attempt.leave(phase, begun);
        if !matches!(read, Some(Ok(1..))) {
            return Err(late_on_stream(attempt, &stream, read.is_none(), !heard.is_empty(), foreign));
        }
        phase = Phase::Receive;
        attempt.add(phase, Duration::ZERO);
        while let Some(message) = message::take_framed(&mut heard) {
            match message::read(&message, query) {
                Received::Answer(answer) => return Ok(answer),
                Received::Foreign(what) => {
                    foreign += 1;
                    tell::ignored(attempt, what);
                }
                Received::Garbled(why) => return Err(garbled(&why)),
            }
        }
        if attempt.time_left().is_zero() {
            return Err(late_on_stream(attempt, &stream, true, !heard.is_empty(), foreign));
        }
    }
}

/// The failure of a stream that brings no answer any more: the state decides, whatever ended the wait.
fn late_on_stream(
    attempt: &mut Attempt<'_>,
    stream: &Stream,
    silent: bool,
    begun: bool,
    foreign: u32,
) -> Failure<Fault> {
    let tap = stream.tap();
    if foreign > 0 && silent {
        return strangers(foreign);
    }
    let failure = attempt.receive_failure(&tap, begun);
    if silent
        && !begun
        && let Some(unacknowledged) = tap.unacknowledged(tap.bytes().sent)
    {
        // The run failed where it still was.
        attempt.add(Phase::Send, Duration::ZERO);
        return unacknowledged.map(Fault::Net);
    }
    failure.map(Fault::Net)
}

/// Asks over HTTPS, by POST.
pub(super) async fn over_https(attempt: &mut Attempt<'_>, stream: Stream, url: &Url, query: &Message) -> Answered {
    let bytes = encode(query)?;
    tell::query(attempt, query, bytes.len());
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, MEDIA_TYPE);
    headers.insert(header::ACCEPT, MEDIA_TYPE);
    let ask = Ask {
        method: Method::POST,
        url: url.clone(),
        headers,
        body: bytes::Bytes::from(bytes).into(),
        patience: None,
        keep: false,
        statuses: exchange::is_status,
    };
    let http = |failure: Failure<exchange::Fault>| failure.map(Fault::from);
    let answer = exchange::send(attempt, stream, Versions::Auto, ask).await.map_err(http)?;
    let (status, version) = (answer.status, version_name(answer.version));
    let headers = std::collections::BTreeMap::new();
    attempt.evidence.http =
        Some(evidence::Http { status: status.as_u16(), version, headers, body: None, length: None });
    if status != StatusCode::OK {
        answer.leave_body(attempt);
        return Err(Failure::new(Exchange::HttpStatus, format!("{url} answered with the HTTP status {status}")));
    }
    let other = message::other_content_type(&answer.headers, &attempt.conditions.secrets);
    let body = answer.read_body(attempt, LARGEST_MESSAGE + 1, false).await.map_err(http)?;
    if body.len() > LARGEST_MESSAGE {
        return Err(garbled(&format!("the body is larger than any DNS message{other}")));
    }
    match message::read(&body, query) {
        Received::Answer(answer) => Ok(answer),
        Received::Foreign(what) => {
            tell::ignored(attempt, what);
            Err(strangers(1))
        }
        Received::Garbled(why) => Err(garbled(&(why + &other))),
    }
}

fn encode(query: &Message) -> Result<Vec<u8>, Failure<Fault>> {
    let unfit = |error: hickory_proto::ProtoError| {
        Failure::<fault::Fault>::new(fault::Resolve::InvalidName, error.to_string()).map(Fault::Net)
    };
    query.to_vec().map_err(unfit)
}

/// The failure of a question to which nothing came but answers to something else.
fn strangers(count: u32) -> Failure<Fault> {
    let detail = match count {
        1 => "the one message that came does not answer the question".to_owned(),
        count => format!("none of the {count} messages that came answers the question"),
    };
    Failure::new(Exchange::Foreign, detail)
}

fn garbled(why: &str) -> Failure<Fault> {
    Failure::new(Exchange::Garbled, format!("what came is no DNS message: {why}"))
}
