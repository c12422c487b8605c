//! How far a run came, and how long each part of it took.

use std::time::Duration;

use serde::{Serialize, Serializer};

/// A part of a run, in the order in which runs pass through them.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Phase {
    /// From the first query to usable addresses; absent when the target is a literal address.
    Resolve,
    /// From the first `connect()` to an open connection; a proxy's `CONNECT` belongs to it.
    Connect,
    /// The TLS handshake.
    Tls,
    /// Until the last byte of the request was handed to the kernel.
    Send,
    /// From the last byte sent to the first byte received.
    Wait,
    /// From the first byte received to the last one needed.
    Receive,
    /// Of a dialogue: from its first awaited line until the log-in may begin, with EHLO, CAPA and STARTTLS.
    Greeting,
    /// Of a dialogue: user name, password and what the server says to them.
    Login,
    /// Of a dialogue: everything after the log-in.
    Transfer,
    /// Of PING: from the first echo request to the last answer or the end of waiting for it.
    Rtt,
}

impl Phase {
    /// Every phase, in order.
    pub const ALL: [Self; 10] = [
        Self::Resolve,
        Self::Connect,
        Self::Tls,
        Self::Send,
        Self::Wait,
        Self::Receive,
        Self::Greeting,
        Self::Login,
        Self::Transfer,
        Self::Rtt,
    ];

    /// The name in results and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Resolve => "resolve",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Send => "send",
            Self::Wait => "wait",
            Self::Receive => "receive",
            Self::Greeting => "greeting",
            Self::Login => "login",
            Self::Transfer => "transfer",
            Self::Rtt => "rtt",
        }
    }
}

impl Serialize for Phase {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// The phases that were begun, each with the time spent in it; of several hops, the sums.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Phases {
    spent: [Option<Duration>; Phase::ALL.len()],
}

impl Phases {
    /// Adds time to a phase, which counts as begun from now on, however short the time.
    pub fn add(&mut self, phase: Phase, time: Duration) {
        let spent = &mut self.spent[phase as usize];
        *spent = Some(spent.unwrap_or_default() + time);
    }

    /// Takes a phase out, as if it had not been begun.
    pub(crate) const fn take(&mut self, phase: Phase) -> Option<Duration> {
        self.spent[phase as usize].take()
    }

    /// Adds every phase of another record to this one.
    pub fn add_all(&mut self, other: &Self) {
        for (phase, time) in other.iter() {
            self.add(phase, time);
        }
    }

    /// The time spent in a phase; `None` where it was not begun.
    #[must_use]
    pub const fn get(&self, phase: Phase) -> Option<Duration> {
        self.spent[phase as usize]
    }

    /// The phases that were begun, in order.
    pub fn iter(&self) -> impl Iterator<Item = (Phase, Duration)> {
        Phase::ALL.into_iter().filter_map(|phase| self.get(phase).map(|time| (phase, time)))
    }

    /// Whether no phase was begun.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }
}

impl Serialize for Phases {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter().map(|(phase, time)| (phase.name(), milliseconds(time))))
    }
}

/// Milliseconds to the microsecond, the unit of every duration in a result.
#[must_use]
pub fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}
