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

use std::net::IpAddr;
use std::time::Duration;

use crate::net::{Attempt, connect};
pub(crate) use line::Lines;
use message::Family;
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
