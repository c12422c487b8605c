//! Datagrams to one address over a connected socket, and what ICMP says of them (RFC 768, RFC 1122 section 4.1.3).
//!
//! The order of looking: socket, source address, then `connect()`, which sends nothing and asks for a route. From then
//! on an error number of the kernel is read together with the ICMP message behind it (`IP_RECVERR`), which says who
//! refused and why.

use std::io::{self, Read as _};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};

use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::io::Interest;
use tokio::net::UdpSocket;

use super::connect::{bind, kernel_words};
use super::icmp::{self, Family};
use super::{Attempt, Host};
use crate::evidence;
use crate::fault::{Datagram, Failure, Named as _};

/// Room for the largest datagram there is.
pub(crate) const LARGEST_DATAGRAM: usize = 65_535;

/// A socket that talks to one address only.
#[derive(Debug)]
pub(crate) struct Datagrams {
    socket: UdpSocket,
    address: SocketAddr,
    /// What ICMP said while datagrams were still there to be read, and how many of those come first.
    news: Mutex<Option<(Undelivered, u32)>>,
}

/// A flood of datagrams hides an ICMP message no longer than this.
const MOST_BEFORE_NEWS: u32 = 64;

/// Why a datagram did not get through.
#[derive(Debug)]
pub(crate) struct Undelivered {
    /// The fault and its facts.
    pub(crate) failure: Failure<Datagram>,
    /// The ICMP message behind it.
    pub(crate) icmp: Option<evidence::IcmpError>,
}

impl Attempt<'_> {
    /// Opens a socket to the first of these addresses: without a handshake there is no telling which one answers.
    pub(crate) fn open_datagrams(&mut self, addresses: &[SocketAddr]) -> Result<Datagrams, Failure<Datagram>> {
        // Resolution never hands over an empty list.
        let none = || Failure::new(Datagram::Other, "there is no address to send to");
        let address = *addresses.first().ok_or_else(none)?;
        self.remote = Some(address);
        tracing::debug!(target: "conversation", "* sending to {address} over UDP");
        open(self.host, address, self.conditions.source_ip)
    }

    /// Keeps the ICMP message behind a failure in the evidence.
    pub(crate) fn undelivered(&mut self, undelivered: Undelivered) -> Failure<Datagram> {
        let Undelivered { failure, icmp } = undelivered;
        tracing::debug!(target: "conversation", "* {}", failure.detail);
        if let Some(error) = icmp {
            self.evidence.icmp.get_or_insert_default().errors.push(error);
        }
        failure
    }
}

/// Opens a socket to an address from the host's source address.
pub(super) fn open(
    host: &Host,
    address: SocketAddr,
    source_ip: Option<IpAddr>,
) -> Result<Datagrams, Failure<Datagram>> {
    let failed = |fault: Datagram, doing: &str, error: &io::Error| {
        Failure::new(fault, format!("{doing} {address}: {}", kernel_words(error))).with_errno(error.raw_os_error())
    };
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM.nonblocking().cloexec(), Some(Protocol::UDP))
        .map_err(|error| failed(Datagram::Socket, "cannot open a socket for", &error))?;
    bind(&socket, host, address, source_ip)
        .map_err(|error| failed(Datagram::Bind, "cannot bind the socket for", &error))?;
    let opened = icmp::keep_errors(&socket, Family::of(address.ip())).and_then(|()| socket.connect(&address.into()));
    opened.map_err(|error| failed(of_errno(&error), "cannot send to", &error))?;
    let socket = UdpSocket::from_std(socket.into())
        .map_err(|error| failed(Datagram::Socket, "cannot wait for answers of", &error))?;
    Ok(Datagrams { socket, address, news: Mutex::default() })
}

impl Datagrams {
    /// Hands one datagram to the kernel.
    pub(crate) async fn send(&self, bytes: &[u8]) -> Result<(), Undelivered> {
        let sent = self.socket.send(bytes).await;
        sent.map(drop).map_err(|error| self.undelivered("cannot send to", &error))
    }

    /// Waits for the next datagram, or for news of one that was sent: an ICMP message makes the socket neither readable
    /// nor writable.
    ///
    /// The kernel tells of an ICMP message before it hands over the datagrams that came first. Here they come in their
    /// order, so that an answer that is there counts, however late it is read.
    pub(crate) async fn receive(&self, buffer: &mut [u8]) -> Result<usize, Undelivered> {
        if let Some((undelivered, left)) = self.news().take() {
            return self.read_before(undelivered, left, buffer);
        }
        let interest = Interest::READABLE | Interest::ERROR;
        let received = self.socket.async_io(interest, || (&*SockRef::from(&self.socket)).read(buffer)).await;
        received.or_else(|error| self.read_before(self.undelivered("no answer from", &error), MOST_BEFORE_NEWS, buffer))
    }

    fn read_before(&self, undelivered: Undelivered, left: u32, buffer: &mut [u8]) -> Result<usize, Undelivered> {
        match (&*SockRef::from(&self.socket)).read(buffer) {
            Ok(length) if left > 0 => {
                *self.news() = Some((undelivered, left - 1));
                Ok(length)
            }
            Ok(_) | Err(_) => Err(undelivered),
        }
    }

    fn news(&self) -> MutexGuard<'_, Option<(Undelivered, u32)>> {
        self.news.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn undelivered(&self, doing: &str, error: &io::Error) -> Undelivered {
        let Some((icmp, from)) = icmp::take_error(&self.socket) else {
            let detail = format!("{doing} {}: {}", self.address, kernel_words(error));
            return Undelivered {
                failure: Failure::new(of_errno(error), detail).with_errno(error.raw_os_error()),
                icmp: None,
            };
        };
        let fault = of_icmp(Family::of(self.address.ip()), icmp);
        let words = match fault {
            // The kernel has no error number of its own for these, and says that there is no route.
            Datagram::TimeExceeded => "time exceeded on the way".to_owned(),
            Datagram::Prohibited => "administratively prohibited".to_owned(),
            _ => kernel_words(error),
        };
        let (kind, code) = (icmp.kind, icmp.code);
        let detail = format!("{doing} {}: {words} ({from} sent ICMP type {kind}, code {code})", self.address);
        let said = evidence::IcmpError {
            name: fault.meaning().to_owned(),
            kind: Some(icmp.kind),
            code: Some(icmp.code),
            from: Some(from),
            mtu: icmp.mtu,
            errno: None,
            count: 1,
        };
        Undelivered { failure: Failure::new(fault, detail).with_errno(error.raw_os_error()), icmp: Some(said) }
    }
}

/// The fault that the kernel found without ICMP.
fn of_errno(error: &io::Error) -> Datagram {
    match error.raw_os_error() {
        Some(libc::ECONNREFUSED) => Datagram::PortUnreachable,
        Some(libc::EHOSTUNREACH | libc::EHOSTDOWN) => Datagram::HostUnreachable,
        Some(libc::ENETUNREACH | libc::ENETDOWN) => Datagram::NetworkUnreachable,
        Some(libc::EMSGSIZE) => Datagram::TooLarge,
        Some(libc::EACCES | libc::EPERM) => Datagram::Forbidden,
        _ => Datagram::Other,
    }
}

/// The fault that an ICMP message names (RFC 792, RFC 1122 section 3.2.2.1, RFC 1812 section 5.2.7, RFC 4443).
const fn of_icmp(family: Family, error: icmp::Error) -> Datagram {
    match (family, error.kind, error.code) {
        (Family::V4, 3, 0 | 6 | 11) | (Family::V6, 1, 0) => Datagram::NetworkUnreachable,
        (Family::V4, 3, 1 | 7 | 8 | 12) | (Family::V6, 1, 3) => Datagram::HostUnreachable,
        (Family::V4, 3, 3) | (Family::V6, 1, 4) => Datagram::PortUnreachable,
        (Family::V4, 3, 4) | (Family::V6, 2, _) => Datagram::TooLarge,
        (Family::V4, 3, 9 | 10 | 13..=15) | (Family::V6, 1, 1 | 5 | 6) => Datagram::Prohibited,
        (Family::V4, 11, _) | (Family::V6, 3, _) => Datagram::TimeExceeded,
        _ => Datagram::Icmp,
    }
}
