//! The storing half of FTP's data connections: STOR and what the server says to it.
//!
//! What was handed to the kernel is not stored yet: the peer's TCP has to have it, and 226 or 250 has to say so.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead as _, AsyncReadExt as _, AsyncWrite as _, ReadBuf};
use tokio::sync::mpsc;

use super::data::{GRACE, is_truncation};
use super::{Control, Data, Fault, Step};
use crate::dialogue::{Command, Reply};
use crate::fault::Failure;
use crate::net::Attempt;
use crate::net::stream::{Broken, Stream};
use crate::phases::Phase;

/// How often acknowledgements are looked at.
const SHORT: Duration = Duration::from_millis(2);

/// What is to be stored, piece by piece.
pub(crate) type Pieces = mpsc::Receiver<io::Result<Bytes>>;

impl Control {
    /// Has a command take data, and sends it all there is.
    pub(crate) async fn send(
        &mut self,
        attempt: &mut Attempt<'_>,
        command: &Command,
        pieces: &mut Pieces,
    ) -> Result<u64, Failure<Fault>> {
        let data = match self.begin_transfer(attempt, command, Step::Stor).await? {
            (first, data) if first.is_preliminary() => data,
            (first, _) => return Err(self.no_transfer(attempt, Step::Stor, &first)),
        };
        let mut data = self.encrypt_data(attempt, data).await?;
        let stored = self.store(attempt, &mut data, pieces).await;
        if let Ok(count) = stored {
            let ended = attempt.end_tls_in(Phase::Transfer, &data.tap()).await;
            return ended.map(|()| count).map_err(|failure| failure.map(Fault::OnData));
        }
        // A refusal of the client certificate, which TLS 1.3 delivers behind the handshake, explains whatever followed.
        overhear(&mut data).await;
        match attempt.client_certificate_failure(&data.tap()) {
            Some(refused) => Err(refused.map(Fault::OnData)),
            None => stored,
        }
    }

    /// Sends what is to be stored over the open data connection, and hears what the server says to it.
    async fn store(
        &mut self,
        attempt: &mut Attempt<'_>,
        data: &mut Stream,
        pieces: &mut Pieces,
    ) -> Result<u64, Failure<Fault>> {
        let mut count = 0;
        let error = match self.write_all(attempt, data, pieces, &mut count).await? {
            Ok(()) => match self.hear_of_data(attempt, data).await {
                Heard::Reply(reply) => {
                    self.judge_completion(attempt, Step::Stored, &reply?)?;
                    return settle(attempt, data, count).await;
                }
                Heard::Broken(error) => error,
                Heard::Denied(error) => return Err(torn_off(&error, count)),
            },
            Err(error) => error,
        };
        // What the server has to say of it is worth more than that it hung up.
        let run = attempt.shorten(GRACE);
        let last = self.hear_past(attempt, Step::Stored, Reply::is_preliminary).await;
        attempt.lengthen(run);
        match last {
            Ok(reply) if reply.code >= 400 => Err(self.no_transfer(attempt, Step::Stored, &reply)),
            Ok(_) | Err(_) => Err(torn_off(&error, count)),
        }
    }

    /// Hears the reply after a stored file, with an eye on the data connection: a server that tears it down has not taken
    /// what was sent.
    async fn hear_of_data(&mut self, attempt: &mut Attempt<'_>, data: &mut Stream) -> Heard {
        let tap = data.tap();
        let torn = async {
            let mut block = [0; 512];
            loop {
                match data.read(&mut block).await {
                    Ok(0) => std::future::pending().await,
                    Ok(_) => {}
                    // An end without close_notify is an end.
                    Err(error) if is_truncation(&error) => std::future::pending().await,
                    Err(error) => return error,
                }
            }
        };
        let heard = tokio::select! {
            biased;
            error = torn => Err(error),
            reply = self.hear_past(attempt, Step::Stored, Reply::is_preliminary) => Ok(reply),
        };
        match heard {
            Err(error) => Heard::Broken(error),
            // The reset may have come with the reply.
            Ok(Ok(reply)) if matches!(reply.code, 226 | 250) => match tap.take_error() {
                Some(error) if Broken::of(&error).is_reset() => Heard::Denied(error),
                _ => Heard::Reply(Ok(reply)),
            },
            Ok(reply) => Heard::Reply(reply),
        }
    }

    /// Sends everything, with an ear on the control connection, and ends the data connection, which is the end of the
    /// file.
    async fn write_all(
        &mut self,
        attempt: &mut Attempt<'_>,
        data: &mut Stream,
        pieces: &mut Pieces,
        count: &mut u64,
    ) -> Result<io::Result<()>, Failure<Fault>> {
        let begun = attempt.enter(Phase::Transfer);
        let until_a_no = async {
            tokio::select! {
                biased;
                () = self.dialogue.overhear_no() => None,
                end = write_to_end(data, pieces, count) => Some(end),
            }
        };
        let end = attempt.within(until_a_no).await;
        attempt.leave(Phase::Transfer, begun);
        let failure = |fault: Data, detail: String| Err(Failure::new(Fault::Data(fault), detail));
        match end {
            Some(Some(Written::All) | None) => Ok(Ok(())),
            Some(Some(Written::Broken(error))) => Ok(Err(error)),
            Some(Some(Written::NoSource(why))) => {
                failure(Data::Source, format!("what was to be stored cannot be read to its end: {why}"))
            }
            None => failure(Data::Unsent, format!("the data were not taken in time; {count} bytes went out")),
        }
    }
}

/// What came behind the last byte of a stored file.
enum Heard {
    /// A reply, or what became of it.
    Reply(Result<Reply, Failure<Fault>>),
    /// The end of the data connection before its time.
    Broken(io::Error),
    /// The same, with a reply that says that all is well.
    Denied(io::Error),
}

/// Writes a piece, with an ear on what the peer says meanwhile: an alert may be all there is to know of a refusal.
async fn write_piece(data: &mut Stream, piece: &[u8]) -> io::Result<()> {
    let mut from = 0;
    while from < piece.len() {
        let wrote = poll_fn(|context| match Pin::new(&mut *data).poll_write(context, &piece[from..]) {
            Poll::Pending => poll_broken(data, context).map(Err),
            wrote @ Poll::Ready(_) => wrote,
        });
        from += wrote.await?;
    }
    match overhear(data).await {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

/// Waits until the peer's TCP has what the server says it has: the end of the data is acknowledged at once, but a server
/// may read slowly behind its reply.
async fn settle(attempt: &mut Attempt<'_>, data: &mut Stream, count: u64) -> Result<u64, Failure<Fault>> {
    let tap = data.tap();
    let begun = attempt.enter(Phase::Transfer);
    let arrived = async {
        while tap.unacknowledged(tap.wire().sent).is_some() {
            if let Some(error) = overhear(data).await {
                return Err(torn_off(&error, count));
            }
            tokio::time::sleep(SHORT).await;
        }
        Ok(count)
    };
    let settled = attempt.within(arrived).await;
    attempt.leave(Phase::Transfer, begun);
    settled.unwrap_or_else(|| {
        let bytes = tap.bytes();
        let (acked, sent) = (bytes.acked, bytes.sent);
        let detail = format!("the server says that it has the file, and acknowledged {acked} of {sent} bytes");
        Err(Failure::new(Fault::Data(Data::Unsent), detail))
    })
}

/// Why a data connection broke that is written to, if it has: what has come is looked at, and nothing waited for.
async fn overhear(data: &mut Stream) -> Option<io::Error> {
    poll_fn(|context| match poll_broken(data, context) {
        Poll::Ready(error) => Poll::Ready(Some(error)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// Reads past what has come on a data connection that is written to; ready with the reason if it broke.
fn poll_broken(data: &mut Stream, context: &mut Context<'_>) -> Poll<io::Error> {
    /// Who says more than this at a time is not listened to any further.
    const MOST: usize = 16;
    let mut block = [0; 512];
    for _ in 0..MOST {
        let mut part = ReadBuf::new(&mut block);
        match ready!(Pin::new(&mut *data).poll_read(context, &mut part)) {
            Ok(()) if part.filled().is_empty() => break,
            Ok(()) => {}
            // An end without close_notify is an end.
            Err(error) if is_truncation(&error) => break,
            Err(error) => return Poll::Ready(error),
        }
    }
    Poll::Pending
}

/// The failure of a data connection that the peer tore down under a file to be stored.
fn torn_off(error: &io::Error, count: u64) -> Failure<Fault> {
    let broken = Broken::of(error);
    let what = match (&broken.tls, broken.is_reset()) {
        (Some(tls), _) => format!("TLS broke on the data connection ({tls})"),
        (None, true) => "the peer reset the data connection".to_owned(),
        (None, false) => format!("the data connection failed: {error}"),
    };
    let fault = if broken.is_reset() { Data::Reset } else { Data::StoreBroken };
    let errno = broken.errno.or(broken.is_reset().then_some(libc::ECONNRESET));
    Failure::new(Fault::Data(fault), format!("{what}; {count} bytes had been handed over")).with_errno(errno)
}

/// How sending ended.
enum Written {
    All,
    Broken(io::Error),
    /// What was to be sent could not be had.
    NoSource(io::Error),
}

async fn write_to_end(data: &mut Stream, pieces: &mut Pieces, count: &mut u64) -> Written {
    while let Some(piece) = pieces.recv().await {
        let piece = match piece {
            Ok(piece) => piece,
            Err(error) => return Written::NoSource(error),
        };
        if let Err(error) = write_piece(data, &piece).await {
            return Written::Broken(error);
        }
        // Writing to a connection that the peer tore down goes on into nothing.
        if data.tap().is_torn() {
            return Written::Broken(overhear(data).await.unwrap_or(io::ErrorKind::ConnectionReset.into()));
        }
        *count += piece.len() as u64;
    }
    match data.end().await {
        Ok(()) => Written::All,
        Err(error) => Written::Broken(error),
    }
}
