//! What can go wrong in a step, beyond what the network and HTTP do to it.

use crate::exchange::Broken;
use crate::fault::{self, Connect, Datagram, Handshake, Receive, Resolve, Send, faults, named_by_parts};
use crate::request;

faults! {
    /// What is wrong with the data of the task itself.
    pub enum Data {
        /// The data to send are no hex pairs, or cannot be put into a request.
        Send = "api.send.invalid", Task;
        /// The data to verify with are no hex pairs, or no MD5.
        Verify = "api.verify.invalid", Task;
    }
}

faults! {
    /// Which of the wider timers was over.
    pub enum Limit {
        /// The step took longer than its own timer allows.
        Step = "api.step.timeout", Target;
        /// The round took longer than it may.
        Round = "api.round.timeout", Target;
        /// The task took longer than it may.
        Task = "api.task.timeout", Target;
    }
}

faults! {
    /// What is wrong with an answer.
    pub enum Answer {
        /// The connection broke, neither ended nor reset, before a byte of an answer came.
        NothingBroken = "wait.broken", Path;
        /// The answer is not the one expected, byte by byte.
        Full = "api.content.full", Target;
        /// The bytes expected are not in the answer.
        Partial = "api.content.partial", Target;
        /// The MD5 of the answer is another one.
        Md5 = "api.content.md5", Target;
        /// What a later step needs cannot be taken from the answer.
        Extract = "api.content.extract", Target;
    }
}

/// What can go wrong in a step.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    /// The data of the task.
    Data(Data),
    /// Below the conversation.
    Net(fault::Fault),
    /// To a datagram that was sent.
    Datagram(Datagram),
    /// In a request over HTTP.
    Http(request::Fault),
    /// In the answer.
    Answer(Answer),
    /// Too little time.
    Limit(Limit),
}

named_by_parts!(Fault: Data, Net, Datagram, Http, Answer, Limit);

impl Fault {
    /// Every fault, once each: what a request meets on the network is the same as without one.
    pub(super) fn all() -> Vec<Self> {
        let mut all: Vec<Self> = Data::ALL.iter().copied().map(Self::Data).collect();
        all.extend(request::Fault::all().into_iter().map(Self::Http));
        all.extend(Datagram::ALL.iter().copied().map(Self::Datagram));
        all.extend(Answer::ALL.iter().copied().map(Self::Answer));
        all.extend(Limit::ALL.iter().copied().map(Self::Limit));
        all
    }

    /// Whether the address policy said no: its code is one of connecting, so that the detail has to say it.
    pub(super) const fn is_policy(self) -> bool {
        matches!(self, Self::Net(fault::Fault::Policy(_)) | Self::Http(request::Fault::Net(fault::Fault::Policy(_))))
    }

    /// The timer that is behind it, if one is.
    pub(super) fn timer(self) -> Option<Timer> {
        match self {
            Self::Net(fault) | Self::Http(request::Fault::Net(fault) | request::Fault::Proxy(fault)) => timer(fault),
            Self::Http(request::Fault::Broken(Broken::BodyUnsent)) => Some(Timer::Receive),
            _ => None,
        }
    }
}

/// The timers of what a step does; looking a name up has none of its own.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Timer {
    Resolve,
    Connect,
    Tls,
    Receive,
}

fn timer(fault: fault::Fault) -> Option<Timer> {
    match fault {
        fault::Fault::Resolve(Resolve::TimedOut | Resolve::TooSlow) => Some(Timer::Resolve),
        fault::Fault::Connect(Connect::TimedOut) => Some(Timer::Connect),
        fault::Fault::Handshake(Handshake::TimedOut) => Some(Timer::Tls),
        fault::Fault::Send(Send::TimedOut) | fault::Fault::Receive(Receive::Silence | Receive::TimedOut) => {
            Some(Timer::Receive)
        }
        _ => None,
    }
}

impl From<fault::Fault> for Fault {
    fn from(fault: fault::Fault) -> Self {
        Self::Net(fault)
    }
}

impl From<Answer> for Fault {
    fn from(fault: Answer) -> Self {
        Self::Answer(fault)
    }
}

impl From<Data> for Fault {
    fn from(fault: Data) -> Self {
        Self::Data(fault)
    }
}
