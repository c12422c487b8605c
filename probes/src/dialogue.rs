//! Command and reply lines over an open connection, plain or TLS: the floor under SMTP, POP3 and FTP's control.
//!
//! A protocol lists its [`Step`]s with `steps!`, wraps the connection in a `Dialogue`, says in which phase it is
//! (`Dialogue::enter`), and then hears and asks: `Dialogue::hear` and `Dialogue::ask` return the reply in the
//! protocol's `Grammar` (`Numbered` for SMTP and FTP, `Status` for POP3), whatever it says; what a reply means is
//! the protocol's, which makes a refusal of it with `Dialogue::refused`. Everything else that can happen to a reply
//! is a typed [`Fault`] that names the step. `Dialogue::encrypt` is STARTTLS, STLS or AUTH TLS after its reply.
//!
//! What is said and heard is noted as it happens; a `Command::secret` shows as `PASS ***`. All is bytes: a bare LF
//! ends a line as CRLF does, NUL and a bare CR are text like any other, a reply is malformed as soon as its bytes
//! cannot become one or are more than 64 KiB, and what comes behind it stays for the next one (RFC 959 section 4.2,
//! RFC 5321 section 4.2, RFC 1939 section 3).

mod command;
mod fault;
mod grammar;
mod reading;

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::address::Host;
use crate::fault::{Failure, Handshake, Receive};
use crate::net::stream::{Stream, Tap, show};
use crate::net::transcript::excerpt;
use crate::net::{Attempt, tls};
use crate::phases::Phase;
use crate::secret::Secret;
pub(crate) use command::Command;
pub use command::{fits_a_line, is_one_line};
pub(crate) use fault::steps;
pub use fault::{Cause, Fault, Step};
pub(crate) use grammar::{Grammar, Numbered, Reply, Status, StatusReply};
use reading::{Reading, State};

/// How long the reply to a last command is waited for.
const LEAVE_TIME: Duration = Duration::from_millis(500);

/// When TLS begins.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Encryption {
    /// Never.
    #[default]
    None,
    /// After a command in clear text.
    StartTls,
    /// At once.
    Implicit,
}

/// Who logs in.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The user name.
    pub username: String,
    /// The password.
    pub password: Secret,
}

/// How long a server may take to refuse a client certificate, or that there is none.
const IDENTITY_TIME: Duration = Duration::from_secs(1);

/// A conversation of commands and replies, in the grammar `G`.
#[derive(Debug)]
pub(crate) struct Dialogue<G: Grammar> {
    stream: Stream,
    phase: Phase,
    reading: Reading<G>,
}

impl<G: Grammar> Dialogue<G> {
    /// Begins in the phase of the greeting.
    pub(crate) fn over(stream: Stream, grammar: G) -> Self {
        Self { stream, phase: Phase::Greeting, reading: Reading::new(grammar) }
    }

    /// Begins a phase; what is said and heard from now on is timed as part of it.
    pub(crate) const fn enter(&mut self, phase: Phase) {
        self.phase = phase;
    }

    /// What the connection carries.
    pub(crate) fn tap(&self) -> Tap {
        self.stream.tap()
    }

    /// The address that the agent has on this connection.
    pub(crate) fn local_address(&self) -> Option<SocketAddr> {
        self.stream.tap().local_address()
    }

    /// Encrypts the connection.
    pub(crate) async fn encrypt<S: Step>(
        self,
        attempt: &mut Attempt<'_>,
        client: &tls::Client,
        host: &Host,
    ) -> Result<Self, Failure<Fault<S>>> {
        let session = attempt.resumable_session(client, host).map_err(|failure| failure.map(Fault::Net))?;
        self.encrypt_in(attempt, &session).await
    }

    /// Encrypts the connection in a session that another connection of the run can resume. Data that came in clear
    /// before it would be taken for encrypted data: an attack.
    pub(crate) async fn encrypt_in<S: Step>(
        self,
        attempt: &mut Attempt<'_>,
        session: &tls::Session,
    ) -> Result<Self, Failure<Fault<S>>> {
        if !self.reading.heard().is_empty() {
            let injected = show(&attempt.conditions.secrets, excerpt(self.reading.heard()));
            let detail = format!("before TLS began the peer sent {injected} in clear text");
            attempt.enter(Phase::Tls);
            return Err(Failure::new(Handshake::Injected, detail).map(Fault::Net));
        }
        let Self { stream, phase, reading } = self;
        let Some(wire) = stream.into_wire() else {
            return Err(Failure::new(Handshake::Other, "the connection is encrypted already").map(Fault::Net));
        };
        // What an answer in clear text begins with is what comes from here on.
        wire.record().first_bytes.clear();
        let stream = attempt.encrypt_in(session, wire).await.map_err(|failure| failure.map(Fault::Net))?;
        Ok(Self { stream, phase, reading })
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
        if !self.reading.heard().is_empty() {
            return Err(self.came_early(attempt, step).await);
        }
        attempt.note(Some(command.shown().as_bytes()), None);
        let begun = attempt.enter(self.phase);
        let sent = attempt
            .within(async {
                self.stream.write_all(command.line()).await?;
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

    /// The failure of what was heard before the question. Taken for the reply to it, it would make the server agree to
    /// everything; but a server that goes away says so unasked (RFC 959, RFC 5321 section 3.8).
    async fn came_early<S: Step>(&mut self, attempt: &mut Attempt<'_>, step: S) -> Failure<Fault<S>> {
        let begun = attempt.enter(self.phase);
        while self.reading.state() == State::Incomplete && G::begins_farewell(self.reading.heard()) {
            if !matches!(attempt.within(self.stream.read_buf(self.reading.room())).await, Some(Ok(1..))) {
                break;
            }
        }
        attempt.leave(self.phase, begun);
        let farewell = self.reading.reply().filter(|reply| G::refusal(reply) == Cause::Unavailable).cloned();
        attempt.note(None, Some(self.reading.heard()));
        if let Some(reply) = farewell {
            let said = show(&attempt.conditions.secrets, excerpt(&G::said(&reply)));
            let detail = format!("the server shuts down before the question: {} would be {said}", step.what());
            return Failure::new(Fault::At(step, Cause::Unavailable), detail);
        }
        let came = show(&attempt.conditions.secrets, excerpt(self.reading.heard()));
        Failure::new(Fault::At(step, Cause::Malformed), format!("{} came before the question: {came}", step.what()))
    }

    /// Hears a reply: the greeting, or the next one to a command that has several.
    pub(crate) async fn hear<S: Step>(
        &mut self,
        attempt: &mut Attempt<'_>,
        step: S,
    ) -> Result<G::Reply, Failure<Fault<S>>> {
        let begun = attempt.enter(self.phase);
        let state = loop {
            let state = self.reading.state();
            if state != State::Incomplete
                || !matches!(attempt.within(self.stream.read_buf(self.reading.room())).await, Some(Ok(1..)))
            {
                break state;
            }
        };
        attempt.leave(self.phase, begun);
        match self.reading.take() {
            Some((reply, bytes)) => {
                attempt.note_answer(&bytes);
                Ok(reply)
            }
            None if state == State::Malformed => Err(self.malformed(attempt, step)),
            None => Err(self.broken_off(attempt, step)),
        }
    }

    /// The failure of a reply that says no.
    #[expect(clippy::unused_self, reason = "the grammar of a dialogue is known by the dialogue")]
    pub(crate) fn refused<S: Step>(&self, attempt: &Attempt<'_>, step: S, reply: &G::Reply) -> Failure<Fault<S>> {
        let said = show(&attempt.conditions.secrets, excerpt(&G::said(reply)));
        let cause = G::refusal(reply);
        let cause = if step.refusals().contains(&cause) { cause } else { Cause::Refused };
        Failure::new(Fault::At(step, cause), format!("{} is {said}", step.what()))
    }

    /// The failure of a reply that is none to what was asked.
    #[expect(clippy::unused_self, reason = "the grammar of a dialogue is known by the dialogue")]
    pub(crate) fn misplaced<S: Step>(&self, attempt: &Attempt<'_>, step: S, reply: &G::Reply) -> Failure<Fault<S>> {
        let said = show(&attempt.conditions.secrets, excerpt(&G::said(reply)));
        let detail = format!("{} is {said}, which answers something else", step.what());
        Failure::new(Fault::At(step, Cause::Malformed), detail)
    }

    /// Whether no byte of the reply that is due came.
    pub(crate) fn heard_nothing(&self) -> bool {
        self.reading.heard().is_empty()
    }

    /// Gives a server that asked for a client certificate in TLS 1.3 a moment to say what it thinks of the answer, where
    /// nothing is asked that it could answer otherwise.
    pub(crate) async fn hear_of_identity<S: Step>(
        &mut self,
        attempt: &mut Attempt<'_>,
    ) -> Result<(), Failure<Fault<S>>> {
        if !attempt.verdict_is_open() {
            return Ok(());
        }
        let tap = self.stream.tap();
        let begun = attempt.enter(self.phase);
        let most = IDENTITY_TIME.min(attempt.time_left() / 2);
        let heard = attempt.within_pause(most, self.stream.read_buf(self.reading.room())).await;
        attempt.leave(self.phase, begun);
        let ended = matches!(heard, Some(Ok(0) | Err(_)));
        match attempt.client_certificate_failure(&tap).filter(|_| ended) {
            Some(failure) => {
                attempt.blame(Phase::Tls);
                Err(failure.map(Fault::Net))
            }
            None => Ok(()),
        }
    }

    /// Waits until the peer says no, or nothing more, while the agent is busy elsewhere; forever if it says yes. What it
    /// said is still there to be heard.
    pub(crate) async fn overhear_no(&mut self) {
        while self.reading.state() == State::Incomplete {
            if !matches!(self.stream.read_buf(self.reading.room()).await, Ok(1..)) {
                return;
            }
        }
        if self.reading.reply().is_some_and(|reply| !G::is_refusal(reply)) {
            std::future::pending::<()>().await;
        }
    }

    /// Says a last command and waits a moment for its reply. The verdict stands already, so that nothing that happens
    /// here counts: the time belongs to no phase, and not to the run.
    pub(crate) async fn take_leave(&mut self, attempt: &mut Attempt<'_>, command: &Command) {
        attempt.stop_the_clock();
        attempt.note(Some(command.shown().as_bytes()), None);
        let most = LEAVE_TIME.min(attempt.time_left() / 2);
        let heard = attempt.within_pause(most, async {
            self.stream.write_all(command.line()).await?;
            self.stream.flush().await?;
            while self.reading.state() == State::Incomplete {
                if self.stream.read_buf(self.reading.room()).await? == 0 {
                    break;
                }
            }
            Ok::<_, std::io::Error>(())
        });
        let _ = heard.await;
        if let Some((_, bytes)) = self.reading.take() {
            attempt.note_answer(&bytes);
        }
    }

    fn malformed<S: Step>(&mut self, attempt: &mut Attempt<'_>, step: S) -> Failure<Fault<S>> {
        attempt.note_answer(self.reading.heard());
        let came = show(&attempt.conditions.secrets, excerpt(self.reading.heard()));
        let detail = if self.reading.is_too_long() {
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
            attempt.blame(Phase::Tls);
            return failure.map(Fault::Net);
        }
        let record = tap.application();
        let mut cause = match record.write_error {
            Some(_) => Cause::Broken,
            None => cause_of(record.receive_fault(!self.reading.heard().is_empty())),
        };
        let errno = record.errno().or(tap.wire().errno());
        drop(record);
        let breakage = tap.tls_breakage(&attempt.conditions.secrets).filter(|_| cause == Cause::Broken);
        if breakage.is_some() {
            cause = Cause::TlsBroken;
        }
        let mut detail = cause.words(step);
        if let Some(breakage) = breakage {
            detail += &format!(": {breakage}");
        }
        if !self.reading.heard().is_empty() {
            attempt.note_answer(self.reading.heard());
            detail += &format!("; it begins with {}", show(&attempt.conditions.secrets, excerpt(self.reading.heard())));
        }
        Failure::new(Fault::At(step, cause), detail).with_errno(errno)
    }
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
