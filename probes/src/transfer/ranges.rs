//! A download over several connections (RFC 9110 section 14): pieces of a fixed size, asked for in their order and
//! handed on in their order, so that few of them are held at a time.
//!
//! The first connection is the verdict's. A further one that cannot be had is dropped, and the others do its work; a
//! fault inside a piece is a fault of the download. A resource that changes meanwhile is fetched once more, whole.

mod board;
mod part;

use std::net::SocketAddr;
use std::time::Instant;

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
use crate::exchange::{self, Answer, Session, Sink as _, Spilt};
use crate::fault::{self, Failure, Named as _, Receive};
use crate::net::Attempt;
use crate::phases::Phase;
use board::Shared;
pub(super) use part::{Kind, Parts};
use part::{PIECE, range_of};

/// A piece is handed on in parts of this size.
const PART: usize = 64 * 1024;

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
        let fetch = Fetch { transfer: self, hop, kind: &kind, shared: &shared, remote };
        let mut stops = Vec::new();
        answer.hand_on(attempt);
        let begun = attempt.enter(Phase::Receive);
        let outcome = {
            let mut workers = FuturesUnordered::new();
            let mut first = attempt.beside();
            first.remote = attempt.remote;
            workers.push(fetch.work(first, Some(answer), 0));
            workers.extend((1..connections).map(|number| fetch.work(attempt.beside(), None, number)));
            fetch.deliver(attempt, &mut workers, sink, &mut stops).await
        };
        attempt.leave(Phase::Receive, begun);
        for (connection, tap) in stops {
            attempt.evidence.connections.push(connection);
            attempt.count_in(tap);
        }
        attempt.evidence.connections.sort_by_key(|connection| connection.number);
        match outcome {
            Ok(true) => Ok(Some(kind.total)),
            Ok(false) => Ok(None),
            Err(failure) => Err(failure),
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
}

/// Whether a connection ended before anything of an answer came over it.
fn was_ended(fault: Fault) -> bool {
    let Fault::Net(_, cause) = fault else { return false };
    matches!(
        cause,
        fault::Fault::Receive(Receive::NothingClosed | Receive::NothingReset) | fault::Fault::Send(fault::Send::Reset)
    )
}

type Left = (evidence::Connection, Option<crate::net::stream::Tap>);

impl Fetch<'_> {
    /// Hands the pieces on in their order until all are there; `false`: the resource has changed.
    async fn deliver(
        &self,
        attempt: &Attempt<'_>,
        workers: &mut FuturesUnordered<impl Future<Output = (Stop, Left)>>,
        sink: &mut Sink,
        stops: &mut Vec<Left>,
    ) -> Result<bool, Failure<Fault>> {
        loop {
            while let Some(mut piece) = self.shared.take() {
                while !piece.is_empty() {
                    let part = piece.split_to(piece.len().min(PART));
                    match attempt.within(sink.take(part)).await {
                        Some(taken) => taken?,
                        None => return fails(Content::Unwritten, "what came was not written in time"),
                    }
                }
            }
            if self.shared.is_over() {
                while let Some((_, left)) = workers.next().await {
                    stops.push(left);
                }
                return Ok(true);
            }
            let changed = self.shared.changed.notified();
            let stopped = tokio::select! {
                biased;
                stopped = workers.next() => stopped,
                () = changed => continue,
            };
            let Some((stop, left)) = stopped else {
                return fails(Content::Range, "every connection ended before all parts were there");
            };
            stops.push(left);
            match stop {
                Stop::Done | Stop::Dropped(_) => {}
                Stop::Changed => return Ok(false),
                Stop::Failed(failure) => return Err(failure),
            }
        }
    }

    /// One connection: fetches one piece after the other.
    async fn work(&self, mut attempt: Attempt<'_>, answer: Option<Answer>, number: usize) -> (Stop, Left) {
        let mut connection = evidence::Connection::new(number, self.remote);
        let stop = self.fetch_all(&mut attempt, answer, number == 0, &mut connection).await;
        if let Stop::Dropped(cause) = stop {
            connection.cause = Some(cause);
        }
        connection.phases = *attempt.phases();
        (stop, (connection, attempt.tap.take()))
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
        while let Some(index) = self.shared.claim().await {
            match self.ask_for(attempt, session.take(), index, is_first, connection).await {
                Ok(open) => session = open,
                Err(stop) => {
                    self.shared.give_back(index);
                    return stop;
                }
            }
        }
        Stop::Done
    }

    /// Asks for one piece and takes it in.
    async fn ask_for(
        &self,
        attempt: &mut Attempt<'_>,
        open: Option<Session>,
        index: u64,
        is_first: bool,
        connection: &mut evidence::Connection,
    ) -> Result<Option<Session>, Stop> {
        let deadline = attempt.deadline;
        let late = |detail: String| {
            let fault = Fault::Net(self.hop.leg, Receive::TimedOut.into());
            Stop::Failed(Failure { fault, detail, errno: None })
        };
        if Instant::now() >= deadline {
            return Err(late("the parts were not all there in time".to_owned()));
        }
        let unusable = |failure: Failure<Fault>| match failure.fault {
            // The run is over, whatever this connection was waiting for.
            _ if Instant::now() >= deadline => late(failure.detail),
            fault if !is_first => Stop::Dropped(fault.name()),
            // The download has begun, with an earlier part.
            Fault::Net(leg, fault::Fault::Receive(Receive::Silence)) => {
                Stop::Failed(Failure { fault: Fault::Net(leg, Receive::TimedOut.into()), ..failure })
            }
            _ => Stop::Failed(failure),
        };
        let mut answer = None;
        // A connection that the server ended between two requests is no fault: nothing was lost by it.
        if let Some(session) = open {
            answer = match self.ask(attempt, session, index).await {
                Err(failure) if was_ended(failure.fault) => None,
                Err(failure) => return Err(unusable(failure)),
                Ok(answer) => Some(answer),
            };
        }
        let answer = if let Some(answer) = answer {
            answer
        } else {
            let session = self.connect(attempt).await.map_err(unusable)?;
            self.ask(attempt, session, index).await.map_err(unusable)?
        };
        if matches!(answer.status, StatusCode::OK | StatusCode::RANGE_NOT_SATISFIABLE) {
            answer.leave_body(attempt);
            return Err(Stop::Changed);
        }
        if answer.status != StatusCode::PARTIAL_CONTENT {
            let status = answer.status.as_u16();
            answer.leave_body(attempt);
            let detail = format!("the server answered {status} when it was asked for a further part");
            return Err(unusable(Failure { fault: Fault::Status(status), detail, errno: None }));
        }
        match Parts::read(&answer.headers, index) {
            Parts::Some(kind) if kind == *self.kind => self.take_piece(attempt, answer, index, connection).await,
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
        let stream = attempt.connect(&[self.remote]).await.map_err(on)?;
        let stream = self.transfer.encrypt(attempt, url, self.hop.leg, &endpoint, stream).await?;
        let encrypted = url.scheme() == "https";
        Session::over(stream, self.transfer.http.versions)
            .map_err(|failure| failure.map(|cause| name(self.hop.leg, encrypted, false, cause)))
    }

    async fn ask(&self, attempt: &mut Attempt<'_>, session: Session, index: u64) -> Result<Answer, Failure<Fault>> {
        let range = range_of(index, Some(self.kind.total));
        let mut ask = self.transfer.ask(&self.hop.url, self.hop.method.clone(), Bytes::new().into(), range, true);
        // Only a strong validator may stand there (RFC 9110 section 13.1.5).
        let strong = self.kind.etag.clone().filter(|etag| !etag.as_bytes().starts_with(b"W/"));
        ask.headers.extend(strong.map(|etag| (header::IF_RANGE, etag)));
        self.transfer.exchange(attempt, self.hop, false, session, ask).await
    }
}
