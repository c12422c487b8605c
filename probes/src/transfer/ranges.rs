//! A download over several connections (RFC 9110 section 14): pieces of a fixed size, asked for in their order and
//! handed on in their order, so that few of them are held at a time.
//!
//! The first connection is the verdict's. A further one that cannot be had is dropped, and the others do its work; a
//! fault inside a piece is a fault of the download. A resource that changes meanwhile is fetched once more, whole.

mod board;
mod part;

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use http::{HeaderValue, StatusCode, header};

use super::fault::{Content, Fault};
use super::hop::{Hop, name};
use super::sink::Sink;
use super::{Download, Transfer, Work, fails};
use crate::address::Endpoint;
use crate::evidence;
use crate::exchange::{self, Answer, Patience, Session, Sink as _, Spilt};
use crate::fault::{self, Failure, Named as _, Receive};
use crate::net::Attempt;
use crate::phases::Phase;
use board::Shared;
pub(super) use part::{Kind, Parts};
use part::{PIECE, range_of};

/// A piece is handed on in parts of this size.
const PART: usize = 64 * 1024;

/// The share of the remaining time that a further connection gets to begin its answer, and what it gets at least.
const PATIENCE_SHARE: u32 = 4;
const LEAST_PATIENCE: Duration = Duration::from_millis(500);

/// Why a connection fetches no more.
enum Stop {
    /// There is nothing left.
    Done,
    /// It could not be had.
    Dropped(&'static str),
    /// The resource is not what it was.
    Changed,
    /// The download fails.
    Failed(Failure<Fault>),
}

/// One piece on its way.
struct Piece {
    bytes: BytesMut,
    length: u64,
}

impl exchange::Sink for Piece {
    type Error = ();

    async fn take(&mut self, bytes: Bytes) -> Result<(), ()> {
        if (self.bytes.len() + bytes.len()) as u64 > self.length {
            return Err(());
        }
        self.bytes.extend_from_slice(&bytes);
        Ok(())
    }
}

impl Transfer {
    /// The Range of the first request, where several connections are wanted.
    pub(super) fn first_range(&self) -> Option<HeaderValue> {
        match &self.work {
            Work::Download(Download { connections: 2.., decode: false, .. }) => range_of(0, None),
            Work::Download(_) | Work::Upload(_) => None,
        }
    }

    /// Fetches all pieces, of which the answer has the first; `None`: the resource has changed meanwhile.
    pub(super) async fn gather(
        &self,
        attempt: &mut Attempt<'_>,
        hop: &Hop,
        mut answer: Answer,
        download: &Download,
        kind: Kind,
        sink: &mut Sink,
    ) -> Result<Option<u64>, Failure<Fault>> {
        self.progress.begin(Some(kind.total));
        let pieces = kind.total.div_ceil(PIECE);
        let connections = download.connections.min(usize::try_from(pieces).unwrap_or(usize::MAX));
        let shared = Shared::new(pieces, connections as u64);
        let Some(remote) = attempt.remote else { return fails(Content::Range, "the connection has no peer") };
        let fetch = Fetch { transfer: self, hop, kind: &kind, shared: &shared, remote, left: Mutex::default() };
        answer.hand_on(attempt);
        let begun = attempt.enter(Phase::Receive);
        let outcome = {
            let mut workers = FuturesUnordered::new();
            let mut first = attempt.beside();
            first.remote = attempt.remote;
            workers.push(fetch.work(first, Some(answer), 0));
            workers.extend((1..connections).map(|number| fetch.work(attempt.beside(), None, number)));
            fetch.deliver(attempt, &mut workers, sink).await
        };
        attempt.leave(Phase::Receive, begun);
        let left = std::mem::take(&mut *fetch.left.lock().unwrap_or_else(PoisonError::into_inner));
        for (connection, bytes) in left {
            attempt.evidence.connections.push(connection);
            attempt.count(bytes.unwrap_or_default());
        }
        attempt.evidence.connections.sort_by_key(|connection| connection.number);
        match outcome {
            Ok(true) => Ok(Some(kind.total)),
            Ok(false) => Ok(None),
            Err((failure, phase)) => {
                // A connection that was to bring a later part may have failed before it stood.
                phase.filter(|phase| *phase < Phase::Send).into_iter().for_each(|phase| attempt.blame(phase));
                Err(failure)
            }
        }
    }
}

/// What every connection needs to know.
struct Fetch<'t> {
    transfer: &'t Transfer,
    hop: &'t Hop,
    kind: &'t Kind,
    shared: &'t Shared,
    remote: SocketAddr,
    /// What every connection that is over brought and carried.
    left: Mutex<Vec<(evidence::Connection, Option<evidence::Bytes>)>>,
}

/// A connection at work. What it brought is kept when it is over, or when nobody waits for it any more.
struct Line<'f, 't, 'a> {
    fetch: &'f Fetch<'t>,
    attempt: Attempt<'a>,
    connection: evidence::Connection,
}

impl Drop for Line<'_, '_, '_> {
    fn drop(&mut self) {
        self.connection.phases = *self.attempt.phases();
        // One that found nothing to do was never opened.
        if self.connection.number == 0 || self.attempt.phases().iter().next().is_some() {
            let left = (self.connection.clone(), self.attempt.bytes());
            self.fetch.left.lock().unwrap_or_else(PoisonError::into_inner).push(left);
        }
    }
}

/// Whether a connection ended before anything of an answer came over it.
fn was_ended(fault: Fault) -> bool {
    let Fault::Net(_, cause) = fault else { return false };
    matches!(
        cause,
        fault::Fault::Receive(Receive::NothingClosed | Receive::NothingReset) | fault::Fault::Send(fault::Send::Reset)
    )
}

impl Fetch<'_> {
    /// Hands the pieces on in their order until all are there; `false`: the resource has changed.
    async fn deliver(
        &self,
        attempt: &Attempt<'_>,
        workers: &mut FuturesUnordered<impl Future<Output = (Stop, Option<Phase>)>>,
        sink: &mut Sink,
    ) -> Result<bool, (Failure<Fault>, Option<Phase>)> {
        let own = |failure| (failure, None);
        loop {
            while let Some(mut piece) = self.shared.take() {
                while !piece.is_empty() {
                    let part = piece.split_to(piece.len().min(PART));
                    match attempt.within(sink.take(part)).await {
                        Some(taken) => taken.map_err(own)?,
                        None => return fails(Content::Unwritten, "what came was not written in time").map_err(own),
                    }
                }
            }
            if self.shared.is_over() {
                while workers.next().await.is_some() {}
                return Ok(true);
            }
            let changed = self.shared.changed.notified();
            let stopped = tokio::select! {
                biased;
                stopped = workers.next() => stopped,
                () = changed => continue,
            };
            let Some((stop, phase)) = stopped else {
                return fails(Content::Range, "every connection ended before all parts were there").map_err(own);
            };
            match stop {
                Stop::Done | Stop::Dropped(_) => {}
                Stop::Changed => return Ok(false),
                Stop::Failed(failure) => return Err((failure, phase)),
            }
        }
    }

    /// One connection: fetches one piece after the other.
    async fn work(&self, attempt: Attempt<'_>, answer: Option<Answer>, number: usize) -> (Stop, Option<Phase>) {
        let connection = evidence::Connection::new(number, self.remote);
        let mut line = Line { fetch: self, attempt, connection };
        let stop = self.fetch_all(&mut line.attempt, answer, number == 0, &mut line.connection).await;
        line.connection.cause = match stop {
            Stop::Dropped(cause) => Some(cause),
            Stop::Changed => Some("changed"),
            Stop::Done | Stop::Failed(_) => None,
        };
        (stop, line.attempt.current())
    }

    async fn fetch_all(
        &self,
        attempt: &mut Attempt<'_>,
        answer: Option<Answer>,
        is_first: bool,
        connection: &mut evidence::Connection,
    ) -> Stop {
        let mut session = None;
        if let Some(answer) = answer {
            match self.take_piece(attempt, answer, 0, connection).await {
                Ok(open) => session = open,
                Err(stop) => return stop,
            }
        }
        while self.shared.has_work().await {
            // A part is taken once there is a connection to fetch it over, so that nobody waits for it meanwhile.
            let reused = session.is_some();
            let open = match session.take() {
                Some(open) => open,
                None => match self.connect(attempt).await {
                    Ok(open) => open,
                    Err(failure) => return self.stopped(attempt, failure, is_first),
                },
            };
            let Some(index) = self.shared.claim().await else { break };
            let fetched = match self.ask(attempt, open, index, is_first).await {
                Ok(answer) => self.take_answer(attempt, answer, index, is_first, connection).await,
                // A connection that the server ended between two requests is no fault: nothing was lost by it.
                Err(failure) if reused && was_ended(failure.fault) => Ok(None),
                Err(failure) => Err(self.stopped(attempt, failure, is_first)),
            };
            self.shared.give_back(index);
            match fetched {
                Ok(open) => session = open,
                Err(stop) => return stop,
            }
        }
        Stop::Done
    }

    /// What a failure before the first byte of a part does to the download.
    fn stopped(&self, attempt: &Attempt<'_>, failure: Failure<Fault>, is_first: bool) -> Stop {
        if !is_first {
            return Stop::Dropped(failure.fault.name());
        }
        let late = |detail: &str| {
            let fault = Fault::Net(self.hop.leg, Receive::TimedOut.into());
            Stop::Failed(Failure { fault, detail: detail.to_owned(), errno: None })
        };
        match failure.fault {
            // The run is over, whatever this connection was waiting for.
            _ if Instant::now() >= attempt.deadline => late("the parts were not all there in time"),
            // The download has begun, with an earlier part.
            Fault::Net(_, fault::Fault::Receive(Receive::Silence)) => late(&failure.detail),
            _ => Stop::Failed(failure),
        }
    }

    /// Takes in the answer to the request for one piece.
    async fn take_answer(
        &self,
        attempt: &mut Attempt<'_>,
        answer: Answer,
        index: u64,
        is_first: bool,
        connection: &mut evidence::Connection,
    ) -> Result<Option<Session>, Stop> {
        if matches!(answer.status, StatusCode::OK | StatusCode::RANGE_NOT_SATISFIABLE) {
            answer.leave_body(attempt);
            return Err(Stop::Changed);
        }
        if answer.status != StatusCode::PARTIAL_CONTENT {
            let status = answer.status.as_u16();
            answer.leave_body(attempt);
            let detail = format!("the server answered {status} when it was asked for a further part");
            let failure = Failure { fault: Fault::Status(status), detail, errno: None };
            return Err(self.stopped(attempt, failure, is_first));
        }
        match Parts::read(&answer.headers, index) {
            Parts::Some(kind) if kind == *self.kind => self.take_piece(attempt, answer, index, connection).await,
            Parts::Some(kind) if kind.is_same_version(self.kind) => {
                answer.leave_body(attempt);
                let detail =
                    format!("a part of {} bytes in all came, of what had {} before", kind.total, self.kind.total);
                Err(Stop::Failed(Failure { fault: Content::Range.into(), detail, errno: None }))
            }
            Parts::Some(_) | Parts::Whole | Parts::Anew => {
                answer.leave_body(attempt);
                Err(Stop::Changed)
            }
            Parts::Wrong(why) => {
                answer.leave_body(attempt);
                Err(Stop::Failed(Failure { fault: Content::Range.into(), detail: why, errno: None }))
            }
        }
    }

    async fn take_piece(
        &self,
        attempt: &mut Attempt<'_>,
        answer: Answer,
        index: u64,
        connection: &mut evidence::Connection,
    ) -> Result<Option<Session>, Stop> {
        let length = PIECE.min(self.kind.total - index * PIECE);
        let mut piece = Piece { bytes: BytesMut::with_capacity(usize::try_from(length).unwrap_or(0)), length };
        let poured = answer.pour(attempt, false, &mut piece).await;
        let fault = |fault: Content, detail: String| Stop::Failed(Failure { fault: fault.into(), detail, errno: None });
        let begins = index * PIECE;
        match poured.end {
            Ok(open) if piece.bytes.len() as u64 == length => {
                connection.pieces += 1;
                connection.bytes += length;
                self.shared.put(index, piece.bytes.freeze());
                Ok(open)
            }
            Ok(_) => {
                let came = piece.bytes.len();
                Err(fault(Content::Short, format!("of the part from {begins} on {came} of {length} bytes came")))
            }
            Err(Spilt::Exchange(failure)) if failure.fault == super::download::CLOSED => {
                let came = poured.received;
                Err(fault(Content::Short, format!("the part from {begins} on ended after {came} of {length} bytes")))
            }
            Err(Spilt::Exchange(failure)) => {
                let encrypted = self.hop.url.scheme() == "https";
                Err(Stop::Failed(failure.map(|cause| name(self.hop.leg, encrypted, false, cause))))
            }
            Err(Spilt::Sink(())) => {
                Err(fault(Content::Range, format!("the part from {begins} on has more than {length} bytes")))
            }
        }
    }

    async fn connect(&self, attempt: &mut Attempt<'_>) -> Result<Session, Failure<Fault>> {
        let on = |failure: Failure| failure.map(|cause| Fault::Net(self.hop.leg, cause));
        let url = &self.hop.url;
        let Some(endpoint) = Endpoint::of_url(url) else { return fails(Content::Range, "the URL names no host") };
        let last = attempt.tap.take();
        attempt.count_in(last);
        let stream = attempt.connect(&[self.remote]).await.map_err(on)?;
        let stream = self.transfer.encrypt(attempt, url, self.hop.leg, &endpoint, stream).await?;
        let encrypted = url.scheme() == "https";
        Session::over(stream, self.transfer.http.versions)
            .map_err(|failure| failure.map(|cause| name(self.hop.leg, encrypted, false, cause)))
    }

    async fn ask(
        &self,
        attempt: &mut Attempt<'_>,
        session: Session,
        index: u64,
        is_first: bool,
    ) -> Result<Answer, Failure<Fault>> {
        let range = range_of(index, Some(self.kind.total));
        let mut ask = self.transfer.ask(&self.hop.url, self.hop.method.clone(), Bytes::new().into(), range, true);
        // Only a strong validator may stand there (RFC 9110 section 13.1.5).
        let strong = self.kind.etag.clone().filter(|etag| !etag.as_bytes().starts_with(b"W/"));
        ask.headers.extend(strong.map(|etag| (header::IF_RANGE, etag)));
        if !is_first {
            // What a further connection does not bring, the others still have to fetch within the run.
            let share = (attempt.time_left() / PATIENCE_SHARE).max(LEAST_PATIENCE);
            ask.patience = Some(Patience::Head(share.min(self.transfer.response_timeout)));
        }
        self.transfer.exchange(attempt, self.hop, false, session, ask).await
    }
}
