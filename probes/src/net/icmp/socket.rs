//! Opening an ICMP socket: raw where the host lets us (`raw(7)`), else the unprivileged kind (`icmp(7)`).
//!
//! A raw socket sees every ICMP message of the host, so that filters in the kernel let through only what may answer
//! this socket's own requests. An unprivileged socket sees its replies alone, and errors through its error queue.

use std::io;
use std::net::{IpAddr, SocketAddr};

use socket2::{Domain, Protocol, SockFilter, Socket, Type};

use super::message::{self, Family};
use crate::net::sys::set_option;

/// What a socket has to be like. Requests that want the same share one.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) struct Settings {
    pub(super) family: Family,
    pub(super) source: Option<IpAddr>,
    pub(super) interface: Option<String>,
    pub(super) ttl: u8,
    pub(super) dont_fragment: bool,
}

/// How much a socket may know.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Access {
    /// Everything that the filters let through.
    Raw,
    /// Its own replies; its errors stand in the error queue.
    Own,
}

/// Why there is no socket.
#[derive(Debug)]
pub(crate) enum NotOpen {
    /// The host lets the agent open none, or none with these settings.
    Socket(io::Error),
    /// The source address or the interface, in words, is not to be had.
    Source(io::Error, String),
}

/// Replies that wait to be read: as many as a burst of some thousand requests can bring at once.
const RECEIVE_BUFFER: i32 = 4 * 1024 * 1024;

/// When a request left through its device, and when an answer came in, by the kernel
/// (`Documentation/networking/timestamping`).
const STAMPS: i32 =
    (libc::SOF_TIMESTAMPING_SOFTWARE | libc::SOF_TIMESTAMPING_TX_SOFTWARE | libc::SOF_TIMESTAMPING_RX_SOFTWARE)
        .cast_signed();

pub(super) fn open(settings: &Settings, identifier: u16) -> Result<(Socket, Access), NotOpen> {
    let (socket, access) = create(settings.family).map_err(NotOpen::Socket)?;
    tune(&socket, settings, access).map_err(NotOpen::Socket)?;
    if let (Access::Raw, Err(error)) = (access, filter(&socket, settings.family, identifier)) {
        return Err(NotOpen::Socket(error));
    }
    bind(&socket, settings, access)?;
    Ok((socket, access))
}

fn create(family: Family) -> io::Result<(Socket, Access)> {
    let (domain, protocol) = match family {
        Family::V4 => (Domain::IPV4, Protocol::ICMPV4),
        Family::V6 => (Domain::IPV6, Protocol::ICMPV6),
    };
    let new = |kind: Type| Socket::new(domain, kind.nonblocking().cloexec(), Some(protocol));
    match new(Type::RAW) {
        Ok(socket) => Ok((socket, Access::Raw)),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            new(Type::DGRAM).map(|socket| (socket, Access::Own))
        }
        Err(error) => Err(error),
    }
}

fn tune(socket: &Socket, settings: &Settings, access: Access) -> io::Result<()> {
    let size = RECEIVE_BUFFER.to_ne_bytes();
    // Beyond the host's limit where the agent may, else up to it.
    if set_option(socket, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, &size).is_err() {
        let _ = set_option(socket, libc::SOL_SOCKET, libc::SO_RCVBUF, &size);
    }
    let set = |level, name, value: i32| set_option(socket, level, name, &value.to_ne_bytes());
    set(libc::SOL_SOCKET, libc::SO_TIMESTAMPING, STAMPS)?;
    match settings.family {
        Family::V4 => {
            // "Probe" sets the bit and leaves it to the routers to say what is too big, every time anew.
            let discover = if settings.dont_fragment { libc::IP_PMTUDISC_PROBE } else { libc::IP_PMTUDISC_DONT };
            set(libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, discover)?;
            if access == Access::Own {
                super::keep_errors(socket, Family::V4)?;
            }
            socket.set_ttl_v4(u32::from(settings.ttl))
        }
        Family::V6 => {
            if settings.dont_fragment {
                set(libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, libc::IPV6_PMTUDISC_PROBE)?;
                set(libc::IPPROTO_IPV6, libc::IPV6_DONTFRAG, 1)?;
            }
            if access == Access::Own {
                super::keep_errors(socket, Family::V6)?;
            }
            socket.set_multicast_hops_v6(u32::from(settings.ttl))?;
            socket.set_unicast_hops_v6(u32::from(settings.ttl))
        }
    }
}

/// Lets only errors, and replies with this identifier, into a raw socket.
fn filter(socket: &Socket, family: Family, identifier: u16) -> io::Result<()> {
    match family {
        Family::V4 => {
            // `linux/icmp.h` has them, libc has not.
            const SOL_RAW: i32 = 255;
            const ICMP_FILTER: i32 = 1;
            let blocked = message::WANTED_V4.iter().fold(u32::MAX, |mask, kind| mask & !(1 << kind));
            set_option(socket, SOL_RAW, ICMP_FILTER, &blocked.to_ne_bytes())?;
            socket.attach_filter(&identifier_filter(
                Some(LOAD_HEADER_LENGTH),
                INDEXED,
                message::ECHO_REPLY_V4,
                identifier,
            ))
        }
        Family::V6 => {
            const ICMPV6_FILTER: i32 = 1;
            let mut blocked = [u32::MAX; 8];
            for kind in message::WANTED_V6 {
                blocked[usize::from(kind / 32)] &= !(1 << (kind % 32));
            }
            let blocked: Vec<u8> = blocked.iter().flat_map(|word| word.to_ne_bytes()).collect();
            set_option(socket, libc::IPPROTO_ICMPV6, ICMPV6_FILTER, &blocked)?;
            socket.attach_filter(&identifier_filter(None, ABSOLUTE, message::ECHO_REPLY_V6, identifier))
        }
    }
}

/// Classic BPF (`linux/filter.h`): X = 4 * (the low half of the first byte).
const LOAD_HEADER_LENGTH: SockFilter = SockFilter::new(0xb1, 0, 0, 0);
/// Loads from X on, or from the beginning on.
const INDEXED: u16 = 0x40;
const ABSOLUTE: u16 = 0x20;

/// A program: everything that is no echo reply passes, and replies with this identifier do.
fn identifier_filter(begin: Option<SockFilter>, mode: u16, reply: u8, identifier: u16) -> Vec<SockFilter> {
    const BYTE: u16 = 0x10;
    const HALF: u16 = 0x08;
    const JUMP_IF_EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    let program = [
        SockFilter::new(mode | BYTE, 0, 0, 0),
        SockFilter::new(JUMP_IF_EQUAL, 0, 2, u32::from(reply)),
        SockFilter::new(mode | HALF, 0, 0, 4),
        SockFilter::new(JUMP_IF_EQUAL, 0, 1, u32::from(identifier)),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
        SockFilter::new(RETURN, 0, 0, 0),
    ];
    begin.into_iter().chain(program).collect()
}

fn bind(socket: &Socket, settings: &Settings, access: Access) -> Result<(), NotOpen> {
    if let Some(interface) = &settings.interface {
        let bound = socket.bind_device(Some(interface.as_bytes()));
        bound.map_err(|error| NotOpen::Source(error, format!("the interface {interface}")))?;
    }
    // An unprivileged socket gets its identifier when it is bound.
    let Some(source) = settings.source.or((access == Access::Own).then(|| settings.family.unspecified())) else {
        return Ok(());
    };
    // A raw socket of IPv4 takes an IPv6 address for no address at all, and sends from any.
    if Family::of(source) != settings.family {
        let error = io::Error::from_raw_os_error(libc::EAFNOSUPPORT);
        return Err(NotOpen::Source(error, format!("the address {source}")));
    }
    let bound = socket.bind(&SocketAddr::new(source, 0).into());
    bound.map_err(|error| NotOpen::Source(error, format!("the address {source}")))
}
