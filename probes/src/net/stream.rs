//! The open connection and the tap on it: who wrote and read what, and when.
//!
//! Two levels are tapped. The *wire* is what TCP carried, TLS records included; the *application* is what the
//! protocol above said and heard. The records outlive the stream, so that a library that owned it cannot hide why
//! it ended, and the acknowledged bytes can be asked for at any time.

mod end;
mod tap;

use std::io;
use std::net::Shutdown;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::net::tls::Flight;

pub(crate) use tap::{Broken, Record, Tap, show};

/// A TCP connection whose wire is tapped.
///
/// Writing to a connection that the peer has torn down succeeds here and goes nowhere: what the peer said before it
/// tore down (a response, an alert) is still there to be read, and decides. The record keeps the tear.
#[derive(Debug)]
pub(crate) struct Wire {
    socket: Arc<TcpStream>,
    record: Arc<Mutex<Record>>,
    /// Data were read since the reader last had to wait: it has not acted on them yet.
    fresh: bool,
    /// A reset that was met behind fresh data, kept until the reader has acted on those.
    reset: bool,
    /// What a server says before its handshake is encrypted, where somebody wants to know.
    flight: Option<Arc<Mutex<Flight>>>,
}

impl Wire {
    /// `reset` says that the kernel has told of a reset already, which it does once.
    pub(crate) fn new(socket: TcpStream, reset: bool) -> Self {
        let errno = Some(libc::ECONNRESET);
        let torn = reset.then_some(Broken { errno, kind: io::ErrorKind::ConnectionReset, tls: None });
        let record = Record { write_error: torn, ..Record::default() };
        Self {
            socket: Arc::new(socket),
            record: Arc::new(Mutex::new(record)),
            fresh: false,
            reset: false,
            flight: None,
        }
    }

    /// The same connection, of which the beginning of a handshake is watched.
    pub(crate) fn watched(mut self, flight: Arc<Mutex<Flight>>) -> Self {
        self.flight = Some(flight);
        self
    }

    /// Ends the watch.
    pub(crate) fn unwatch(&mut self) {
        self.flight = None;
    }

    fn is_torn(&self) -> bool {
        self.record().write_error.as_ref().is_some_and(Broken::is_reset)
    }

    /// What was carried so far.
    pub(crate) fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let result = loop {
            if self.reset {
                break Err(io::ErrorKind::ConnectionReset.into());
            }
            match self.socket.poll_read_ready(context) {
                Poll::Pending => {
                    self.fresh = false;
                    return Poll::Pending;
                }
                Poll::Ready(Err(error)) => break Err(error),
                Poll::Ready(Ok(())) => {}
            }
            match self.socket.try_read(buffer.initialize_unfilled()) {
                // The kernel told the writer of the reset, and says end to the reader.
                Ok(0) if self.is_torn() => break Err(io::ErrorKind::ConnectionReset.into()),
                Ok(count) => {
                    buffer.advance(count);
                    break Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => break Err(error),
            }
        };
        // A reset may wait right behind the last flight of a handshake, which rustls reads to the end before it looks at
        // what it has: whether the handshake was over must not hang on that.
        if self.fresh && result.as_ref().is_err_and(|error| Broken::of(error).is_reset()) {
            self.reset = true;
            self.fresh = false;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.fresh = buffer.filled().len() > before;
        if let Some(flight) = &self.flight {
            flight.lock().unwrap_or_else(PoisonError::into_inner).read(&buffer.filled()[before..]);
        }
        self.record().note_read(&result, &buffer.filled()[before..]);
        Poll::Ready(result)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.is_torn() {
            return Poll::Ready(Ok(bytes.len()));
        }
        let result = loop {
            match self.socket.poll_write_ready(context) {
                Poll::Pending => break Poll::Pending,
                Poll::Ready(Err(error)) => break Poll::Ready(Err(error)),
                Poll::Ready(Ok(())) => {}
            }
            match self.socket.try_write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => break Poll::Ready(done),
            }
        };
        self.record().note_write(&result);
        if self.is_torn() {
            return Poll::Ready(Ok(bytes.len()));
        }
        result
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// The end goes out when the socket is closed, right after the exchange; a call to the kernel is saved.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[derive(Debug)]
enum Transport {
    Plain(Wire),
    Tls(Box<TlsStream<Wire>>),
    /// TLS whose end is looked after by somebody else, when the stream is gone.
    Kept(Kept),
}

/// A TLS connection that outlives the library it was lent to.
type Kept = Arc<Mutex<TlsStream<Wire>>>;

/// What is lent is polled by one task at a time: nobody ever waits here.
fn lock(kept: &Kept) -> MutexGuard<'_, TlsStream<Wire>> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A connection as the protocols use it, clear or encrypted, tapped on both levels.
#[derive(Debug)]
pub(crate) struct Stream {
    transport: Transport,
    tap: Tap,
    /// Reads wait for the first write: hyper takes an answer that is there before the question for an error.
    asks_first: bool,
    reader: Option<Waker>,
    alpn: Option<Vec<u8>>,
}

impl Stream {
    pub(crate) fn plain(wire: Wire) -> Self {
        let tap = Tap::on(&wire);
        Self { transport: Transport::Plain(wire), tap, asks_first: false, reader: None, alpn: None }
    }

    /// An encrypted connection; one that is kept can be ended in order by [`Tap::end_tls`] when the stream is gone.
    pub(crate) fn tls(stream: TlsStream<Wire>, keep: bool) -> Self {
        let (wire, session) = stream.get_ref();
        let alpn = session.alpn_protocol().map(<[u8]>::to_vec);
        let mut tap = Tap::on(wire);
        let transport = if keep {
            let kept = Arc::new(Mutex::new(stream));
            tap.kept = Some(kept.clone());
            Transport::Kept(kept)
        } else {
            Transport::Tls(Box::new(stream))
        };
        Self { transport, tap, asks_first: false, reader: None, alpn }
    }

    /// The clear connection below, to be encrypted from now on; `None` if it already is.
    pub(crate) fn into_wire(self) -> Option<Wire> {
        match self.transport {
            Transport::Plain(wire) => Some(wire),
            Transport::Tls(_) | Transport::Kept(_) => None,
        }
    }

    /// The same connection, from which nothing is read before something was written.
    pub(crate) fn asking_first(mut self) -> Self {
        self.asks_first = true;
        self
    }

    /// A handle on the records, valid after the stream is gone.
    pub(crate) fn tap(&self) -> Tap {
        self.tap.clone()
    }

    /// Says that nothing more will be sent, by `close_notify` where there is TLS and then FIN: for peers that wait for it.
    pub(crate) async fn end(&mut self) -> io::Result<()> {
        self.shutdown().await?;
        SockRef::from(self.tap.socket.as_ref()).shutdown(Shutdown::Write)
    }

    /// Where the head of a message ends that is to be told apart from the rest.
    fn end_of_head(&self, bytes: &[u8]) -> Option<usize> {
        let record = self.tap.application();
        let wanted = record.marks_head && record.head_end.is_none();
        wanted.then(|| memchr::memmem::find(bytes, b"\r\n\r\n").map(|at| at + 4)).flatten()
    }

    /// Whether the connection is encrypted.
    pub(crate) const fn is_tls(&self) -> bool {
        matches!(self.transport, Transport::Tls(_) | Transport::Kept(_))
    }

    /// The application protocol that TLS agreed on.
    pub(crate) fn alpn(&self) -> Option<&[u8]> {
        self.alpn.as_deref()
    }
}

/// This much is read at once, so that a flood that is cheap to send and dear to read (chunk sizes, interim responses)
/// cannot keep a reader from its deadline: the runtime counts the reads.
const STEP: usize = 16 * 1024;

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.asks_first {
            self.reader = Some(context.waker().clone());
            return Poll::Pending;
        }
        let room = self.tap.application().room;
        if room == Some(0) {
            return Poll::Ready(Err(io::ErrorKind::FileTooLarge.into()));
        }
        let most = room.unwrap_or(STEP).min(STEP).min(buffer.remaining());
        let mut part = ReadBuf::new(buffer.initialize_unfilled_to(most));
        let result = ready!(match &mut self.transport {
            Transport::Plain(wire) => Pin::new(wire).poll_read(context, &mut part),
            Transport::Tls(stream) => Pin::new(stream.as_mut()).poll_read(context, &mut part),
            Transport::Kept(stream) => Pin::new(&mut *lock(stream)).poll_read(context, &mut part),
        });
        let count = part.filled().len();
        let mut record = self.tap.application();
        record.note_read(&result, part.filled());
        record.room = room.map(|room| room - count);
        drop(record);
        buffer.advance(count);
        Poll::Ready(result)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let head = self.end_of_head(bytes);
        let bytes = &bytes[..head.unwrap_or(bytes.len())];
        let result = match &mut self.transport {
            Transport::Plain(wire) => Pin::new(wire).poll_write(context, bytes),
            Transport::Tls(stream) => Pin::new(stream.as_mut()).poll_write(context, bytes),
            Transport::Kept(stream) => Pin::new(&mut *lock(stream)).poll_write(context, bytes),
        };
        self.tap.application().note_write(&result);
        if let (Some(end), Poll::Ready(Ok(written))) = (head, &result)
            && end == *written
        {
            let sent = self.tap.wire().sent;
            self.tap.application().head_end = Some(sent);
        }
        if result.is_ready() {
            self.asks_first = false;
            self.reader.take().into_iter().for_each(Waker::wake);
        }
        result
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.transport {
            Transport::Plain(wire) => Pin::new(wire).poll_flush(context),
            Transport::Tls(stream) => Pin::new(stream.as_mut()).poll_flush(context),
            Transport::Kept(stream) => Pin::new(&mut *lock(stream)).poll_flush(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.transport {
            Transport::Plain(wire) => Pin::new(wire).poll_shutdown(context),
            Transport::Tls(stream) => Pin::new(stream.as_mut()).poll_shutdown(context),
            Transport::Kept(stream) => Pin::new(&mut *lock(stream)).poll_shutdown(context),
        }
    }
}
