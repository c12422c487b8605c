//! A step over UDP: one datagram out, and what comes back; every datagram is a part of the answer.
//!
//! Opening the socket asks for a route and sends nothing: what fails there is a failed connection. An ICMP message about
//! the datagram means that nothing will come.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;

use super::clock::{Clock, Fired};
use super::fault::Fault;
use super::line::too_late;
use super::verify::Judge;
use crate::address::Endpoint;
use crate::fault::{Connect, Datagram, Failure, Receive, Send};
use crate::net::Attempt;
use crate::net::udp::{Datagrams, LARGEST_DATAGRAM};
use crate::phases::Phase;

/// What comes between two steps is dropped up to this many datagrams.
const MOST_DROPPED: usize = 1024;

/// A socket that talks to the target of a step.
pub(super) struct Port {
    socket: Datagrams,
    remote: Option<SocketAddr>,
}

impl Port {
    /// The name, the policy, the socket.
    pub(super) async fn open(attempt: &mut Attempt<'_>, endpoint: &Endpoint) -> Result<Self, Failure<Fault>> {
        let addresses = attempt.resolve(endpoint).await.map_err(|failure| failure.map(Fault::Net))?;
        let addresses = attempt.of_the_source(addresses);
        let begun = attempt.enter(Phase::Connect);
        let opened = attempt.open_datagrams(&addresses);
        attempt.leave(Phase::Connect, begun);
        let socket = opened.map_err(|failure| failure.map(|cause| Fault::Net(unopened(cause).into())))?;
        Ok(Self { socket, remote: attempt.remote })
    }

    /// Takes up a socket that an earlier step left; what has come meanwhile is dropped before something is sent.
    pub(super) async fn resume(&self, attempt: &mut Attempt<'_>, sends: bool) {
        attempt.remote = self.remote;
        tokio::task::yield_now().await;
        let mut buffer = vec![0; LARGEST_DATAGRAM];
        for _ in 0..if sends { MOST_DROPPED } else { 0 } {
            if self.socket.receive(&mut buffer).now_or_never().is_none() {
                break;
            }
        }
    }

    /// Sends the datagram and hears the answer, until the judge has enough or no more comes.
    pub(super) async fn talk(
        &self,
        attempt: &mut Attempt<'_>,
        clock: &Clock,
        bytes: &[u8],
        judge: &mut Judge,
    ) -> Result<(), Failure<Fault>> {
        if !bytes.is_empty() {
            self.send(attempt, bytes).await.map_err(|failure| failure.map(Fault::Net))?;
        }
        let mut buffer = vec![0; LARGEST_DATAGRAM];
        while !judge.is_enough() {
            if attempt.time_left().is_zero() {
                return late(attempt, clock, judge);
            }
            let phase = if judge.received() == 0 { Phase::Wait } else { Phase::Receive };
            let begun = attempt.enter(phase);
            let patience = attempt.silence.unwrap_or_else(|| attempt.time_left());
            let received = attempt.within_pause(patience, self.socket.receive(&mut buffer)).await;
            attempt.leave(phase, begun);
            match received {
                None => return late(attempt, clock, judge),
                Some(Ok(length)) => {
                    attempt.add(Phase::Receive, Duration::ZERO);
                    attempt.note(None, Some(&buffer[..length]));
                    judge.take_message(&buffer[..length]);
                }
                Some(Err(undelivered)) => {
                    let failure = attempt.undelivered(undelivered).map(Fault::Datagram);
                    let end = format!(" before {}", failure.detail);
                    return if judge.received() == 0 {
                        Err(failure)
                    } else {
                        judge.end(&attempt.conditions.secrets, &end)
                    };
                }
            }
        }
        judge.end(&attempt.conditions.secrets, "")
    }

    /// Hands the datagram to the kernel.
    async fn send(&self, attempt: &mut Attempt<'_>, bytes: &[u8]) -> Result<(), Failure> {
        attempt.note(Some(bytes), None);
        let begun = attempt.enter(Phase::Send);
        let mut sent = attempt.within(self.socket.send(bytes)).await;
        // The kernel tells the sender of an ICMP message about an earlier datagram, and sends nothing then.
        if let Some(Err(undelivered)) = &sent
            && undelivered.icmp.is_some()
        {
            sent = attempt.within(self.socket.send(bytes)).await;
        }
        attempt.leave(Phase::Send, begun);
        match sent {
            Some(Ok(())) => Ok(()),
            Some(Err(undelivered)) => Err(attempt.undelivered(undelivered).map(|_| Send::Other.into())),
            None => Err(Failure::new(Send::TimedOut, "the kernel did not take the datagram in time")),
        }
    }
}

/// The verdict on an answer that did not end in time.
fn late(attempt: &Attempt<'_>, clock: &Clock, judge: &mut Judge) -> Result<(), Failure<Fault>> {
    let spent = attempt.in_phase() + clock.overhead(attempt.phases());
    match clock.fired(attempt.silence, spent, Instant::now()) {
        Fired::Wide(limit) => Err(too_late(limit, judge.received())),
        Fired::Narrow if judge.received() == 0 => {
            let silence: Failure = Failure::new(Receive::Silence, "no datagram with a byte in it came in time");
            Err(silence.map(Fault::Net))
        }
        Fired::Narrow => judge.end(&attempt.conditions.secrets, " in time"),
    }
}

/// What kept a socket from its target.
const fn unopened(cause: Datagram) -> Connect {
    match cause {
        Datagram::Socket => Connect::Socket,
        Datagram::Bind => Connect::Bind,
        Datagram::HostUnreachable => Connect::HostUnreachable,
        Datagram::NetworkUnreachable => Connect::NetworkUnreachable,
        Datagram::PortUnreachable
        | Datagram::Prohibited
        | Datagram::TimeExceeded
        | Datagram::Icmp
        | Datagram::TooLarge
        | Datagram::Forbidden
        | Datagram::Other => Connect::Other,
    }
}
