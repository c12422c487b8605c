//! One connection of a peer, clear or encrypted, with everything heard on it kept.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// What one connection heard, and what went against its script.
#[derive(Debug, Default)]
pub struct Heard {
    /// Every byte that came, in clear.
    pub bytes: Vec<u8>,
    /// What the script waited for and did not get.
    pub trouble: Option<String>,
}

/// The record of one connection, shared with the one who judges.
pub type Record = Arc<Mutex<Heard>>;

enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    Gone,
}

/// One connection of a peer.
pub struct Wire {
    stream: Stream,
    unread: Vec<u8>,
    record: Record,
}

impl Wire {
    /// A connection in clear.
    pub fn new(stream: TcpStream, record: Record) -> Self {
        // A script's `say` is one segment: what it splits, the agent must meet split.
        let _ = stream.set_nodelay(true);
        Self { stream: Stream::Plain(stream), unread: Vec::new(), record }
    }

    /// Shakes hands as a TLS server.
    pub async fn encrypt(&mut self, acceptor: &TlsAcceptor) -> io::Result<()> {
        match std::mem::replace(&mut self.stream, Stream::Gone) {
            Stream::Plain(stream) => match acceptor.accept(stream).into_fallible().await {
                Ok(stream) => {
                    self.stream = Stream::Tls(Box::new(stream));
                    Ok(())
                }
                Err((error, stream)) => {
                    // The alert must arrive: dropped with bytes unread, the connection would end by a reset instead.
                    self.stream = Stream::Plain(stream);
                    self.close().await;
                    self.drain().await;
                    Err(error)
                }
            },
            Stream::Tls(_) | Stream::Gone => Err(io::Error::other("TLS twice on one connection")),
        }
    }

    /// Everything heard so far.
    pub fn heard(&self) -> String {
        String::from_utf8_lossy(&self.record.lock().unwrap_or_else(PoisonError::into_inner).bytes).into_owned()
    }

    /// Sends bytes, all of them.
    pub async fn say(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.stream {
            Stream::Plain(stream) => stream.write_all(bytes).await,
            Stream::Tls(stream) => {
                stream.write_all(bytes).await?;
                stream.flush().await
            }
            Stream::Gone => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Sends bytes past TLS, straight to the connection below it.
    pub async fn say_below_tls(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.stream {
            Stream::Plain(stream) => stream.write_all(bytes).await,
            Stream::Tls(stream) => stream.get_mut().0.write_all(bytes).await,
            Stream::Gone => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Waits for bytes; 0 is the end of the connection.
    pub async fn hear(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if !self.unread.is_empty() {
            let count = buffer.len().min(self.unread.len());
            buffer[..count].copy_from_slice(&self.unread[..count]);
            self.unread.drain(..count);
            return Ok(count);
        }
        let count = match &mut self.stream {
            Stream::Plain(stream) => stream.read(buffer).await?,
            Stream::Tls(stream) => stream.read(buffer).await?,
            Stream::Gone => 0,
        };
        self.record.lock().unwrap_or_else(PoisonError::into_inner).bytes.extend_from_slice(&buffer[..count]);
        Ok(count)
    }

    /// Waits until what came satisfies `end`, which says how many of the bytes belong to it.
    pub async fn hear_until(&mut self, end: impl Fn(&[u8]) -> Option<usize>) -> io::Result<Vec<u8>> {
        let mut got = Vec::new();
        let mut buffer = vec![0; 16 * 1024];
        loop {
            if let Some(length) = end(&got) {
                self.unread.splice(..0, got.split_off(length));
                return Ok(got);
            }
            match self.hear(&mut buffer).await? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => got.extend_from_slice(&buffer[..count]),
            }
        }
    }

    /// Reads and drops whatever still comes, until the other side ends.
    pub async fn drain(&mut self) {
        let mut buffer = vec![0; 16 * 1024];
        while matches!(self.hear(&mut buffer).await, Ok(1..)) {}
    }

    /// Ends the sending side in order: `close_notify` where there is TLS, then FIN.
    pub async fn close(&mut self) {
        let _ = match &mut self.stream {
            Stream::Plain(stream) => stream.shutdown().await,
            Stream::Tls(stream) => stream.shutdown().await,
            Stream::Gone => Ok(()),
        };
    }

    /// Ends the sending side with FIN alone, without `close_notify`.
    pub async fn cut(&mut self) {
        let _ = match &mut self.stream {
            Stream::Plain(stream) => stream.shutdown().await,
            Stream::Tls(stream) => stream.get_mut().0.shutdown().await,
            Stream::Gone => Ok(()),
        };
    }

    /// Resets the connection.
    pub fn reset(&mut self) {
        match std::mem::replace(&mut self.stream, Stream::Gone) {
            Stream::Plain(stream) => drop(stream.set_zero_linger()),
            Stream::Tls(stream) => drop(stream.get_ref().0.set_zero_linger()),
            Stream::Gone => {}
        }
    }

    /// Passes bytes both ways between this connection and another one, until both ended.
    pub async fn join(&mut self, other: &mut TcpStream) {
        let _ = match &mut self.stream {
            Stream::Plain(stream) => tokio::io::copy_bidirectional(stream, other).await,
            Stream::Tls(stream) => tokio::io::copy_bidirectional(stream.as_mut(), other).await,
            Stream::Gone => Ok((0, 0)),
        };
    }

    /// Notes what went against the script.
    pub fn note(&self, trouble: String) {
        self.record.lock().unwrap_or_else(PoisonError::into_inner).trouble.get_or_insert(trouble);
    }
}
