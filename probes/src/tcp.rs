//! TCP: a connection, TLS if wanted, and what is said over it; book `cloudmonitor/tcp`.
//!
//! The order of looking: the address policy, the name, the socket, the connection with TLS, sending, receiving, the
//! content. `send` without `expect` succeeds once the peer's TCP has acknowledged every byte; `expect` is searched
//! in at most 1 MiB. Bytes that came and are not the ones expected are a mismatch; no bytes at all are no reply.

mod table;
mod talk;

use std::sync::Arc;

use regex::bytes::Regex;

use crate::address::Endpoint;
use crate::check::Check;
use crate::codes::{Code, Protocol};
use crate::fault::{self, Failure, faults, named_by_parts};
use crate::net::{Attempt, tls};
use talk::Talk;

/// What to connect to, and what to say and hear there.
#[derive(Clone, Debug)]
pub struct Tcp {
    /// Host and port.
    pub endpoint: Endpoint,
    /// Whether to encrypt right after the connection is up.
    pub encrypted: bool,
    /// What is said and expected, in order.
    pub steps: Vec<Step>,
    /// For TLS, at once or by a step.
    pub tls: Arc<tls::Client>,
}

/// One step of a conversation.
#[derive(Clone, Debug)]
pub enum Step {
    /// Bytes to send.
    Send(Vec<u8>),
    /// Bytes that must be somewhere in what comes.
    Expect(Vec<u8>),
    /// An expression that a line of what comes must match; lines before it are skipped.
    ExpectLine(Regex),
    /// TLS from here on.
    StartTls,
}

faults! {
    /// What TCP itself can find wrong with an answer.
    pub enum Content {
        /// Something was answered, and not what the task expects.
        Absent = "tcp.content.absent", Target;
    }
}

/// What can go wrong in a TCP probe.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    /// Below the conversation.
    Net(fault::Fault),
    /// In what was said.
    Content(Content),
}

named_by_parts!(Fault: Net, Content);

impl Check for Tcp {
    type Fault = Fault;

    const PROTOCOL: Protocol = Protocol::Tcp;

    async fn run(&self, attempt: &mut Attempt<'_>) -> Result<Code, Failure<Fault>> {
        let net = |failure: Failure| failure.map(Fault::Net);
        let addresses = attempt.resolve(&self.endpoint).await.map_err(net)?;
        let stream = attempt.connect(&addresses).await.map_err(net)?;
        let mut talk = Talk::over(stream);
        if self.encrypted {
            talk = talk.encrypt(attempt, self).await?;
        }
        for step in &self.steps {
            match step {
                Step::Send(bytes) => talk.send(attempt, bytes).await?,
                Step::Expect(bytes) => talk.expect(attempt, bytes).await?,
                Step::ExpectLine(regex) => talk.expect_line(attempt, regex).await?,
                Step::StartTls => talk = talk.encrypt(attempt, self).await?,
            }
        }
        talk.end(attempt, matches!(self.steps.last(), Some(Step::Send(_)))).await?;
        Ok(Code::success())
    }

    fn classify(fault: Fault) -> Option<Code> {
        Some(table::classify(fault).into())
    }

    fn faults() -> Vec<Fault> {
        let mut all: Vec<Fault> = fault::Fault::all().into_iter().map(Fault::Net).collect();
        all.extend(Content::ALL.iter().copied().map(Fault::Content));
        all
    }
}
