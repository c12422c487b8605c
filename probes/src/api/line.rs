//! A step over a TCP connection, in clear or in TLS: what is sent, and what comes back.
//!
//! The connection stays with its target from step to step. What a step left of an answer is dropped at the next send; a
//! peer that has ended the connection meanwhile cannot be sent to any more.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use tokio::io::{AsyncRead as _, AsyncReadExt as _, AsyncWrite as _, ReadBuf};

use super::clock::{Clock, Fired};
use super::fault::{Answer, Fault, Limit};
use super::verify::Judge;
use crate::address::Endpoint;
use crate::evidence::Bytes;
use crate::fault::{Failure, Handshake, Receive, Send};
use crate::net::stream::{Broken, Stream};
use crate::net::{Attempt, tls};
use crate::phases::Phase;

/// This much is read at once.
const BLOCK: usize = 16 * 1024;

/// What a peer says between two steps is kept up to this many bytes for a step that only listens, and dropped up to the
/// other many by one that sends: whoever floods a connection does not stop doing so.
const MOST_KEPT: usize = 1024 * 1024;
const MOST_DROPPED: usize = 256 * 1024 * 1024;

/// How often the kernel is asked whether the peer has acknowledged: soon at first, then ever more patiently.
const FIRST_PAUSE: Duration = Duration::from_micros(200);
const LONGEST_PAUSE: Duration = Duration::from_millis(20);

/// A connection, and what a step left of it.
pub(super) struct Line {
    stream: Stream,
    remote: Option<SocketAddr>,
    /// What came and no step has taken.
    rest: Vec<u8>,
    /// Room for what is read next.
    block: Vec<u8>,
}

/// Why no more of an answer comes.
enum End {
    /// The peer ended the connection, or broke it off.
    Peer,
    /// Its time is over.
    Time,
}

impl Line {
    /// Goes to the target: the name, the connection, TLS where it is wanted.
    pub(super) async fn open(
        attempt: &mut Attempt<'_>,
        endpoint: &Endpoint,
        tls: Option<&tls::Client>,
    ) -> Result<Self, Failure> {
        let addresses = attempt.resolve(endpoint).await?;
        let mut stream = attempt.connect(&addresses).await?;
        if let Some(client) = tls {
            let encrypted = || Failure::new(Handshake::Other, "the connection is encrypted already");
            let wire = stream.into_wire().ok_or_else(encrypted)?;
            stream = attempt.encrypt(client, wire, &endpoint.host, &[]).await?;
        }
        Ok(Self { stream, remote: attempt.remote, rest: Vec::new(), block: vec![0; BLOCK] })
    }

    /// Takes up a connection that an earlier step left, and says what it has carried so far.
    pub(super) async fn resume(&mut self, attempt: &mut Attempt<'_>, sends: bool) -> Result<Bytes, Failure> {
        let tap = self.stream.tap();
        attempt.remote = self.remote;
        attempt.tap = Some(tap.clone());
        let before = tap.bytes();
        let begun = Instant::now();
        let open = if sends { self.drop_rest().await } else { self.look().await || !self.rest.is_empty() };
        if sends || !open {
            attempt.add(Phase::Send, begun.elapsed());
        }
        if open {
            return Ok(before);
        }
        let errno = tap.application().read_error.as_ref().and_then(|broken| broken.errno);
        let detail = "the peer ended the connection between two steps";
        Err(Failure::new(Send::Reset, detail).with_errno(errno))
    }

    /// Drops what an earlier step left, and says whether the connection is still open.
    async fn drop_rest(&mut self) -> bool {
        let mut dropped = 0;
        loop {
            self.rest.clear();
            if !self.look().await {
                return false;
            }
            dropped += self.rest.len();
            if self.rest.is_empty() || dropped >= MOST_DROPPED {
                self.rest.clear();
                return true;
            }
        }
    }

    /// Reads what is there without waiting, and says whether the connection is still open.
    async fn look(&mut self) -> bool {
        if !self.stream.is_tls() && self.stream.tap().is_quiet() {
            return true;
        }
        // What has come meanwhile can be read once the runtime has looked.
        tokio::task::yield_now().await;
        // A reset behind data is told of at the second look.
        let mut looks = 2;
        while looks > 0 && self.rest.len() < MOST_KEPT {
            self.rest.reserve(BLOCK);
            match self.stream.read_buf(&mut self.rest).now_or_never() {
                None => looks -= 1,
                Some(Ok(0) | Err(_)) => return false,
                Some(Ok(_)) => {}
            }
        }
        true
    }

    /// Sends the bytes and hears the answer, until the judge has enough or no more comes.
    pub(super) async fn talk(
        &mut self,
        attempt: &mut Attempt<'_>,
        clock: &Clock,
        bytes: &[u8],
        judge: &mut Judge,
    ) -> Result<(), Failure<Fault>> {
        if !bytes.is_empty() {
            self.send(attempt, bytes, judge).await.map_err(|failure| failure.map(Fault::Net))?;
        }
        // What an earlier step left, where nothing was sent.
        if judge.received() == 0 && !self.rest.is_empty() {
            let rest = std::mem::take(&mut self.rest);
            self.take(&rest, judge);
        }
        if judge.received() > 0 {
            attempt.add(Phase::Receive, Duration::ZERO);
        }
        let end = self.hear(attempt, judge).await;
        if judge.received() > 0 {
            attempt.note(None, Some(judge.kept()));
        }
        match end {
            None => judge.end(&attempt.conditions.secrets, ""),
            Some(End::Peer) => self.ended(attempt, judge).await,
            Some(End::Time) => self.late(attempt, clock, judge),
        }
    }

    /// Hands the bytes to the kernel. What the peer says meanwhile is taken in, so that two who both talk do not wait for
    /// each other for ever.
    async fn send(&mut self, attempt: &mut Attempt<'_>, bytes: &[u8], judge: &mut Judge) -> Result<(), Failure> {
        attempt.note(Some(bytes), None);
        let begun = attempt.enter(Phase::Send);
        let tap = self.stream.tap();
        let (mut unsent, mut deaf) = (bytes, false);
        let sent = attempt
            .within_silence(&tap, poll_fn(|context| self.poll_send(context, &mut unsent, &mut deaf, judge)))
            .await;
        attempt.leave(Phase::Send, begun);
        match sent {
            // What the peer said before it tore the connection down can still be read.
            Some(_) if tap.is_torn() => Ok(()),
            Some(Ok(())) => Ok(()),
            Some(Err(_)) | None => Err(tap.send_failure()),
        }
    }

    fn poll_send(
        &mut self,
        context: &mut Context<'_>,
        unsent: &mut &[u8],
        deaf: &mut bool,
        judge: &mut Judge,
    ) -> Poll<io::Result<()>> {
        loop {
            if unsent.is_empty() {
                return Pin::new(&mut self.stream).poll_flush(context);
            }
            if let Poll::Ready(written) = Pin::new(&mut self.stream).poll_write(context, unsent) {
                *unsent = &unsent[written?..];
                continue;
            }
            if *deaf {
                return Poll::Pending;
            }
            let mut block = [0; BLOCK];
            let mut part = ReadBuf::new(&mut block);
            let read = ready!(Pin::new(&mut self.stream).poll_read(context, &mut part));
            *deaf = read.is_err() || part.filled().is_empty();
            if !judge.is_enough() {
                self.take(part.filled(), judge);
            } else if self.rest.len() < MOST_KEPT {
                self.rest.extend_from_slice(part.filled());
            }
        }
    }

    /// Hands bytes to the judge; what does not belong to the answer is left to the next step.
    fn take(&mut self, bytes: &[u8], judge: &mut Judge) {
        let taken = judge.take(bytes);
        self.rest.clear();
        self.rest.extend_from_slice(&bytes[taken..]);
    }

    /// Reads until the judge has enough. Waiting is silence before the first byte, receiving what follows it.
    async fn hear(&mut self, attempt: &mut Attempt<'_>, judge: &mut Judge) -> Option<End> {
        let mut block = std::mem::take(&mut self.block);
        let end = self.hear_into(attempt, judge, &mut block).await;
        self.block = block;
        end
    }

    async fn hear_into(&mut self, attempt: &mut Attempt<'_>, judge: &mut Judge, block: &mut [u8]) -> Option<End> {
        while !judge.is_enough() {
            if attempt.time_left().is_zero() {
                return Some(End::Time);
            }
            let phase = if judge.received() == 0 { Phase::Wait } else { Phase::Receive };
            let begun = attempt.enter(phase);
            let patience = attempt.silence.unwrap_or_else(|| attempt.time_left());
            let read = attempt.within_pause(patience, self.stream.read(block)).await;
            attempt.leave(phase, begun);
            match read {
                None => return Some(End::Time),
                Some(Ok(0)) => return Some(End::Peer),
                Some(Err(error)) => {
                    // TLS that breaks tells so before it hands over what came before that.
                    if Broken::of(&error).tls.is_some()
                        && let Some(Ok(count @ 1..)) = self.stream.read(block).now_or_never()
                    {
                        self.take(&block[..count], judge);
                    }
                    return if judge.is_enough() { None } else { Some(End::Peer) };
                }
                Some(Ok(count)) => {
                    attempt.add(Phase::Receive, Duration::ZERO);
                    self.take(&block[..count], judge);
                }
            }
        }
        None
    }

    /// The verdict on an answer whose sender has ended it.
    async fn ended(&mut self, attempt: &mut Attempt<'_>, judge: &mut Judge) -> Result<(), Failure<Fault>> {
        let tap = self.stream.tap();
        if judge.received() > 0 {
            let broken = tap.application().read_error.clone().filter(Broken::is_reset);
            let end = if broken.is_some() { " until the peer reset the connection" } else { " until the peer ended" };
            let verdict = judge.end(&attempt.conditions.secrets, end);
            return verdict.map_err(|failure| failure.with_errno(broken.and_then(|broken| broken.errno)));
        }
        let failure = attempt.receive_failure(&tap, false);
        if failure.fault == Receive::Other.into() {
            return Err(Failure::new(Answer::NothingBroken, failure.detail).with_errno(failure.errno));
        }
        let nothing = [Receive::NothingClosed.into(), Receive::NothingReset.into()].contains(&failure.fault);
        if nothing && (tap.is_torn() || !self.arrived(attempt).await) {
            // The run failed where it still was.
            attempt.count_as(Phase::Wait, Phase::Send);
            return Err(tap.torn_failure().map(Fault::Net));
        }
        Err(failure.map(Fault::Net))
    }

    /// Whether all that was sent is acknowledged. A peer that ended its side may still take what comes, or refuse it.
    async fn arrived(&self, attempt: &Attempt<'_>) -> bool {
        let tap = self.stream.tap();
        let reset = |error: &Broken| error.is_reset();
        let mut pause = FIRST_PAUSE;
        loop {
            let bytes = tap.bytes();
            if bytes.acked >= bytes.sent {
                return true;
            }
            let over = tap.application().read_error.as_ref().is_some_and(reset) || tap.take_error().is_some();
            if over || attempt.within(tokio::time::sleep(pause)).await.is_none() {
                return false;
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// The verdict on an answer that did not end in time: whose time it was, and then what there was of it.
    fn late(&self, attempt: &mut Attempt<'_>, clock: &Clock, judge: &mut Judge) -> Result<(), Failure<Fault>> {
        let tap = self.stream.tap();
        let spent = attempt.in_phase() + clock.overhead(attempt.phases());
        if let Fired::Wide(limit) = clock.fired(attempt.silence, spent, Instant::now()) {
            return Err(too_late(limit, judge.received()));
        }
        let verdict = judge.end(&attempt.conditions.secrets, " in time");
        if judge.received() > 0 && verdict.is_ok() {
            return Ok(());
        }
        if let Some(failure) = tap.unacknowledged(tap.bytes().sent) {
            attempt.count_as(Phase::Wait, Phase::Send);
            return Err(failure.map(Fault::Net));
        }
        if judge.received() == 0 {
            return Err(attempt.receive_failure(&tap, false).map(Fault::Net));
        }
        verdict
    }
}

/// A wider timer was over while an answer was awaited.
pub(super) fn too_late(limit: Limit, received: u64) -> Failure<Fault> {
    let detail = format!("the time was over while the answer was awaited, after {received} bytes of it");
    Failure { fault: Fault::Limit(limit), detail, errno: None }
}
