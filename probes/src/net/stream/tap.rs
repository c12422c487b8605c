//! What a connection carried, on the wire and above it, and what that says when it breaks.

use std::io;
use std::mem::MaybeUninit;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Instant;

use socket2::SockRef;
use tokio::net::TcpStream;

use super::{Kept, Wire};
use crate::fault::{self, Failure};
use crate::net::sys;
use crate::secret::Secrets;

/// How many of the first bytes received are kept to show what spoke.
const FIRST_BYTES: usize = 64;

/// How many of the last bytes received are kept: enough for the records of TLS that clear text may stand behind.
const LAST_BYTES: usize = 1024;

/// What one level of a connection carried.
#[derive(Debug, Default)]
pub(crate) struct Record {
    /// Bytes written.
    pub(crate) sent: u64,
    /// Bytes read.
    pub(crate) received: u64,
    /// When the last write was taken.
    pub(crate) last_write: Option<Instant>,
    /// When the first byte was read.
    pub(crate) first_read: Option<Instant>,
    /// When the last bytes were read.
    pub(crate) last_read: Option<Instant>,
    /// The beginning of what was read.
    pub(crate) first_bytes: Vec<u8>,
    /// The beginning of what was read last: where TLS breaks, that is what broke it.
    pub(crate) last_bytes: Vec<u8>,
    /// Whether a write waits for the peer.
    pub(crate) write_pending: bool,
    /// Whether the peer ended the connection in order.
    pub(crate) ended: bool,
    /// Why reading failed.
    pub(crate) read_error: Option<Broken>,
    /// Why writing failed.
    pub(crate) write_error: Option<Broken>,
    /// How much may still be read before the answer gets on (its head, more of its body); no limit if absent.
    pub(crate) room: Option<usize>,
    /// Whether the first write is cut behind the head of a message, so that its arrival can be told from that of what
    /// follows it.
    pub(crate) marks_head: bool,
    /// How many bytes of the wire the head came to.
    pub(crate) head_end: Option<u64>,
}

/// Why a connection broke.
#[derive(Clone, Debug)]
pub(crate) struct Broken {
    /// The kernel's error number.
    pub(crate) errno: Option<i32>,
    /// The kind of the error.
    pub(crate) kind: io::ErrorKind,
    /// The TLS reason, where TLS broke.
    pub(crate) tls: Option<rustls::Error>,
}

impl Broken {
    pub(crate) fn of(error: &io::Error) -> Self {
        let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()).cloned();
        Self { errno: error.raw_os_error(), kind: error.kind(), tls }
    }

    /// Whether the peer tore the connection down instead of ending it.
    pub(crate) const fn is_reset(&self) -> bool {
        matches!(
            self.kind,
            io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe
        )
    }
}

impl Record {
    /// Begins the next exchange of the connection, which may have ended meanwhile.
    pub(crate) fn begin_anew(&mut self, room: usize, marks_head: bool) {
        let before = std::mem::take(self);
        let Self { ended, read_error, write_error, .. } = before;
        *self = Self { ended, read_error, write_error, room: Some(room), marks_head, ..Self::default() };
    }

    pub(super) fn note_read(&mut self, result: &io::Result<()>, bytes: &[u8]) {
        match result {
            Err(error) => self.read_error = Some(Broken::of(error)),
            Ok(()) if bytes.is_empty() => self.ended = true,
            Ok(()) => {
                let now = Instant::now();
                self.first_read.get_or_insert(now);
                self.last_read = Some(now);
                self.received += bytes.len() as u64;
                let room = FIRST_BYTES.saturating_sub(self.first_bytes.len());
                self.first_bytes.extend_from_slice(&bytes[..bytes.len().min(room)]);
                self.last_bytes.clear();
                self.last_bytes.extend_from_slice(&bytes[..bytes.len().min(LAST_BYTES)]);
            }
        }
    }

    pub(super) fn note_write(&mut self, result: &Poll<io::Result<usize>>) {
        self.write_pending = result.is_pending();
        match result {
            Poll::Ready(Ok(written)) => {
                self.sent += *written as u64;
                self.last_write = Some(Instant::now());
            }
            Poll::Ready(Err(error)) => self.write_error = Some(Broken::of(error)),
            Poll::Pending => {}
        }
    }

    /// The fault of an answer that did not come, or not to its end; `begun` says whether any of it came.
    pub(crate) fn receive_fault(&self, begun: bool) -> fault::Receive {
        use fault::Receive;
        let nothing = !begun;
        match &self.read_error {
            Some(broken) if broken.is_reset() && nothing => Receive::NothingReset,
            Some(broken) if broken.is_reset() => Receive::Reset,
            // TLS that ends without close_notify is an end all the same, but for answers that only the end delimits.
            Some(broken) if broken.kind == io::ErrorKind::UnexpectedEof && nothing => Receive::NothingClosed,
            Some(broken) if broken.kind == io::ErrorKind::UnexpectedEof => Receive::Closed,
            Some(_) => Receive::Other,
            None if self.ended && nothing => Receive::NothingClosed,
            None if self.ended => Receive::Closed,
            None if nothing => Receive::Silence,
            None => Receive::TimedOut,
        }
    }

    /// The fault of bytes that could not be sent.
    pub(crate) fn send_fault(&self) -> fault::Send {
        match self.write_error.as_ref().or(self.read_error.as_ref()) {
            Some(broken) if broken.is_reset() => fault::Send::Reset,
            Some(_) => fault::Send::Other,
            None => fault::Send::TimedOut,
        }
    }

    /// The kernel's error number behind the last failure.
    pub(crate) fn errno(&self) -> Option<i32> {
        self.read_error.as_ref().or(self.write_error.as_ref()).and_then(|broken| broken.errno)
    }
}

/// The two levels of a connection and the socket below, for as long as anyone asks.
#[derive(Clone, Debug)]
pub(crate) struct Tap {
    pub(super) socket: Arc<TcpStream>,
    pub(super) wire: Arc<Mutex<Record>>,
    pub(super) application: Arc<Mutex<Record>>,
    /// When the connection was up, or encrypted.
    pub(super) opened: Instant,
    /// The TLS connection, where its end is demanded.
    pub(super) kept: Option<Kept>,
}

impl Tap {
    pub(super) fn on(wire: &Wire) -> Self {
        let (socket, wire) = (wire.socket.clone(), wire.record.clone());
        Self { socket, wire, application: Arc::default(), opened: Instant::now(), kept: None }
    }

    /// What TCP carried.
    pub(crate) fn wire(&self) -> MutexGuard<'_, Record> {
        self.wire.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the protocol said and heard.
    pub(crate) fn application(&self) -> MutexGuard<'_, Record> {
        self.application.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When the protocol last said or heard something; else when the connection was up.
    pub(crate) fn last_moved(&self) -> Instant {
        let record = self.application();
        record.last_write.max(record.last_read).unwrap_or(self.opened)
    }

    /// Bytes of the wire that the peer's TCP has acknowledged; 0 where the kernel does not say.
    pub(crate) fn acknowledged(&self) -> u64 {
        sys::acknowledged(&*self.socket).unwrap_or(0)
    }

    /// The agent's own address on this connection.
    pub(crate) fn local_address(&self) -> Option<std::net::SocketAddr> {
        self.socket.local_addr().ok()
    }

    /// Looks at what has arrived without taking it. The kernel tells of a reset once, so it is noted here.
    pub(crate) async fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let seen = self.socket.peek(buffer).await;
        if let Err(error) = &seen {
            self.application().read_error = Some(Broken::of(error));
        }
        seen
    }

    /// Whether nothing has come that was not read yet, not even an end. Asks the kernel, without a turn of the runtime.
    pub(crate) fn is_quiet(&self) -> bool {
        let peeked = SockRef::from(self.socket.as_ref()).peek(&mut [MaybeUninit::uninit()]);
        peeked.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }

    /// The error the kernel holds for this socket, such as a reset that no read has met yet.
    pub(crate) fn take_error(&self) -> Option<io::Error> {
        self.socket.take_error().ok().flatten()
    }

    /// Whether the peer has torn the connection down under a write.
    pub(crate) fn is_torn(&self) -> bool {
        self.wire().write_error.as_ref().is_some_and(Broken::is_reset)
    }

    /// Why TLS broke, with what came in clear text in its place; `None` if something else did.
    pub(crate) fn tls_breakage(&self, secrets: &Secrets) -> Option<String> {
        let Some(Broken { tls: Some(error), .. }) = self.application().read_error.clone() else { return None };
        let wire = self.wire();
        Some(match wire.last_bytes.as_slice() {
            last if matches!(error, rustls::Error::InvalidMessage(_)) && is_text(behind_records(last)) => {
                let text = behind_records(last);
                let text = &text[..text.len().min(FIRST_BYTES)];
                format!("{error}; the peer sent {} in clear text", show(secrets, text))
            }
            _ => error.to_string(),
        })
    }

    /// The failure of silence after bytes that never arrived: what the peer's TCP has not acknowledged was not sent
    /// yet, whatever the kernel took. `None` if the first `count` bytes of the wire were acknowledged.
    pub(crate) fn unacknowledged(&self, count: u64) -> Option<Failure> {
        let acked = self.acknowledged();
        let detail = format!("{acked} of the {count} bytes sent were acknowledged by the peer in time");
        (acked < count).then(|| Failure::new(fault::Send::TimedOut, detail))
    }

    /// The failure of a connection that the peer tore down while it was sent to.
    pub(crate) fn torn_failure(&self) -> Failure {
        let bytes = self.bytes();
        let detail = format!(
            "the peer tore the connection down while it was sent to; {} of {} bytes were acknowledged",
            bytes.acked, bytes.sent
        );
        Failure::new(fault::Send::Reset, detail).with_errno(Some(libc::ECONNRESET))
    }

    /// The failure of bytes that could not be sent.
    pub(crate) fn send_failure(&self) -> Failure {
        let record = self.wire();
        let (fault, sent) = (record.send_fault(), record.sent);
        let detail = match fault {
            fault::Send::TimedOut => format!("the peer did not take the data in time; {sent} bytes went out"),
            fault::Send::Reset => {
                format!("the peer tore the connection down while it was sent to, after {sent} bytes")
            }
            fault::Send::Other => format!("sending failed after {sent} bytes"),
        };
        Failure::new(fault, detail).with_errno(record.errno())
    }

    /// The counts for the evidence.
    pub(crate) fn bytes(&self) -> crate::evidence::Bytes {
        let wire = self.wire();
        // The kernel counts our end of the connection as one byte more.
        let acked = self.acknowledged().min(wire.sent);
        crate::evidence::Bytes { sent: wire.sent, acked, received: wire.received }
    }
}

/// What stands behind whole TLS records.
fn behind_records(mut bytes: &[u8]) -> &[u8] {
    while let [20..=24, 3, _, high, low, rest @ ..] = bytes
        && let Some(behind) = rest.get(usize::from(u16::from_be_bytes([*high, *low]))..)
    {
        bytes = behind;
    }
    bytes
}

/// Whether bytes begin like text that people read, as nothing encrypted does.
fn is_text(bytes: &[u8]) -> bool {
    const ENOUGH: usize = 8;
    let begin = &bytes[..bytes.len().min(ENOUGH)];
    !begin.is_empty() && begin.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\r' | b'\n' | b'\t'))
}

/// The first bytes of something unexpected, fit to be shown: without secrets, printable ASCII as it is, the rest
/// escaped.
pub(crate) fn show(secrets: &Secrets, bytes: &[u8]) -> String {
    format!("\"{}\"", secrets.strike_bytes(bytes).escape_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clear_text_is_found_behind_records() {
        let rows: [(&[u8], &[u8]); 4] = [
            (b"500 OOPS", b"500 OOPS"),
            (b"\x17\x03\x03\0\x02ab500 OOPS", b"500 OOPS"),
            (b"\x17\x03\x03\0\x02ab\x15\x03\x03\0\x01a", b""),
            (b"\x17\x03\x03\0\x09ab", b"\x17\x03\x03\0\x09ab"),
        ];
        for (bytes, behind) in rows {
            assert_eq!(behind_records(bytes), behind);
        }
        assert!(is_text(b"500 OOPS: \xc3"));
        assert!(!is_text(b"") && !is_text(b"\x17\x03\x03\0\x09ab"));
    }
}
