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
use super::series::{Record, Refusal};
use super::socket::{self, Access, NotOpen, Settings};
use crate::net::sys::{self, ADDRESS_ROOM};

/// Answers are taken in before so much more can be on its way: a fraction of the receive buffer.
const MOST_UNREAD: usize = 512 * 1024;
/// What the kernel needs for a message besides its data, roughly.
const MESSAGE_COST: usize = 1024;
/// How many messages are taken in at a stretch before others get their turn.
const STRETCH: usize = 1024;
/// How long to wait for a sequence number when all are under way.
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
        // Errors of an unprivileged socket make it ready too.
        let Ok(mut ready) = line.socket.ready(Interest::READABLE | Interest::ERROR).await else { return };
        if line.take_in(&mut line.inbox()) {
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

/// The requests under way, by sequence number.
#[derive(Debug, Default)]
struct Table {
    entries: HashMap<u16, (Arc<Record>, usize)>,
    /// The next ticket.
    next: u64,
}

/// Room for one message.
#[derive(Debug)]
struct Inbox {
    message: Box<[u8]>,
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
                control: [0; control::ROOM],
                address: [0; ADDRESS_ROOM],
            }),
            unread: AtomicUsize::new(0),
        })
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
        let ticket = loop {
            match self.enter(record, index) {
                Some(ticket) => break ticket,
                None => tokio::time::sleep(PAUSE).await,
            }
        };
        let sequence = sequence_of(ticket);
        sequences.push(sequence);
        let nonce = self.nonces.hash_one(ticket);
        for (byte, of_nonce) in packet[message::HEADER..].iter_mut().zip(nonce.to_be_bytes()) {
            *byte = of_nonce;
        }
        message::write_request(packet, self.family, Echo { identifier: self.identifier, sequence });
        self.hand_over(record, index, nonce, packet, to).await?;
        // Where the answers come at once, as on loopback, nobody else may get the time to take them in.
        let cost = MESSAGE_COST + packet.len();
        if self.unread.fetch_add(cost, Ordering::Relaxed) > MOST_UNREAD {
            self.catch_up();
        }
        Ok(())
    }

    /// Gives a request a ticket whose sequence number no other one under way has.
    fn enter(&self, record: &Arc<Record>, index: usize) -> Option<u64> {
        let mut table = held(&self.table);
        for _ in 0..=u16::MAX {
            let ticket = table.next;
            let sequence = sequence_of(ticket);
            table.next += 1;
            if table.entries.get(&sequence).is_none_or(|(record, index)| !record.waits_for(*index)) {
                table.entries.insert(sequence, (Arc::clone(record), index));
                return Some(ticket);
            }
        }
        None
    }

    /// Forgets requests of a series that has ended.
    pub(super) fn forget(&self, record: &Arc<Record>, sequences: &[u16]) {
        let mut table = held(&self.table);
        for sequence in sequences {
            if table.entries.get(sequence).is_some_and(|(owner, _)| Arc::ptr_eq(owner, record)) {
                table.entries.remove(sequence);
            }
        }
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
        let mut stale_errors = if self.access == Access::Own { 3 } else { 0 };
        loop {
            if self.access == Access::Own {
                self.catch_up();
            }
            record.begin(index, nonce);
            match self.socket.get_ref().send_to(packet, to) {
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.socket.writable().await?.clear_ready();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) if stale_errors > 0 => stale_errors -= 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// Takes in whatever has come, unless somebody else is at it.
    pub(super) fn catch_up(&self) {
        if let Ok(mut inbox) = self.inbox.try_lock() {
            self.take_in(&mut inbox);
        }
    }

    fn inbox(&self) -> MutexGuard<'_, Inbox> {
        held(&self.inbox)
    }

    /// Takes in what has come, up to a stretch of it; `true` if that was all.
    fn take_in(&self, inbox: &mut Inbox) -> bool {
        self.unread.store(0, Ordering::Relaxed);
        let errors_done = self.access == Access::Raw || (0..STRETCH).any(|_| !self.take_error(inbox));
        let mut replies = (0..STRETCH).map(|_| self.take_message(inbox));
        replies.any(|taken| !taken) && errors_done
    }

    /// Takes in one message; `false` if there is none.
    fn take_message(&self, inbox: &mut Inbox) -> bool {
        let Inbox { message, control, address } = inbox;
        match sys::receive(self.socket.get_ref(), message, control, address, libc::MSG_DONTWAIT) {
            Ok(filled) => {
                if let Some(from) = control::address(address.as_slice()) {
                    self.hear(&message[..filled.message], &control[..filled.control], from);
                }
                true
            }
            // Anything but an empty socket is an error that was kept for it, and is gone now.
            Err(error) => error.kind() != io::ErrorKind::WouldBlock,
        }
    }

    fn hear(&self, message: &[u8], control: &[u8], from: IpAddr) {
        let heard = match (self.access, self.family) {
            (Access::Raw, Family::V4) => message::read_with_header(message),
            // The kernel has judged the checksum.
            (Access::Own, Family::V4) | (_, Family::V6) => message::read(message, self.family, true),
        };
        match heard {
            Some(Heard::Reply { echo, data, sound }) => {
                if let Some((record, index)) = self.whose(echo) {
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

    /// Takes in one error of an unprivileged socket: the message is the request as it was sent, the address where to.
    fn take_error(&self, inbox: &mut Inbox) -> bool {
        let Inbox { message, control, address } = inbox;
        let flags = libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT;
        let Ok(filled) = sys::receive(self.socket.get_ref(), message, control, address, flags) else { return false };
        let request = message::echo_of_request(&message[..filled.message], self.family);
        if let (Some(echo), Some((error, from)), Some(destination)) =
            (request, control::error(&control[..filled.control]), control::address(address.as_slice()))
            && let Some((record, index)) = self.whose(echo)
        {
            record.refuse(index, destination, Refusal::new(self.family, error, from));
        }
        true
    }

    /// Whose request a message answers.
    fn whose(&self, echo: Echo) -> Option<(Arc<Record>, usize)> {
        if echo.identifier != self.identifier {
            return None;
        }
        held(&self.table).entries.get(&echo.sequence).cloned()
    }
}

/// Tickets count on without end, sequence numbers begin anew after 65,536 of them.
#[expect(clippy::cast_possible_truncation, reason = "the low sixteen bits are the sequence number")]
const fn sequence_of(ticket: u64) -> u16 {
    ticket as u16
}

/// A lock is held for moments only; one that panicked under it has left nothing half done.
pub(super) fn held<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}
