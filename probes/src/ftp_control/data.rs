//! A data connection that one command fills: passive mode, the command, TLS, the bytes, the reply after them.
//!
//! A reset of the data connection decides, whatever the control connection says next; otherwise the control connection
//! does, and only then the number of bytes. The bytes are counted and not kept.

use std::io;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;

use super::port::{of_epsv, of_pasv};
use super::{Control, Data, Fault, Step, control};
use crate::dialogue::{self, Cause, Command, Reply};
use crate::fault::Failure;
use crate::net::Attempt;
use crate::net::stream::{Broken, Stream, show};
use crate::phases::Phase;

/// How long the data may still take once the server has given the transfer up.
const GRACE: Duration = Duration::from_secs(1);

/// This much is read at once; connections hand over no more.
const BLOCK: usize = 16 * 1024;

impl Control {
    /// Has a command send its data, and counts them.
    pub(crate) async fn receive(
        &mut self,
        attempt: &mut Attempt<'_>,
        step: Step,
        command: &Command,
    ) -> Result<u64, Failure<Fault>> {
        let port = self.passive_port(attempt).await?;
        let data = connect(attempt, port).await?;
        let first = self.dialogue.ask(attempt, step, command).await.map_err(control)?;
        if !first.is_preliminary() {
            return Err(self.no_transfer(attempt, step, &first));
        }
        let mut data = self.encrypt_data(attempt, data).await?;
        let mut count = 0;
        let end = self.read_all(attempt, &mut data, &mut count).await?;
        tracing::debug!(target: "conversation", "* {count} bytes of data");
        if let Err(error) = &end
            && !is_truncation(error)
        {
            return Err(broken_off(attempt, &data, error, count));
        }
        let last = self.hear_past(attempt, Step::Completion, Reply::is_preliminary).await?;
        // Any other completion answers something else (RFC 959 section 5.4).
        if !matches!(last.code, 226 | 250) {
            return Err(self.no_transfer(attempt, Step::Completion, &last));
        }
        match end {
            Ok(()) => Ok(count),
            Err(error) => Err(broken_off(attempt, &data, &error, count)),
        }
    }

    /// Asks the server to listen for a data connection.
    async fn passive_port(&mut self, attempt: &mut Attempt<'_>) -> Result<u16, Failure<Fault>> {
        let extended = self.ask_or_end(attempt, Step::Epsv, &Command::new("EPSV")).await?;
        if extended.code == 229 {
            return of_epsv(extended.last()).ok_or_else(|| unreadable(attempt, Step::Epsv, &extended));
        }
        let passive = self.ask_for(attempt, Step::Pasv, &Command::new("PASV"), &[227]).await?;
        of_pasv(passive.last()).ok_or_else(|| unreadable(attempt, Step::Pasv, &passive))
    }

    async fn encrypt_data(&mut self, attempt: &mut Attempt<'_>, data: Stream) -> Result<Stream, Failure<Fault>> {
        let Some(session) = &self.session else { return Ok(data) };
        let Some(wire) = data.into_wire() else { unreachable!("a data connection begins in clear") };
        let begun = attempt.enter(Phase::Transfer);
        let encrypted = attempt.encrypt_beside(session, wire).await;
        attempt.leave(Phase::Transfer, begun);
        encrypted.map_err(|failure| failure.map(Fault::OnData))
    }

    /// Reads to the end of the data, with an ear on the control connection: a server that gives the transfer up there
    /// may leave the data connection open.
    async fn read_all(
        &mut self,
        attempt: &mut Attempt<'_>,
        data: &mut Stream,
        count: &mut u64,
    ) -> Result<io::Result<()>, Failure<Fault>> {
        let begun = attempt.enter(Phase::Transfer);
        let until_a_no = async {
            tokio::select! {
                biased;
                end = read_to_end(data, count) => Some(end),
                () = self.dialogue.overhear_no() => None,
            }
        };
        let end = match attempt.within(until_a_no).await {
            Some(Some(end)) => Some(end),
            Some(None) => Some(attempt.within_pause(GRACE, read_to_end(data, count)).await.unwrap_or(Ok(()))),
            None => None,
        };
        // Some servers say that the transfer is complete only when this side has ended the data connection too.
        let _ = attempt.within(data.end()).await;
        attempt.leave(Phase::Transfer, begun);
        let late = || Failure::new(Data::TimedOut, format!("the data were not complete in time; {count} bytes came"));
        end.ok_or_else(|| late().map(Fault::Data))
    }

    /// The failure of a transfer that the server refuses or gives up.
    fn no_transfer(&self, attempt: &Attempt<'_>, step: Step, reply: &Reply) -> Failure<Fault> {
        let fault = match reply.code {
            425 => Fault::Data(Data::NotOpened),
            522 => Fault::Data(Data::NotResumed),
            _ => return self.refused(attempt, step, reply),
        };
        Failure { fault, ..self.refused(attempt, step, reply) }
    }
}

async fn read_to_end(data: &mut Stream, count: &mut u64) -> io::Result<()> {
    let mut block = vec![0; BLOCK];
    loop {
        match data.read(&mut block).await? {
            0 => return Ok(()),
            read => *count += read as u64,
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
fn is_truncation(error: &io::Error) -> bool {
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
