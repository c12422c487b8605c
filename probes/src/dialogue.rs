//! Command and reply lines over an open connection, plain or TLS: the floor under SMTP, POP3 and FTP's control.
//!
//! A protocol lists its [`Step`]s with [`steps!`], wraps the connection in a [`Dialogue`], says in which phase it is
//! ([`Dialogue::enter`]), and then hears and asks: [`Dialogue::hear`] and [`Dialogue::ask`] return the reply in the
//! protocol's [`Grammar`] ([`Numbered`] for SMTP and FTP, [`Status`] for POP3), whatever it says; what a reply means is
//! the protocol's, which makes a refusal of it with [`Dialogue::refused`]. Everything else that can happen to a reply
//! is a typed [`Fault`] that names the step. [`Dialogue::encrypt`] is STARTTLS, STLS or AUTH TLS after its reply.
//!
//! What is said and heard is noted as it happens; a [`Command::secret`] shows as `PASS ***`. All is bytes: a bare LF
//! ends a line as CRLF does, NUL and a bare CR are text like any other, a reply is malformed as soon as its bytes
//! cannot become one or are more than 64 KiB, and what comes behind it stays for the next one (RFC 959 section 4.2,
//! RFC 5321 section 4.2, RFC 1939 section 3).

#![allow(dead_code, unused_imports, unused_macros, reason = "the protocols that speak in it are the next to come")]

mod command;
mod fault;
mod grammar;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::address::Host;
use crate::fault::{Failure, Handshake, Receive};
use crate::net::stream::{Stream, show};
use crate::net::transcript::excerpt;
use crate::net::{Attempt, tls};
use crate::phases::Phase;
pub(crate) use command::Command;
pub use command::fits_a_line;
pub(crate) use fault::steps;
pub use fault::{Cause, Fault, Step};
pub(crate) use grammar::{Grammar, Numbered, Reply, Status, StatusReply};

/// More than this is no reply.
const LONGEST_REPLY: usize = 64 * 1024;

/// A conversation of commands and replies, in the grammar `G`.
#[derive(Debug)]
pub(crate) struct Dialogue<G> {
    stream: Stream,
    grammar: G,
    phase: Phase,
    /// What came and belongs to no reply yet.
    heard: Vec<u8>,
}

impl<G: Grammar> Dialogue<G> {
    /// Begins in the phase of the greeting.
    pub(crate) const fn over(stream: Stream, grammar: G) -> Self {
        Self { stream, grammar, phase: Phase::Greeting, heard: Vec::new() }
    }

    /// Begins a phase; what is said and heard from now on is timed as part of it.
    pub(crate) const fn enter(&mut self, phase: Phase) {
        self.phase = phase;
    }

    /// Reads replies in another form from now on, where a command has them (POP3's lists).
    pub(crate) fn expect(&mut self, grammar: G) {
        self.grammar = grammar;
    }

    /// Encrypts the connection. Data that came in clear before it would be taken for encrypted data: an attack.
    pub(crate) async fn encrypt<S: Step>(
        self,
        attempt: &mut Attempt<'_>,
        client: &tls::Client,
        host: &Host,
    ) -> Result<Self, Failure<Fault<S>>> {
        if !self.heard.is_empty() {
            let injected = show(&attempt.conditions.secrets, excerpt(&self.heard));
            let detail = format!("before TLS began the peer sent {injected} in clear text");
            return Err(Failure::new(Handshake::Injected, detail).map(Fault::Net));
        }
        let Some(wire) = self.stream.into_wire() else {
            return Err(Failure::new(Handshake::Other, "the connection is encrypted already").map(Fault::Net));
        };
        let stream = attempt.encrypt(client, wire, host, &[]).await.map_err(|failure| failure.map(Fault::Net))?;
        Ok(Self { stream, grammar: self.grammar, phase: self.phase, heard: Vec::new() })
    }

    /// Says a command and hears its reply.
    pub(crate) async fn ask<S: Step>(
        &mut self,
        attempt: &mut Attempt<'_>,
        step: S,
        command: &Command,
    ) -> Result<G::Reply, Failure<Fault<S>>> {
        self.say(attempt, step, command).await?;
        self.hear(attempt, step).await
    }

    /// Says a command.
    pub(crate) async fn say<S: Step>(
        &mut self,
        attempt: &mut Attempt<'_>,
        step: S,
        command: &Command,
    ) -> Result<(), Failure<Fault<S>>> {
        attempt.note(Some(command.shown().as_bytes()), None);
        let begun = attempt.enter(self.phase);
        let sent = attempt
            .within(async {
                self.stream.write_all(command.line().as_bytes()).await?;
                self.stream.flush().await
            })
            .await;
        attempt.leave(self.phase, begun);
        match sent {
            // A connection torn down under the write is met by the next read, behind what the peer said before it.
            Some(Ok(())) => Ok(()),
            Some(Err(_)) | None => Err(self.broken_off(attempt, step)),
        }
    }

    /// Hears a reply: the greeting, or the next one to a command that has several.
    pub(crate) async fn hear<S: Step>(
        &mut self,
        attempt: &mut Attempt<'_>,
        step: S,
    ) -> Result<G::Reply, Failure<Fault<S>>> {
        let begun = attempt.enter(self.phase);
        let found = loop {
            match self.look() {
                Look::Found(reply, length) => break Some(Ok((reply, length))),
                Look::Malformed => break Some(Err(())),
                Look::Incomplete => {}
            }
            if !matches!(attempt.within(self.stream.read_buf(&mut self.heard)).await, Some(Ok(1..))) {
                break None;
            }
        };
        attempt.leave(self.phase, begun);
        match found {
            Some(Ok((reply, length))) => {
                attempt.note_answer(&self.heard[..length]);
                self.heard.drain(..length);
                Ok(reply)
            }
            Some(Err(())) => Err(self.malformed(attempt, step)),
            None => Err(self.broken_off(attempt, step)),
        }
    }

    /// The failure of a reply that says no.
    pub(crate) fn refused<S: Step>(
        attempt: &Attempt<'_>,
        step: S,
        cause: Cause,
        reply: &G::Reply,
    ) -> Failure<Fault<S>> {
        let said = show(&attempt.conditions.secrets, excerpt(&G::said(reply)));
        Failure::new(Fault::At(step, cause), format!("{} is {said}", step.what()))
    }

    /// Looks for a reply in what came. Always from its beginning, so that a wait for more may be given up and repeated.
    fn look(&self) -> Look<G::Reply> {
        let mut grammar = self.grammar.clone();
        let mut begin = 0;
        for at in memchr::memchr_iter(b'\n', &self.heard) {
            if at >= LONGEST_REPLY {
                return Look::Malformed;
            }
            let line = &self.heard[begin..at];
            match grammar.take(line.strip_suffix(b"\r").unwrap_or(line)) {
                Ok(Some(reply)) => return Look::Found(reply, at + 1),
                Ok(None) => begin = at + 1,
                Err(_) => return Look::Malformed,
            }
        }
        if self.heard.len() > LONGEST_REPLY || !grammar.allows(&self.heard[begin..]) {
            return Look::Malformed;
        }
        Look::Incomplete
    }

    fn malformed<S: Step>(&mut self, attempt: &mut Attempt<'_>, step: S) -> Failure<Fault<S>> {
        attempt.note_answer(&self.heard);
        let came = show(&attempt.conditions.secrets, excerpt(&self.heard));
        let detail = if self.heard.len() > LONGEST_REPLY {
            format!("{} goes on for more than 64 KiB; it begins with {came}", step.what())
        } else {
            format!("in the place of {} came {came}", step.what())
        };
        Failure::new(Fault::At(step, Cause::Malformed), detail)
    }

    /// The failure of a reply that did not come, or not to its end, as the tap saw it.
    fn broken_off<S: Step>(&mut self, attempt: &mut Attempt<'_>, step: S) -> Failure<Fault<S>> {
        let tap = self.stream.tap();
        let first = tap.application().received == 0;
        // A refusal of the client certificate that TLS 1.3 delivers after the handshake is one of TLS.
        if first && let Some(failure) = attempt.client_certificate_failure(&tap) {
            return failure.map(Fault::Net);
        }
        let record = tap.application();
        let cause = cause_of(record.receive_fault(!self.heard.is_empty()));
        let errno = record.errno().or(tap.wire().errno());
        drop(record);
        let mut detail = cause.sentence(step);
        if !self.heard.is_empty() {
            attempt.note_answer(&self.heard);
            detail += &format!("; it begins with {}", show(&attempt.conditions.secrets, excerpt(&self.heard)));
        }
        Failure::new(Fault::At(step, cause), detail).with_errno(errno)
    }
}

/// What a look at the bytes that came has found.
enum Look<R> {
    Found(R, usize),
    Incomplete,
    Malformed,
}

fn cause_of(fault: Receive) -> Cause {
    match fault {
        Receive::Silence => Cause::Silence,
        Receive::TimedOut => Cause::Incomplete,
        Receive::NothingClosed => Cause::Closed,
        Receive::Closed | Receive::Truncated => Cause::Cut,
        Receive::NothingReset | Receive::Reset => Cause::Reset,
        Receive::Other => Cause::Broken,
    }
}
