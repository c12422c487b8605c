//! Reading a response body: bounded, decoded, and with the exact reason where it breaks off.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Version, header};
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, ReadBuf};

use super::clock::Clock;
use super::coding::{Coding, codings, decoded};
use super::connection::{Arriving, Driver, Sender, Trouble};
use super::failure::{Progress, name_error};
use super::http2;
use super::{Answer, Broken, Fault, ROOM, Session, Statuses, broken, unknown_transfer_coding};
use crate::fault::{self, Failure, Receive};
use crate::net::Attempt;
use crate::net::stream::Tap;

/// An end within a body, and what it is where nothing but the end could have told that the body is complete.
const CLOSED: Fault = Fault::Net(fault::Fault::Receive(Receive::Closed));
const TRUNCATED: Fault = Fault::Net(fault::Fault::Receive(Receive::Truncated));

/// Where the bytes of a body go.
pub(crate) trait Sink: Send {
    /// Why it takes no more.
    type Error: Send;

    /// Takes the next bytes.
    fn take(&mut self, bytes: Bytes) -> impl Future<Output = Result<(), Self::Error>> + Send;
}

/// Why a body did not run through to its end.
pub(crate) enum Spilt<E> {
    /// The exchange broke off.
    Exchange(Failure<Fault>),
    /// The sink takes no more.
    Sink(E),
}

/// What came of pouring a body into a sink.
pub(crate) struct Poured<E> {
    /// How many bytes of it came, as they were sent.
    pub(crate) received: u64,
    /// At its end the connection, if it can be used again.
    pub(crate) end: Result<Option<Session>, Spilt<E>>,
}

/// How much of a decoded body is handed over at once.
const BLOCK: usize = 64 * 1024;

impl Answer {
    /// Reads the body up to `limit` decoded bytes, and no further; then the exchange is over.
    pub(crate) async fn read_body(
        self,
        attempt: &mut Attempt<'_>,
        limit: usize,
        decode: bool,
    ) -> Result<Vec<u8>, Failure<Fault>> {
        let (mut reading, _) = self.begin_reading(decode);
        let tap = reading.source.tap.clone();
        let read = attempt.within_silence(&tap, read(&mut reading.source, &reading.codings, limit)).await;
        let result = reading.judge(attempt, read);
        reading.clock.stop(attempt);
        result
    }

    /// Hands all of the body over to a sink, as it comes; then the exchange is over.
    pub(crate) async fn pour<S: Sink>(self, attempt: &mut Attempt<'_>, decode: bool, sink: &mut S) -> Poured<S::Error> {
        let http2 = self.version == Version::HTTP_2;
        let stays = http2 || self.version == Version::HTTP_11 && !says_close(&self.headers);
        let (mut reading, sender) = self.begin_reading(decode);
        let tap = reading.source.tap.clone();
        let poured = attempt.within_silence(&tap, pour(&mut reading.source, &reading.codings, sink)).await;
        let received = reading.source.received;
        let end = match poured {
            Some(Err(Unpoured::Sink(error))) => Err(Spilt::Sink(error)),
            Some(Err(Unpoured::Unread(unread))) => {
                reading.judge(attempt, Some(Err::<(), _>(unread))).map_err(Spilt::Exchange)
            }
            Some(Ok(())) => reading.judge(attempt, Some(Ok(()))).map_err(Spilt::Exchange),
            None => reading.judge(attempt, None).map_err(Spilt::Exchange),
        };
        reading.clock.stop(attempt);
        let Source { driver, tap, .. } = reading.source;
        let end = end.map(|()| {
            let whole = stays && !reading.delimited_by_end;
            whole.then(|| Session::used(sender, driver, tap, http2))
        });
        Poured { received, end }
    }

    fn begin_reading(self, decode: bool) -> (Reading, Sender) {
        let codings = if decode { codings(&self.headers) } else { Ok(Vec::new()) };
        let codings = match (unknown_transfer_coding(&self.headers), codings) {
            (true, _) => Err(broken(Broken::TransferEncoding, "the Transfer-Encoding is not `chunked`")),
            (false, codings) => codings,
        };
        let delimited_by_end = self.version != Version::HTTP_2
            && !self.headers.contains_key(header::CONTENT_LENGTH)
            && !self.headers.contains_key(header::TRANSFER_ENCODING);
        let source = Source {
            incoming: self.incoming,
            driver: self.driver,
            chunk: Bytes::new(),
            broke: None,
            tap: self.tap,
            received: 0,
            handed_over: 0,
            yielded: false,
        };
        let promised = self.headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        let (clock, statuses) = (self.clock, self.statuses);
        (Reading { source, codings, delimited_by_end, clock, statuses, promised }, self.sender)
    }

    /// Ends the exchange without the body.
    pub(crate) fn leave_body(mut self, attempt: &mut Attempt<'_>) {
        self.clock.stop(attempt);
    }
}

/// Whether a server says that it ends the connection behind the response.
fn says_close(headers: &HeaderMap) -> bool {
    let options =
        headers.get_all(header::CONNECTION).iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    options.into_iter().any(|option| option.trim_ascii().eq_ignore_ascii_case(b"close"))
}

/// A body that is being read.
struct Reading {
    source: Source,
    codings: Result<Vec<Coding>, Failure<Fault>>,
    /// Whether nothing but the end of the connection is the end of the body.
    delimited_by_end: bool,
    clock: Clock,
    statuses: Statuses,
    /// How long the head says that it is.
    promised: Option<u64>,
}

impl Reading {
    fn driver_reason(&self) -> Option<&Trouble> {
        self.source.driver.reason()
    }

    /// What came of it, where `None` is that of the deadline.
    fn judge<T>(&mut self, attempt: &mut Attempt<'_>, read: Option<Result<T, Unread>>) -> Result<T, Failure<Fault>> {
        let tap = &self.source.tap;
        match (read, self.source.broke.take()) {
            (Some(Err(Unread::Unreadable(failure))), None) => Err(failure),
            (None, _) => Err(attempt.receive_failure(tap, true).map(Fault::Net)),
            (Some(Ok(body)), _) => Ok(body),
            (Some(Err(_)), Some(error)) => {
                let ended = self.driver_reason().filter(|reason| reason.is_goaway());
                let last = http2::last_data(&tap.application().last_bytes);
                let came = self.source.received + last.unwrap_or(0);
                let mut failure = match self.promised.filter(|_| error.is_wrong_length()) {
                    Some(promised) if came < promised => {
                        let detail = format!("the body ended after {came} of {promised} bytes");
                        Failure { fault: CLOSED, detail, errno: None }
                    }
                    _ => name_error(attempt, tap, self.statuses, ended.unwrap_or(&error), Progress::Body),
                };
                if self.delimited_by_end && failure.fault == CLOSED {
                    failure.fault = TRUNCATED;
                }
                Err(failure)
            }
            (Some(Err(Unread::Io(error))), None) => {
                let codings = self.codings.as_deref().unwrap_or_default();
                let names: Vec<_> = codings.iter().map(|coding| coding.name()).collect();
                Err(broken(Broken::BodyEncoding, format!("the body is no {}: {error}", names.join(", "))))
            }
        }
    }
}

/// Why a body could not be read.
enum Unread {
    /// The connection broke, or the body is not what its coding says.
    Io(io::Error),
    /// Its coding is none that the agent knows.
    Unreadable(Failure<Fault>),
}

impl From<io::Error> for Unread {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Why a body was not poured.
enum Unpoured<E> {
    Unread(Unread),
    Sink(E),
}

impl<E> From<io::Error> for Unpoured<E> {
    fn from(error: io::Error) -> Self {
        Self::Unread(error.into())
    }
}

type Codings = Result<Vec<Coding>, Failure<Fault>>;

async fn read(source: &mut Source, codings: &Codings, limit: usize) -> Result<Vec<u8>, Unread> {
    let mut body = Vec::new();
    let Some(codings) = begin(source, codings).await? else { return Ok(body) };
    if codings.is_empty() {
        source.take(limit as u64).read_to_end(&mut body).await?;
    } else {
        decoded(Box::new(source), codings).await?.take(limit as u64).read_to_end(&mut body).await?;
    }
    Ok(body)
}

async fn pour<S: Sink>(source: &mut Source, codings: &Codings, sink: &mut S) -> Result<(), Unpoured<S::Error>> {
    // Judged by the head, whether or not there is a body.
    let codings = match codings {
        Ok(codings) => codings,
        Err(failure) => return Err(Unpoured::Unread(Unread::Unreadable(failure.clone()))),
    };
    if source.fill_buf().await?.is_empty() {
        return Ok(());
    }
    if codings.is_empty() {
        while !source.fill_buf().await?.is_empty() {
            let chunk = std::mem::take(&mut source.chunk);
            sink.take(chunk).await.map_err(Unpoured::Sink)?;
        }
        return Ok(());
    }
    let mut reader = decoded(Box::new(source), codings).await?;
    loop {
        let mut block = BytesMut::with_capacity(BLOCK);
        if reader.read_buf(&mut block).await? == 0 {
            return Ok(());
        }
        sink.take(block.freeze()).await.map_err(Unpoured::Sink)?;
    }
}

/// Waits for the first byte of a body, and then looks at its codings: a response without a body, to HEAD or with 204
/// and 304, may still name the one it would have had. `None` is such a response.
async fn begin<'c>(source: &mut Source, codings: &'c Codings) -> Result<Option<&'c [Coding]>, Unread> {
    if source.fill_buf().await?.is_empty() {
        return Ok(None);
    }
    codings.as_ref().map(|codings| Some(codings.as_slice())).map_err(|failure| Unread::Unreadable(failure.clone()))
}

/// The body as a reader; whoever reads also moves the connection.
struct Source {
    incoming: Arriving,
    driver: Driver,
    chunk: Bytes,
    broke: Option<Trouble>,
    /// How many bytes came.
    received: u64,
    /// How many chunks the reader got; most bodies are one, and need no turn for others.
    handed_over: u64,
    yielded: bool,
    tap: Tap,
}

impl AsyncBufRead for Source {
    fn poll_fill_buf(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.get_mut();
        while this.chunk.is_empty() {
            // A decoder may eat any number of chunks without a byte of body to show for it; whoever else runs here, the
            // deadline among them, gets a turn between two.
            if this.handed_over > 1 && !std::mem::replace(&mut this.yielded, true) {
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            let mut data = this.incoming.poll_data(context);
            if data.is_pending() {
                this.driver.poll(context);
                data = this.incoming.poll_data(context);
            }
            match ready!(data) {
                Some(Ok(data)) => {
                    this.received += data.len() as u64;
                    this.chunk = data;
                    this.handed_over += 1;
                    this.yielded = false;
                    this.tap.application().room = Some(ROOM);
                }
                Some(Err(error)) => {
                    this.broke = Some(error);
                    return Poll::Ready(Err(io::ErrorKind::Other.into()));
                }
                None => break,
            }
        }
        Poll::Ready(Ok(&this.chunk))
    }

    fn consume(self: Pin<&mut Self>, amount: usize) {
        let _ = self.get_mut().chunk.split_to(amount);
    }
}

impl AsyncRead for Source {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let available = ready!(self.as_mut().poll_fill_buf(context))?;
        let amount = available.len().min(buffer.remaining());
        buffer.put_slice(&available[..amount]);
        self.consume(amount);
        Poll::Ready(Ok(()))
    }
}
