//! One ICMP socket that any number of series share: who asked what, and one reader that hands the answers out.
//!
//! A request is known by its sequence number, which is unique among those under way; a 64-bit number in its data
//! says whether the answer really is its own. Times are the kernel's, so that a busy agent measures no worse.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use socket2::{SockAddr, Socket};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::task::JoinHandle;

use super::control;
use super::message::{self, Echo, Family, Heard};
use super::record::{Record, Refusal};
use super::socket::{self, Access, NotOpen, Settings};
use super::table::{Table, sequence_of};
use crate::net::sys::{self, ADDRESS_ROOM};

/// Answers are taken in before so much more can be on its way: a fraction of the receive buffer.
const MOST_UNREAD: usize = 512 * 1024;
/// What the kernel needs for a message besides its data, roughly.
const MESSAGE_COST: usize = 1024;
/// How many messages are taken in at a stretch before others get their turn.
const STRETCH: usize = 1024;
/// How often a call is repeated that failed for an error of an earlier one.
const MOST_STALE_ERRORS: usize = 3;
/// How long to wait where all sequence numbers are under way, or the kernel's queues are full.
const PAUSE: Duration = Duration::from_millis(1);

/// The lines of a host: one for each kind of socket that its tasks need, opened when first asked for.
#[derive(Debug, Default)]
pub(crate) struct Lines(Mutex<HashMap<Settings, (Arc<Line>, Reader)>>);

impl Lines {
    /// The line with these settings.
    pub(super) fn line(&self, settings: &Settings) -> Result<Arc<Line>, NotOpen> {
        let mut lines = held(&self.0);
        // A reader ends with the runtime it was started on, and then another one is needed.
        if let Some((line, _)) = lines.get(settings).filter(|(_, reader)| !reader.0.is_finished()) {
            return Ok(Arc::clone(line));
        }
        let line = Arc::new(Line::open(settings)?);
        let reader = Reader(tokio::spawn(read(Arc::clone(&line))));
        lines.insert(settings.clone(), (Arc::clone(&line), reader));
        Ok(line)
    }
}

/// The task that reads a line; ends with the line's host.
#[derive(Debug)]
struct Reader(JoinHandle<()>);

impl Drop for Reader {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn read(line: Arc<Line>) {
    loop {
        let Ok(mut ready) = line.socket.ready(line.worth_waking()).await else { return };
        if line.take_in().all {
            ready.clear_ready();
        } else {
            tokio::task::yield_now().await;
        }
    }
}

/// One socket and who waits for what on it.
#[derive(Debug)]
pub(super) struct Line {
    socket: AsyncFd<Socket>,
    access: Access,
    family: Family,
    identifier: u16,
    nonces: RandomState,
    table: Mutex<Table>,
    inbox: Mutex<Inbox>,
    /// What may have come since somebody looked.
    unread: AtomicUsize,
}

/// What stands in the error queue.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Entry {
    Departure,
    Error,
}

/// What was taken in at a stretch.
pub(super) struct Taken {
    /// How many errors of requests.
    errors: usize,
    /// Whether that was all there was.
    all: bool,
}

/// Room for one message.
#[derive(Debug)]
struct Inbox {
    message: Box<[u8]>,
    kept: Kept,
    control: [u8; control::ROOM],
    address: [u8; ADDRESS_ROOM],
}

/// Room for what the kernel kept in the error queue: a request of ours, with an error or with the time it left at.
#[derive(Debug)]
struct Kept {
    message: [u8; message::ENOUGH_OF_DEPARTED],
    control: [u8; control::ROOM],
    address: [u8; ADDRESS_ROOM],
}

impl Line {
    fn open(settings: &Settings) -> Result<Self, NotOpen> {
        // The standard library's hash function is keyed by the system's random numbers.
        let nonces = RandomState::new();
        let identifier = sequence_of(nonces.hash_one("identifier"));
        let (socket, access) = socket::open(settings, identifier)?;
        let given = socket.local_addr().ok().and_then(|address| address.as_socket()).map(|address| address.port());
        let identifier = given.filter(|_| access == Access::Own).unwrap_or(identifier);
        Ok(Self {
            socket: sys::watch(socket).map_err(NotOpen::Socket)?,
            access,
            family: settings.family,
            identifier,
            nonces,
            table: Mutex::default(),
            inbox: Mutex::new(Inbox {
                message: vec![0; usize::from(u16::MAX) + 1].into(),
                kept: Kept {
                    message: [0; message::ENOUGH_OF_DEPARTED],
                    control: [0; control::ROOM],
                    address: [0; ADDRESS_ROOM],
                },
                control: [0; control::ROOM],
                address: [0; ADDRESS_ROOM],
            }),
            unread: AtomicUsize::new(0),
        })
    }

    /// What the reader has to be woken for: errors of an unprivileged socket too. When a request left need only be known
    /// when its answer comes.
    fn worth_waking(&self) -> Interest {
        match self.access {
            Access::Raw => Interest::READABLE,
            Access::Own => Interest::READABLE | Interest::ERROR,
        }
    }

    /// Sends the request of one index of a series, whose packet has its data behind room for a header. The sequence
    /// number it went by is added to `sequences`.
    pub(super) async fn send(
        &self,
        record: &Arc<Record>,
        index: usize,
        packet: &mut [u8],
        to: &SockAddr,
        sequences: &mut Vec<u16>,
    ) -> io::Result<()> {
        let ticket = self.ticket(record, index).await;
        let sequence = sequence_of(ticket);
        sequences.push(sequence);
        let nonce = self.nonces.hash_one(ticket);
        for (byte, of_nonce) in packet[message::HEADER..].iter_mut().zip(nonce.to_be_bytes()) {
            *byte = of_nonce;
        }
        message::write_request(packet, self.family, Echo { identifier: self.identifier, sequence });
        self.hand_over(record, index, nonce, packet, to).await?;
        // The request itself stands in the error queue. Where the answers come at once, as on loopback, nobody else may get the time to take them in.
        let cost = 2 * (MESSAGE_COST + packet.len());
        if self.unread.fetch_add(cost, Ordering::Relaxed) > MOST_UNREAD {
            self.take_in();
        }
        Ok(())
    }

    /// A ticket for a request, as soon as a sequence number is free.
    async fn ticket(&self, record: &Arc<Record>, index: usize) -> u64 {
        loop {
            let entered = held(&self.table).enter(record, index);
            match entered {
                Some(ticket) => return ticket,
                None => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    /// Forgets requests of a series that has ended.
    pub(super) fn forget(&self, record: &Arc<Record>, sequences: &[u16]) {
        held(&self.table).forget(record, sequences);
    }

    /// Hands a packet to the kernel, once there is room for it. The clock starts right before.
    async fn hand_over(
        &self,
        record: &Record,
        index: usize,
        nonce: u64,
        packet: &[u8],
        to: &SockAddr,
    ) -> io::Result<()> {
        // The kernel reports an error that waits in the queue in the place of the next call's own result.
        let mut stale_errors = MOST_STALE_ERRORS;
        loop {
            if self.access == Access::Own {
                self.take_in();
            }
            record.begin(index, nonce);
            let Err(error) = self.socket.get_ref().send_to(packet, to) else { return Ok(()) };
            match error.raw_os_error() {
                Some(libc::EAGAIN) => self.socket.writable().await?.clear_ready(),
                Some(libc::ENOBUFS) => tokio::time::sleep(PAUSE).await,
                Some(libc::EINTR) => {}
                _ if stale_errors > 0 && self.take_in().errors > 0 => stale_errors -= 1,
                _ => return Err(error),
            }
        }
    }

    /// Takes in what has come, up to a stretch of it.
    pub(super) fn take_in(&self) -> Taken {
        let inbox = &mut *held(&self.inbox);
        self.unread.store(0, Ordering::Relaxed);
        let (mut entries, mut errors) = (0, 0);
        while entries < STRETCH
            && let Some(entry) = self.take_kept(&mut inbox.kept)
        {
            entries += 1;
            errors += usize::from(entry == Entry::Error);
        }
        let messages = (0..STRETCH).take_while(|_| self.take_message(inbox)).count();
        Taken { errors, all: entries < STRETCH && messages < STRETCH }
    }

    /// Takes in one message; `false` if there is none.
    fn take_message(&self, inbox: &mut Inbox) -> bool {
        let Inbox { message, kept, control, address } = inbox;
        match sys::receive(self.socket.get_ref(), message, control, address, libc::MSG_DONTWAIT) {
            Ok(filled) => {
                if let Some(from) = control::address(address.as_slice()) {
                    self.hear(&message[..filled.message], &control[..filled.control], from, kept);
                }
                true
            }
            // Anything but an empty socket is an error that was kept for it, and is gone now.
            Err(error) => error.kind() != io::ErrorKind::WouldBlock,
        }
    }

    fn hear(&self, message: &[u8], control: &[u8], from: IpAddr, kept: &mut Kept) {
        let heard = match (self.access, self.family) {
            (Access::Raw, Family::V4) => message::read_with_header(message),
            // The kernel has judged the checksum.
            (Access::Own, Family::V4) | (_, Family::V6) => message::read(message, self.family, true),
        };
        match heard {
            Some(Heard::Reply { echo, data, sound }) => {
                if let Some((record, index)) = self.whose(echo) {
                    // Whoever is answered has left, so that its time stands in the queue by now.
                    if record.lacks_departure(index) {
                        while self.take_kept(kept).is_some() {}
                    }
                    record.reply(index, from, data, sound, control::stamp(control));
                }
            }
            Some(Heard::Error { echo, error, destination }) => {
                if let Some((record, index)) = self.whose(echo) {
                    record.refuse(index, destination, Refusal::new(self.family, error, from));
                }
            }
            None => {}
        }
    }

    /// Takes in one entry of the error queue: when a request left, or an error of an unprivileged socket, of which the
    /// message is the request as it was sent, and the address where to.
    fn take_kept(&self, kept: &mut Kept) -> Option<Entry> {
        let Kept { message, control, address } = kept;
        let flags = libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT;
        let Ok(filled) = sys::receive(self.socket.get_ref(), message, control, address, flags) else { return None };
        let (message, control) = (&message[..filled.message], &control[..filled.control]);
        if control::is_departure(control) {
            self.note_departure(message, control);
            return Some(Entry::Departure);
        }
        let request = message::echo_of_request(message, self.family);
        if let (Some(echo), Some((error, from)), Some(destination)) =
            (request, control::error(control), control::address(address.as_slice()))
            && message::is_error(self.family, error.kind)
            && let Some((record, index)) = self.whose(echo)
        {
            record.refuse(index, destination, Refusal::new(self.family, error, from));
        }
        Some(Entry::Error)
    }

    fn note_departure(&self, frame: &[u8], control: &[u8]) {
        let echo = message::echo_of_departed(frame, self.family);
        if let (Some(echo), Some(stamp)) = (echo, control::stamp(control))
            && let Some((record, index)) = self.whose(echo)
        {
            record.depart(index, stamp);
        }
    }

    /// Whose request a message answers.
    fn whose(&self, echo: Echo) -> Option<(Arc<Record>, usize)> {
        if echo.identifier != self.identifier {
            return None;
        }
        held(&self.table).whose(echo.sequence)
    }
}

/// A lock is held for moments only; one that panicked under it has left nothing half done.
pub(super) fn held<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}
