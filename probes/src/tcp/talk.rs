//! A conversation over an open connection: say bytes, wait for bytes, encrypt.

use std::time::Duration;

use memchr::memmem;
use regex::bytes::Regex;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{Content, Fault, Tcp};
use crate::fault::{Failure, Handshake, Send};
use crate::net::Attempt;
use crate::net::stream::{Broken, Stream, show};
use crate::net::transcript::excerpt;
use crate::phases::Phase;
use crate::secret::Secrets;

/// What comes is searched up to this many bytes in all.
const LARGEST_ANSWER: usize = 1024 * 1024;

/// How long a server that asked for a client certificate may take to refuse it after a TLS 1.3 handshake.
const VERDICT_TIME: Duration = Duration::from_secs(1);

/// How often the kernel is asked whether the peer has acknowledged: soon at first, then ever more patiently.
const FIRST_PAUSE: Duration = Duration::from_micros(200);
const LONGEST_PAUSE: Duration = Duration::from_millis(20);

pub(super) struct Talk {
    stream: Stream,
    /// What came and was not yet taken by a step.
    heard: Vec<u8>,
    /// How much came in all.
    total: usize,
    /// Whether the peer tore the connection down under a write.
    torn: bool,
}

impl Talk {
    pub(super) const fn over(stream: Stream) -> Self {
        Self { stream, heard: Vec::new(), total: 0, torn: false }
    }

    /// Encrypts the connection. Data that came in clear before it would be taken for encrypted data: an attack.
    pub(super) async fn encrypt(self, attempt: &mut Attempt<'_>, tcp: &Tcp) -> Result<Self, Failure<Fault>> {
        let net = |failure: Failure| failure.map(Fault::Net);
        if !self.heard.is_empty() {
            let detail = format!(
                "before TLS began the peer sent {} in clear text",
                show(&attempt.conditions.secrets, excerpt(&self.heard))
            );
            attempt.enter(Phase::Tls);
            return Err(net(Failure::new(Handshake::Injected, detail)));
        }
        let Some(wire) = self.stream.into_wire() else {
            return Err(net(Failure::new(Handshake::Other, "the connection is encrypted already")));
        };
        let stream = attempt.encrypt(&tcp.tls, wire, &tcp.endpoint.host, &[]).await.map_err(net)?;
        Ok(Self::over(stream))
    }

    /// Hands the bytes to the kernel.
    pub(super) async fn send(&mut self, attempt: &mut Attempt<'_>, bytes: &[u8]) -> Result<(), Failure<Fault>> {
        attempt.note(Some(bytes), None);
        let begun = attempt.enter(Phase::Send);
        let tap = self.stream.tap();
        let sent = attempt
            .within(async {
                self.stream.write_all(bytes).await?;
                self.stream.flush().await
            })
            .await;
        attempt.leave(Phase::Send, begun);
        match sent {
            // What the peer said before it tore the connection down may still be read; `Tcp::run` asks at the end.
            Some(_) if tap.is_torn() => {
                self.torn = true;
                Ok(())
            }
            Some(Ok(())) => Ok(()),
            Some(Err(_)) | None => Err(tap.send_failure().map(Fault::Net)),
        }
    }

    /// Ends a conversation in which the agent had the last word: all of it must have arrived.
    pub(super) async fn end(&mut self, attempt: &mut Attempt<'_>, said_last: bool) -> Result<(), Failure<Fault>> {
        if attempt.verdict_is_open() && self.total == 0 && !self.torn {
            self.await_verdict(attempt).await?;
        }
        if said_last && self.torn {
            return Err(self.torn_failure(attempt).await);
        }
        if said_last {
            self.await_acknowledgement(attempt).await?;
        }
        attempt.end_tls(&self.stream.tap()).await.map_err(|failure| failure.map(Fault::Net))
    }

    /// Names a tear under a write. An alert that the peer sent before it says more than a reset.
    async fn torn_failure(&mut self, attempt: &mut Attempt<'_>) -> Failure<Fault> {
        let tap = self.stream.tap();
        let mut rest = [0; 4096];
        while let Some(Ok(1..)) = attempt.within(self.stream.read(&mut rest)).await {}
        let refused = attempt.client_certificate_failure(&tap);
        if refused.is_some() {
            attempt.blame(Phase::Tls);
        }
        let failure = refused.unwrap_or_else(|| tap.torn_failure());
        failure.map(Fault::Net)
    }

    /// In TLS 1.3 a server judges the client's certificate, or that there is none, after the handshake is over on
    /// this side. Where it asked for one, it is given a moment to say so: whatever it sends next is the answer.
    async fn await_verdict(&mut self, attempt: &mut Attempt<'_>) -> Result<(), Failure<Fault>> {
        let tap = self.stream.tap();
        let before = tap.wire().received;
        let begun = attempt.enter(Phase::Wait);
        // Half of what is left belongs to what else must still happen.
        let most = VERDICT_TIME.min(attempt.time_left() / 2);
        let mut waited = Duration::ZERO;
        let mut result = Ok(());
        while waited < most && tap.wire().received == before && self.heard.is_empty() {
            let read = attempt.within_pause(LONGEST_PAUSE, self.stream.read_buf(&mut self.heard)).await;
            waited += LONGEST_PAUSE;
            if matches!(read, Some(Ok(0) | Err(_))) {
                result = attempt.client_certificate_failure(&tap).map_or(Ok(()), Err);
                if result.is_err() {
                    attempt.blame(Phase::Tls);
                }
                break;
            }
        }
        self.total += self.heard.len();
        attempt.leave(Phase::Wait, begun);
        result.map_err(|failure| failure.map(Fault::Net))
    }

    /// Waits until the peer's TCP has acknowledged all that was sent. A reset that comes instead of the
    /// acknowledgement means that nobody read it.
    async fn await_acknowledgement(&mut self, attempt: &mut Attempt<'_>) -> Result<(), Failure<Fault>> {
        let tap = self.stream.tap();
        let begun = attempt.enter(Phase::Send);
        let mut pause = FIRST_PAUSE;
        let result = loop {
            let bytes = tap.bytes();
            if bytes.acked >= bytes.sent {
                break Ok(());
            }
            if let Some(error) = tap.take_error() {
                let detail = format!(
                    "the peer broke the connection off with {} of {} bytes acknowledged",
                    bytes.acked, bytes.sent
                );
                let fault = if Broken::of(&error).is_reset() { Send::Reset } else { Send::Other };
                break Err(Failure::new(fault, detail).with_errno(error.raw_os_error()));
            }
            if attempt.within(tokio::time::sleep(pause)).await.is_none() {
                let detail = format!("{} of {} bytes were acknowledged in time", bytes.acked, bytes.sent);
                break Err(Failure::new(Send::TimedOut, detail));
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        };
        attempt.leave(Phase::Send, begun);
        result.map_err(|failure: Failure| failure.map(Fault::Net))
    }

    /// Waits until the bytes have come.
    pub(super) async fn expect(&mut self, attempt: &mut Attempt<'_>, wanted: &[u8]) -> Result<(), Failure<Fault>> {
        let mut searched = 0_usize;
        loop {
            // What was searched before may hold the beginning of what is wanted.
            let from = searched.saturating_sub(wanted.len().saturating_sub(1));
            if (!self.heard.is_empty() || wanted.is_empty())
                && let Some(at) = memmem::find(&self.heard[from..], wanted)
            {
                self.take(attempt, from + at + wanted.len());
                return Ok(());
            }
            searched = self.heard.len();
            self.hear(attempt, || format!("the expected {} is not in", show(&Secrets::default(), excerpt(wanted))))
                .await?;
        }
    }

    /// Waits until a line has come that matches; the lines before it are skipped.
    pub(super) async fn expect_line(
        &mut self,
        attempt: &mut Attempt<'_>,
        wanted: &Regex,
    ) -> Result<(), Failure<Fault>> {
        let mut begin = 0;
        let mut searched = 0;
        loop {
            while let Some(at) = memchr::memchr(b'\n', &self.heard[searched..]) {
                let end = searched + at;
                let line = &self.heard[begin..end];
                let line = line.strip_suffix(b"\r").unwrap_or(line);
                let matches = wanted.is_match(line);
                begin = end + 1;
                searched = begin;
                if matches {
                    self.take(attempt, begin);
                    return Ok(());
                }
            }
            searched = self.heard.len();
            self.hear(attempt, || format!("no line matches `{wanted}` in")).await?;
        }
    }

    /// Reads what comes next. Waiting is silence before the first byte of this answer, receiving what follows it.
    async fn hear(&mut self, attempt: &mut Attempt<'_>, missing: impl Fn() -> String) -> Result<(), Failure<Fault>> {
        let phase = if self.heard.is_empty() { Phase::Wait } else { Phase::Receive };
        if self.total >= LARGEST_ANSWER {
            return Err(self.mismatch(attempt, &missing(), "and no more is searched"));
        }
        let begun = attempt.enter(phase);
        let before = self.heard.len();
        let read = attempt.within(self.stream.read_buf(&mut self.heard)).await;
        attempt.leave(phase, begun);
        let count = self.heard.len() - before;
        self.total += count;
        if count > 0 {
            // The answer has begun.
            attempt.add(Phase::Receive, Duration::ZERO);
            return Ok(());
        }
        // No byte of this step's answer.
        if self.heard.is_empty() && self.torn {
            // The run failed where it still was.
            attempt.add(Phase::Send, Duration::ZERO);
            return Err(self.torn_failure(attempt).await);
        }
        if self.heard.is_empty() {
            let tap = self.stream.tap();
            let failure = match attempt.receive_failure(&tap, false) {
                silence if read.is_none() => {
                    let unacknowledged = tap.unacknowledged(tap.bytes().sent);
                    if unacknowledged.is_some() {
                        // The run failed where it still was.
                        attempt.add(Phase::Send, Duration::ZERO);
                    }
                    unacknowledged.unwrap_or(silence)
                }
                failure => failure,
            };
            return Err(failure.map(Fault::Net));
        }
        let end = match read {
            None => "and the time is over",
            Some(Ok(_)) => "and the peer ended the connection",
            Some(Err(_)) => "and the peer broke the connection off",
        };
        Err(self.mismatch(attempt, &missing(), end))
    }

    fn mismatch(&self, attempt: &mut Attempt<'_>, missing: &str, end: &str) -> Failure<Fault> {
        attempt.note(None, Some(&self.heard));
        let heard = show(&attempt.conditions.secrets, excerpt(&self.heard));
        let detail = format!("{missing} the {} bytes that came, {end}; they begin with {heard}", self.total);
        Failure { fault: Fault::Content(Content::Absent), detail, errno: None }
    }

    /// Takes what a step has looked at.
    fn take(&mut self, attempt: &mut Attempt<'_>, length: usize) {
        attempt.note(None, Some(&self.heard[..length]));
        self.heard.drain(..length);
    }
}
