//! ICMP echo over sockets of our own (RFC 792, RFC 4443): a series of requests to one address, and what came of each.
//!
//! All series of a host that want the same kind of socket share one ([`line`]), so that thousands can be under way at
//! once. TTL and "don't fragment" are properties of the socket: the kernel takes the latter from nowhere else, and
//! hosts have few distinct settings.

mod control;
mod line;
mod message;
mod record;
mod series;
mod socket;
mod table;

use std::io;
use std::net::IpAddr;
use std::os::fd::AsRawFd;
use std::time::Duration;

use crate::net::{Attempt, connect, sys};
pub(crate) use line::Lines;
pub(crate) use message::{Error, Family};
pub(crate) use record::{Fate, Refusal, Tally};
pub(crate) use series::Series;
pub(crate) use socket::NotOpen;

/// What the requests of a series are like.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Requests {
    /// Bytes of data behind the ICMP header.
    pub(crate) size: usize,
    /// How many routers may pass it on.
    pub(crate) ttl: u8,
    /// Whether a router may not take it apart.
    pub(crate) dont_fragment: bool,
    /// How long after its sending each may be answered.
    pub(crate) wait: Duration,
}

/// Has the kernel keep what ICMP says of what is sent from this socket (`IP_RECVERR`, ip(7)).
pub(crate) fn keep_errors(socket: &impl AsRawFd, family: Family) -> io::Result<()> {
    let (level, name) = match family {
        Family::V4 => (libc::IPPROTO_IP, libc::IP_RECVERR),
        Family::V6 => (libc::IPPROTO_IPV6, libc::IPV6_RECVERR),
    };
    sys::set_option(socket, level, name, &1_i32.to_ne_bytes())
}

/// Takes the oldest ICMP error that the kernel keeps for this socket, and who sent it. What the kernel itself has to say
/// of a datagram is kept there too, and passed over.
pub(crate) fn take_error(socket: &impl AsRawFd) -> Option<(Error, IpAddr)> {
    let (mut control, mut address) = ([0; control::ROOM], [0; sys::ADDRESS_ROOM]);
    loop {
        // What the error is about is known: nothing else is sent from there.
        let flags = libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT;
        let filled = sys::receive(socket, &mut [], &mut control, &mut address, flags).ok()?;
        if let Some(error) = control::error(&control[..filled.control]) {
            return Some(error);
        }
    }
}

impl Attempt<'_> {
    /// Begins a series of requests to an address.
    pub(crate) fn series(&self, target: IpAddr, requests: Requests) -> Result<Series, NotOpen> {
        let settings = socket::Settings {
            family: Family::of(target),
            source: connect::source(self.host, target, self.conditions.source_ip),
            interface: self.host.interface.clone(),
            ttl: requests.ttl,
            dont_fragment: requests.dont_fragment,
        };
        let line = self.host.lines.line(&settings)?;
        Ok(Series::new(line, target, requests.size, requests.wait))
    }
}
