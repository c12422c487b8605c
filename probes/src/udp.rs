//! UDP: one datagram to a port, and what comes back; book `cloudmonitor/udp` (RFC 768).
//!
//! The order of looking: the address policy, the name, the socket, sending, an ICMP message or silence, the content.
//! Every datagram that comes until the deadline is looked at, so that a stray one does not decide; only then is what
//! came a mismatch. Without `expect`, quiet for the time of `wait` is a success, which proves little: a filter that drops
//! the datagram looks the same. UDP has no handshake, so that of several addresses the first one is taken.

mod table;

use std::time::Duration;

use memchr::memmem;

use crate::address::Endpoint;
use crate::check::Check;
use crate::codes::{Code, Protocol};
use crate::fault::{Addressing, Datagram, Failure, faults, named_by_parts};
use crate::net::Attempt;
use crate::net::stream::show;
use crate::net::transcript::excerpt;
use crate::net::udp::{Datagrams, LARGEST_DATAGRAM};
use crate::phases::Phase;
use crate::secret::Secrets;

/// The evidence has so many of the datagrams that came; the rest is counted.
const MOST_NOTED: usize = 16;

/// Where to send what, and what has to come back.
#[derive(Clone, Debug)]
pub struct Udp {
    /// Host and port.
    pub endpoint: Endpoint,
    /// The datagram; an empty one if there is nothing to say.
    pub payload: Vec<u8>,
    /// Bytes that must be somewhere in a datagram that comes back; none if nothing has to.
    pub expect: Option<Vec<u8>>,
    /// How long an ICMP message is waited for where nothing has to come back; 1 s.
    pub wait: Duration,
}

faults! {
    /// What UDP itself can find wrong with an answer.
    pub enum Answer {
        /// No datagram came back in time.
        Silence = "wait.timeout", Target;
        /// Datagrams came back, and none has in it what the task expects.
        Absent = "udp.content.absent", Target;
    }
}

/// What can go wrong in a UDP probe.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    /// Before a datagram was sent.
    Addressing(Addressing),
    /// To a datagram.
    Datagram(Datagram),
    /// In what came back.
    Answer(Answer),
}

named_by_parts!(Fault: Addressing, Datagram, Answer);

impl Check for Udp {
    type Fault = Fault;

    const PROTOCOL: Protocol = Protocol::Udp;

    async fn run(&self, attempt: &mut Attempt<'_>) -> Result<Code, Failure<Fault>> {
        let addresses = attempt.addresses_of(&self.endpoint).await.map_err(|failure| failure.map(Fault::Addressing))?;
        let addresses = attempt.of_the_source(addresses);
        let begun = attempt.enter(Phase::Send);
        let opened = attempt.open_datagrams(&addresses);
        attempt.leave(Phase::Send, begun);
        let socket = opened.map_err(|failure| failure.map(Fault::Datagram))?;
        attempt.note(Some(&self.payload), None);
        if self.payload.is_empty() {
            tracing::debug!(target: "conversation", "> (an empty datagram)");
        }
        let begun = attempt.enter(Phase::Send);
        let sent = attempt.within(socket.send(&self.payload)).await;
        attempt.leave(Phase::Send, begun);
        match sent {
            Some(Ok(())) => {}
            Some(Err(undelivered)) => return Err(attempt.undelivered(undelivered).map(Fault::Datagram)),
            None => return Err(of_datagram(Datagram::Other, "the kernel did not take the datagram in time")),
        }
        match &self.expect {
            Some(wanted) => await_answer(attempt, &socket, wanted).await?,
            None => await_refusal(attempt, &socket, self.wait).await?,
        }
        Ok(Code::success())
    }

    fn classify(fault: Fault) -> Option<Code> {
        Some(table::classify(fault).into())
    }

    fn faults() -> Vec<Fault> {
        let mut all: Vec<Fault> = Addressing::all().into_iter().map(Fault::Addressing).collect();
        all.extend(Datagram::ALL.iter().copied().map(Fault::Datagram));
        all.extend(Answer::ALL.iter().copied().map(Fault::Answer));
        all
    }
}

/// Waits for an ICMP message; any datagram that comes instead shows that the port is open, and ends the wait.
async fn await_refusal(attempt: &mut Attempt<'_>, socket: &Datagrams, wait: Duration) -> Result<(), Failure<Fault>> {
    let mut buffer = vec![0; LARGEST_DATAGRAM];
    let begun = attempt.enter(Phase::Wait);
    let received = attempt.within_pause(wait, socket.receive(&mut buffer)).await;
    attempt.leave(Phase::Wait, begun);
    match received {
        None => Ok(()),
        Some(Ok(length)) => {
            attempt.add(Phase::Receive, Duration::ZERO);
            attempt.note(None, Some(&buffer[..length]));
            Ok(())
        }
        Some(Err(undelivered)) => Err(attempt.undelivered(undelivered).map(Fault::Datagram)),
    }
}

/// Looks at every datagram that comes until one has the bytes in it. An ICMP message ends the wait, but not before the
/// datagrams that were there already have been looked at.
async fn await_answer(attempt: &mut Attempt<'_>, socket: &Datagrams, wanted: &[u8]) -> Result<(), Failure<Fault>> {
    let mut buffer = vec![0; LARGEST_DATAGRAM];
    let mut heard = Heard::default();
    while !attempt.time_left().is_zero() {
        let phase = if heard.count == 0 { Phase::Wait } else { Phase::Receive };
        let begun = attempt.enter(phase);
        let received = attempt.within(socket.receive(&mut buffer)).await;
        attempt.leave(phase, begun);
        match received {
            None => break,
            Some(Ok(length)) => {
                attempt.add(Phase::Receive, Duration::ZERO);
                if heard.has(attempt, &buffer[..length], wanted) {
                    return Ok(());
                }
            }
            Some(Err(undelivered)) => return Err(attempt.undelivered(undelivered).map(Fault::Datagram)),
        }
    }
    Err(heard.failure(attempt, wanted))
}

/// What came back so far.
#[derive(Default)]
struct Heard {
    count: u64,
    first: Vec<u8>,
}

impl Heard {
    /// Looks at one datagram.
    fn has(&mut self, attempt: &mut Attempt<'_>, datagram: &[u8], wanted: &[u8]) -> bool {
        let has = memmem::find(datagram, wanted).is_some();
        if self.count == 0 {
            self.first = datagram.to_vec();
        }
        if has || self.count < MOST_NOTED as u64 {
            attempt.note(None, Some(datagram));
        } else {
            attempt.evidence.truncated = true;
        }
        self.count += 1;
        has
    }

    fn failure(&self, attempt: &Attempt<'_>, wanted: &[u8]) -> Failure<Fault> {
        if self.count == 0 {
            return Failure::new(Answer::Silence, "the datagram was sent, and none came back in time");
        }
        let wanted = show(&Secrets::default(), excerpt(wanted));
        let first = excerpt(&attempt.conditions.secrets.strike_bytes(&self.first)).escape_ascii().to_string();
        let detail = match self.count {
            1 => format!("the expected {wanted} is not in the one datagram that came: \"{first}\""),
            count => {
                format!("the expected {wanted} is in none of the {count} datagrams that came; the first: \"{first}\"")
            }
        };
        Failure::new(Answer::Absent, detail)
    }
}

fn of_datagram(fault: Datagram, detail: &str) -> Failure<Fault> {
    Failure { fault: Fault::Datagram(fault), detail: detail.to_owned(), errno: None }
}

impl From<Answer> for Fault {
    fn from(fault: Answer) -> Self {
        Self::Answer(fault)
    }
}
