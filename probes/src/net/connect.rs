//! Connecting: one address after the other, each with its share of the time, each with its cause kept.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpStream;

use crate::evidence;
use crate::fault::{Connect, Failure, Fault, Named};
use crate::net::stream::{Stream, Wire};
use crate::net::{Attempt, Host, before};
use crate::phases::{Phase, Phases};

/// How many addresses of a name are tried.
pub(super) const MOST_ADDRESSES: usize = 4;

impl Attempt<'_> {
    /// Connects to the first address that answers. Each gets an equal share of what is left of `connect_timeout`
    /// and of the run; of several failures the last one counts, and the evidence has all.
    pub(crate) async fn connect(&mut self, addresses: &[SocketAddr]) -> Result<Stream, Failure> {
        self.begin_setup();
        let addresses = &addresses[..addresses.len().min(MOST_ADDRESSES)];
        let mut last = None;
        for (index, address) in addresses.iter().enumerate() {
            self.remote = Some(*address);
            let limit = self.address_deadline(addresses.len() - index);
            let begun = self.enter(Phase::Connect);
            tracing::debug!(target: "conversation", "* connecting to {address}");
            let result = open(self.host, *address, self.conditions.source_ip, limit).await;
            let spent = self.leave(Phase::Connect, begun);
            let mut phases = Phases::default();
            phases.add(Phase::Connect, spent);
            let cause = result.as_ref().err().map(|failure| failure.fault.name());
            self.evidence.addresses.push(evidence::Address { ip: address.ip(), cause, phases });
            match result {
                Ok(stream) => {
                    tracing::debug!(target: "conversation", "* connected to {address}");
                    let stream = Stream::plain(stream);
                    self.tap = Some(stream.tap());
                    return Ok(stream);
                }
                Err(failure) => {
                    tracing::debug!(target: "conversation", "* {}", failure.detail);
                    last = Some(failure);
                }
            }
            if Instant::now() >= self.deadline {
                break;
            }
        }
        // Resolution never hands over an empty list.
        Err(last.unwrap_or_else(|| Failure::new(Connect::Other, "there is no address to connect to")))
    }

    /// Opens a connection beside the run's own one: to the same address, which was judged, and another port. Its time
    /// belongs to the phase of whoever asks.
    pub(crate) async fn connect_beside(&mut self, port: u16) -> Result<Stream, Failure> {
        let Some(mut address) = self.remote else {
            return Err(Failure::new(Connect::Other, "there is no connection to be beside of"));
        };
        address.set_port(port);
        tracing::debug!(target: "conversation", "* connecting to {address}");
        let limit = self.address_deadline(1);
        let wire = open(self.host, address, self.conditions.source_ip, limit).await.inspect_err(|failure| {
            tracing::debug!(target: "conversation", "* {}", failure.detail);
        })?;
        let stream = Stream::plain(wire);
        self.tap_beside = Some(stream.tap());
        Ok(stream)
    }
}

/// Opens one TCP connection from the host's source address, bound by `limit`.
pub(super) async fn open(
    host: &Host,
    address: SocketAddr,
    source_ip: Option<IpAddr>,
    limit: Instant,
) -> Result<Wire, Failure<Fault>> {
    let failed = |cause: Connect, doing: &str, error: &io::Error| {
        Failure::new(cause, format!("{doing} {address}: {}", kernel_words(error))).with_errno(error.raw_os_error())
    };
    let socket = Socket::new(Domain::for_address(address), Type::STREAM.nonblocking().cloexec(), Some(Protocol::TCP))
        .map_err(|error| failed(Connect::Socket, "cannot open a socket for", &error))?;
    bind(&socket, host, address, source_ip)
        .map_err(|error| failed(Connect::Bind, "cannot bind the socket for", &error))?;
    // Probes write whole messages; waiting for more (Nagle) would only falsify their times.
    let _ = socket.set_tcp_nodelay(true);
    match before(limit, connected(socket, address)).await {
        None => Err(Failure::new(Connect::TimedOut, format!("no answer from {address} to the connection request"))),
        Some(Err(error)) => Err(failed(cause(&error), "cannot connect to", &error)),
        Some(Ok((stream, reset))) => settle(stream, reset, address),
    }
}

/// Waits until the connection is up. A peer that resets it right after that is met here by chance, since the kernel
/// then reports the reset in the place of success: `connect()` itself is refused by ECONNREFUSED only, so that a
/// reset always means a connection that was up. It is handed on with the connection.
async fn connected(socket: Socket, address: SocketAddr) -> io::Result<(TcpStream, bool)> {
    match socket.connect(&address.into()) {
        Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let stream = TcpStream::from_std(socket.into())?;
    stream.writable().await?;
    match stream.take_error()? {
        None => Ok((stream, false)),
        Some(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok((stream, true)),
        Some(error) => Err(error),
    }
}

/// Compares the peer with the address that was judged. A connection of a port to itself, which loopback allows when
/// the kernel picks the target as the source port, is a closed port.
fn settle(stream: TcpStream, reset: bool, address: SocketAddr) -> Result<Wire, Failure<Fault>> {
    match (stream.peer_addr(), stream.local_addr()) {
        (Ok(peer), Ok(local)) if peer == local => {
            Err(Failure::new(Connect::Refused, format!("nothing listens on {address}: the socket met itself")))
        }
        (Ok(peer), _) if !same_place(peer, address) => {
            Err(Failure::new(Connect::Other, format!("connected to {peer} instead of {address}")))
        }
        (Ok(_), _) => Ok(Wire::new(stream, reset)),
        // Only a connection that was up and is torn down already has no peer any more.
        (Err(_), _) => Ok(Wire::new(stream, true)),
    }
}

/// Whether a peer is the address that was judged; the kernel takes the unspecified address for the host itself.
fn same_place(peer: SocketAddr, address: SocketAddr) -> bool {
    peer.port() == address.port() && (peer.ip() == address.ip() || address.ip().is_unspecified())
}

/// Binds a socket to the interface and the source address that task and host give for the family of `address`.
pub(super) fn bind(socket: &Socket, host: &Host, address: SocketAddr, source_ip: Option<IpAddr>) -> io::Result<()> {
    if let Some(interface) = &host.interface {
        socket.bind_device(Some(interface.as_bytes()))?;
    }
    match source(host, address.ip(), source_ip) {
        Some(source) => socket.bind(&SocketAddr::new(source, 0).into()),
        None => Ok(()),
    }
}

/// The source address for a target: the task's, whatever its family, since nothing may be sent from another one; else the
/// host's, if it is of the target's family.
pub(super) fn source(host: &Host, target: IpAddr, source_ip: Option<IpAddr>) -> Option<IpAddr> {
    let of_host = if target.is_ipv4() { host.source_ipv4.map(IpAddr::V4) } else { host.source_ipv6.map(IpAddr::V6) };
    source_ip.or(of_host)
}

/// The fault behind an error of `connect()`.
fn cause(error: &io::Error) -> Connect {
    match error.raw_os_error() {
        Some(libc::ECONNREFUSED) => Connect::Refused,
        Some(libc::ETIMEDOUT) => Connect::TimedOut,
        Some(libc::EHOSTUNREACH) => Connect::HostUnreachable,
        Some(libc::ENETUNREACH) => Connect::NetworkUnreachable,
        _ => Connect::Other,
    }
}

/// The kernel's words for an error, without Rust's "(os error n)".
pub(crate) fn kernel_words(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}
