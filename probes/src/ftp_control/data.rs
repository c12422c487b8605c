//! A data connection that one command fills: passive mode, the command, TLS, the bytes, the reply after them.
//!
//! A reset of the data connection decides, whatever the control connection says next; otherwise the control connection
//! does, and only then the number of bytes.

use std::convert::Infallible;
use std::io;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::AsyncReadExt as _;

use super::port::{of_epsv, of_pasv};
use super::{Control, Data, Fault, Step};
use crate::dialogue::{self, Cause, Command, Reply};
use crate::exchange::Sink;
use crate::fault::Failure;
use crate::net::Attempt;
use crate::net::stream::{Broken, Stream, show};
use crate::phases::Phase;

/// How long the data may still take once the server has given the transfer up.
pub(super) const GRACE: Duration = Duration::from_secs(1);

/// How long a reply that explains a broken data connection may take.
const LAST_WORDS: Duration = Duration::from_millis(100);

/// This much is read at once; connections hand over no more.
const BLOCK: usize = 16 * 1024;

/// Why no data came, or not to their end.
#[derive(Debug)]
pub(crate) enum Stopped<E> {
    /// The server, or the way to it.
    Ftp(Failure<Fault>),
    /// Whoever takes them.
    Sink(E),
}

impl<E> From<Failure<Fault>> for Stopped<E> {
    fn from(failure: Failure<Fault>) -> Self {
        Self::Ftp(failure)
    }
}

/// How data ended: with an end, an error, or a sink that takes no more.
enum End<E> {
    Complete,
    Broken(io::Error),
    Full(E),
}

/// Takes data that nobody looks at.
pub(crate) struct Uncounted;

impl Sink for Uncounted {
    type Error = Infallible;

    async fn take(&mut self, _: Bytes) -> Result<(), Infallible> {
        Ok(())
    }
}

impl Control {
    /// Has a command send its data, hands them to a sink, and counts them.
    pub(crate) async fn receive<S: Sink>(
        &mut self,
        attempt: &mut Attempt<'_>,
        step: Step,
        command: &Command,
        sink: &mut S,
    ) -> Result<u64, Stopped<S::Error>> {
        let data = match self.begin_transfer(attempt, command, step).await? {
            (first, data) if first.is_preliminary() => data,
            (first, _) => return Err(self.no_transfer(attempt, step, &first).into()),
        };
        self.take_in(attempt, data, sink).await
    }

    /// Lists the directory; a server that has nothing to list may say so at once.
    pub(crate) async fn list<S: Sink>(
        &mut self,
        attempt: &mut Attempt<'_>,
        sink: &mut S,
    ) -> Result<u64, Stopped<S::Error>> {
        let data = match self.begin_transfer(attempt, &Command::new("LIST"), Step::List).await? {
            (first, data) if first.is_preliminary() => data,
            (first, _) if matches!(first.code, 226 | 250) => return Ok(0),
            (first, _) => return Err(self.no_transfer(attempt, Step::List, &first).into()),
        };
        self.take_in(attempt, data, sink).await
    }

    /// Takes the data of a command in, and hears what the server says of them.
    async fn take_in<S: Sink>(
        &mut self,
        attempt: &mut Attempt<'_>,
        data: Stream,
        sink: &mut S,
    ) -> Result<u64, Stopped<S::Error>> {
        let mut data = self.encrypt_data(attempt, data).await?;
        let mut count = 0;
        let end = self.read_all(attempt, &mut data, sink, &mut count).await?;
        tracing::debug!(target: "conversation", "* {count} bytes of data");
        let broken = match end {
            End::Full(error) => return Err(Stopped::Sink(error)),
            End::Broken(error) if !is_truncation(&error) => {
                let failure = broken_off(attempt, &data, &error, count);
                self.hear_last_words(attempt).await;
                return Err(failure.into());
            }
            End::Broken(error) => Some(error),
            End::Complete => None,
        };
        self.hear_completion(attempt, Step::Completion).await?;
        match broken {
            None => Ok(count),
            Some(error) => Err(broken_off(attempt, &data, &error, count).into()),
        }
    }

    /// Hears what a server still has to say that has broken the data connection off: for the evidence alone.
    async fn hear_last_words(&mut self, attempt: &mut Attempt<'_>) {
        let run = attempt.shorten(LAST_WORDS);
        let _ = self.hear_past(attempt, Step::Completion, Reply::is_preliminary).await;
        attempt.lengthen(run);
    }

    /// Opens a data connection and has a command begin to use it.
    pub(super) async fn begin_transfer(
        &mut self,
        attempt: &mut Attempt<'_>,
        command: &Command,
        step: Step,
    ) -> Result<(Reply, Stream), Failure<Fault>> {
        let port = self.passive_port(attempt).await?;
        let data = connect(attempt, port).await?;
        Ok((self.ask_patiently(attempt, step, command).await?, data))
    }

    /// Hears what the server says once the data are over.
    async fn hear_completion(&mut self, attempt: &mut Attempt<'_>, step: Step) -> Result<(), Failure<Fault>> {
        let last = self.hear_past(attempt, step, Reply::is_preliminary).await?;
        self.judge_completion(attempt, step, &last)
    }

    /// Only 226 and 250 say that a transfer is complete (RFC 959 section 5.4).
    pub(super) fn judge_completion(
        &self,
        attempt: &Attempt<'_>,
        step: Step,
        reply: &Reply,
    ) -> Result<(), Failure<Fault>> {
        if matches!(reply.code, 226 | 250) { Ok(()) } else { Err(self.no_transfer(attempt, step, reply)) }
    }

    /// Asks the server to listen for a data connection.
    async fn passive_port(&mut self, attempt: &mut Attempt<'_>) -> Result<u16, Failure<Fault>> {
        if self.manners.epsv {
            let extended = self.ask_or_end(attempt, Step::Epsv, &Command::new("EPSV")).await?;
            if extended.code == 229 {
                return of_epsv(extended.last()).ok_or_else(|| unreadable(attempt, Step::Epsv, &extended));
            }
        }
        let passive = self.ask_for(attempt, Step::Pasv, &Command::new("PASV"), &[227]).await?;
        of_pasv(passive.last()).ok_or_else(|| unreadable(attempt, Step::Pasv, &passive))
    }

    pub(super) async fn encrypt_data(
        &mut self,
        attempt: &mut Attempt<'_>,
        data: Stream,
    ) -> Result<Stream, Failure<Fault>> {
        let Some(session) = &self.session else { return Ok(data) };
        let Some(wire) = data.into_wire() else { unreachable!("a data connection begins in clear") };
        let begun = attempt.enter(Phase::Transfer);
        let encrypted = attempt.encrypt_beside(session, wire).await;
        attempt.leave(Phase::Transfer, begun);
        encrypted.map_err(|failure| failure.map(Fault::OnData))
    }

    /// Reads to the end of the data, with an ear on the control connection: a server that gives the transfer up there
    /// may leave the data connection open.
    async fn read_all<S: Sink>(
        &mut self,
        attempt: &mut Attempt<'_>,
        data: &mut Stream,
        sink: &mut S,
        count: &mut u64,
    ) -> Result<End<S::Error>, Failure<Fault>> {
        let begun = attempt.enter(Phase::Transfer);
        let until_a_no = async {
            tokio::select! {
                biased;
                end = read_to_end(data, sink, count) => Some(end),
                () = self.dialogue.overhear_no() => None,
            }
        };
        let end = match attempt.within(until_a_no).await {
            Some(Some(end)) => Some(end),
            Some(None) => {
                Some(attempt.within_pause(GRACE, read_to_end(data, sink, count)).await.unwrap_or(End::Complete))
            }
            None => None,
        };
        // Some servers say that the transfer is complete only when this side has ended the data connection too.
        let _ = attempt.within(data.end()).await;
        attempt.leave(Phase::Transfer, begun);
        let late = || Failure::new(Data::TimedOut, format!("the data were not complete in time; {count} bytes came"));
        end.ok_or_else(|| late().map(Fault::Data))
    }

    /// The failure of a transfer that the server refuses or gives up.
    pub(super) fn no_transfer(&self, attempt: &Attempt<'_>, step: Step, reply: &Reply) -> Failure<Fault> {
        let fault = match reply.code {
            425 => Fault::Data(Data::NotOpened),
            // Before the data connection had its turn it is a refusal like any other.
            522 if step == Step::Stored => Fault::Data(Data::StoreNotResumed),
            522 if step == Step::Completion => Fault::Data(Data::NotResumed),
            _ => return self.refused(attempt, step, reply),
        };
        Failure { fault, ..self.refused(attempt, step, reply) }
    }
}

async fn read_to_end<S: Sink>(data: &mut Stream, sink: &mut S, count: &mut u64) -> End<S::Error> {
    loop {
        let mut block = BytesMut::with_capacity(BLOCK);
        match data.read_buf(&mut block).await {
            Ok(0) => return End::Complete,
            Ok(read) => *count += read as u64,
            Err(error) => return End::Broken(error),
        }
        if let Err(error) = sink.take(block.freeze()).await {
            return End::Full(error);
        }
    }
}

/// Connects to the port, at the address of the control connection.
async fn connect(attempt: &mut Attempt<'_>, port: u16) -> Result<Stream, Failure<Fault>> {
    let begun = attempt.enter(Phase::Transfer);
    let connected = attempt.connect_beside(port).await;
    attempt.leave(Phase::Transfer, begun);
    connected.map_err(|failure| failure.map(Fault::OnData))
}

/// A passive reply whose port cannot be read.
fn unreadable(attempt: &Attempt<'_>, step: Step, reply: &Reply) -> Failure<Fault> {
    let said = show(&attempt.conditions.secrets, reply.last());
    let fault = Fault::Control(dialogue::Fault::At(step, Cause::Malformed));
    Failure::new(fault, format!("no port can be read in {said}"))
}

/// Whether TLS ended without `close_notify`.
pub(super) fn is_truncation(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::UnexpectedEof
}

/// The failure of a data connection that broke.
fn broken_off(attempt: &mut Attempt<'_>, data: &Stream, error: &io::Error, count: u64) -> Failure<Fault> {
    // A refusal of the client certificate that TLS 1.3 delivers after the handshake is one of TLS.
    if count == 0
        && let Some(failure) = attempt.client_certificate_failure(&data.tap())
    {
        return failure.map(Fault::OnData);
    }
    let broken = Broken::of(error);
    let breakage = data.tap().tls_breakage(&attempt.conditions.secrets);
    let (fault, what) = if broken.is_reset() {
        (Data::Reset, "the peer reset the data connection".to_owned())
    } else if is_truncation(error) {
        (Data::Truncated, "TLS ended without close_notify on the data connection".to_owned())
    } else if let Some(breakage) = breakage {
        (Data::TlsBroken, format!("TLS broke on the data connection ({breakage})"))
    } else {
        (Data::Broken, format!("the data connection failed: {error}"))
    };
    Failure::new(Fault::Data(fault), format!("{what} after {count} bytes")).with_errno(broken.errno)
}
