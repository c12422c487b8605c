//! From a host to the addresses that may be contacted: hosts tables, name servers, search list, families, policy.
//!
//! The reading of resolv.conf and /etc/hosts is hickory-resolver's; asking is ours, with hickory-proto as codec,
//! because only so do refused ports, foreign answers and TLS faults keep their names. Silence never ends a lookup:
//! the servers are asked in turn until one gives a definite answer or the time is over (RFC 1034, 1035, 2308).

mod answer;
mod lookup;
mod server;
mod system;

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hickory_proto::rr::{Name, RData, RecordType};

use crate::address::{Endpoint, Host, words};
use crate::evidence;
use crate::fault::{Addressing, Failure, Fault, Named, Policy, Resolve};
use crate::net::verdict::Anchors;
use crate::net::{Attempt, sys};
use crate::phases::Phase;
use lookup::Lookup;
pub(crate) use system::System;

/// How names become addresses.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The name servers, asked in this order; without any, the system's, with its hosts file and search list.
    pub servers: Vec<Server>,
    /// Names with fixed addresses, in lower case without a final dot.
    pub hosts: HashMap<String, Vec<IpAddr>>,
    /// The address families, and which goes first.
    pub family: Family,
    /// Trust anchors for `tls://` and `https://` servers; the system's if absent.
    pub anchors: Option<Arc<Anchors>>,
}

/// Which address families are used, and in which order.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Family {
    /// Both; those without a route go last, IPv6 before IPv4 otherwise (RFC 6724 in short).
    #[default]
    Any,
    /// IPv4 only.
    Ipv4,
    /// IPv6 only.
    Ipv6,
    /// IPv4 first.
    PreferIpv4,
    /// IPv6 first.
    PreferIpv6,
}

impl Family {
    /// The record types to ask for.
    const fn types(self) -> &'static [RecordType] {
        match self {
            Self::Any | Self::PreferIpv6 => &[RecordType::AAAA, RecordType::A],
            Self::PreferIpv4 => &[RecordType::A, RecordType::AAAA],
            Self::Ipv4 => &[RecordType::A],
            Self::Ipv6 => &[RecordType::AAAA],
        }
    }

    const fn takes(self, address: IpAddr) -> bool {
        match self {
            Self::Any | Self::PreferIpv4 | Self::PreferIpv6 => true,
            Self::Ipv4 => address.is_ipv4(),
            Self::Ipv6 => address.is_ipv6(),
        }
    }

    /// Puts addresses in the order in which they are to be tried, keeping the servers' order within a family.
    fn sort(self, addresses: &mut [SocketAddr]) {
        match self {
            Self::Any => addresses.sort_by_cached_key(|address| (!has_route(*address), address.is_ipv4())),
            Self::PreferIpv4 => addresses.sort_by_key(SocketAddr::is_ipv6),
            Self::PreferIpv6 => addresses.sort_by_key(SocketAddr::is_ipv4),
            Self::Ipv4 | Self::Ipv6 => {}
        }
    }
}

/// Whether the kernel has a route: connecting a datagram socket asks it without sending anything.
fn has_route(address: SocketAddr) -> bool {
    let any: SocketAddr = if address.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0; 8], 0).into() };
    std::net::UdpSocket::bind(any).is_ok_and(|socket| socket.connect(address).is_ok())
}

/// A name server and how to speak to it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Server {
    /// UDP, and TCP where an answer is truncated: `127.0.0.1:5300`, `udp://…`.
    Udp(SocketAddr),
    /// TCP only: `tcp://…`.
    Tcp(SocketAddr),
    /// DNS over TLS (RFC 7858): `tls://dns.example.com`, port 853.
    Tls(Endpoint),
    /// DNS over HTTPS (RFC 8484): `https://dns.example.com/dns-query`.
    Https(url::Url),
}

impl FromStr for Server {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (scheme, rest) = text.split_once("://").unwrap_or(("udp", text));
        let endpoint = |port| Endpoint::parse(rest, Some(port)).map_err(|error| format!("`{text}`: {error}"));
        let literal = || {
            if let Some(zoned) = zoned(rest) {
                return zoned.map_err(|why| format!("`{text}`: {why}"));
            }
            let found = endpoint(53)?;
            found
                .literal()
                .ok_or_else(|| format!("`{text}`: a name server is given by its address, as in 192.0.2.53:53"))
        };
        match scheme {
            "udp" => literal().map(Self::Udp),
            "tcp" => literal().map(Self::Tcp),
            "tls" => {
                let endpoint = endpoint(853)?;
                check_name(&endpoint.host).map(|()| Self::Tls(endpoint))
            }
            "https" => {
                let mut url = url::Url::parse(text).map_err(|error| format!("`{text}`: {error}"))?;
                if !url.username().is_empty() || url.password().is_some() {
                    return Err("a name server takes no user name and password".to_owned());
                }
                if url.path() == "/" {
                    url.set_path("/dns-query");
                }
                Ok(Self::Https(url))
            }
            _ => {
                Err(format!("`{text}`: a name server is an address, or begins with udp://, tcp://, tls:// or https://"))
            }
        }
    }
}

/// An IPv6 address with the link that it is of (RFC 4007 section 11), with brackets and port or without; `None` if the
/// text is another one.
fn zoned(text: &str) -> Option<Result<SocketAddr, String>> {
    let (address, rest) = text.strip_prefix('[').unwrap_or(text).split_once('%')?;
    let address = address.parse().ok()?;
    let (zone, port) = if text.starts_with('[') { rest.split_once(']')? } else { (rest, "") };
    let port = match port.strip_prefix(':') {
        None if port.is_empty() => Some(53),
        digits => digits.and_then(|digits| digits.parse().ok()).filter(|port| *port != 0),
    };
    let Some(port) = port else { return Some(Err("the port is no number from 1 to 65535".to_owned())) };
    let index = zone.parse().ok().or_else(|| sys::interface_index(zone));
    let found = index.map(|index| SocketAddrV6::new(address, port, 0, index).into());
    Some(found.ok_or_else(|| format!("this host has no interface `{zone}`")))
}

impl fmt::Display for Server {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Udp(address) => address.fmt(formatter),
            Self::Tcp(address) => write!(formatter, "tcp://{address}"),
            Self::Tls(endpoint) => write!(formatter, "tls://{endpoint}"),
            Self::Https(url) => url.fmt(formatter),
        }
    }
}

/// How long one server is waited for before the next is asked: resolv.conf's own default.
const DEFAULT_INTERVAL: Duration = Duration::from_secs(5);

fn address_of(data: &RData) -> Option<IpAddr> {
    match data {
        RData::A(address) => Some(address.0.into()),
        RData::AAAA(address) => Some(address.0.into()),
        _ => None,
    }
}

impl Attempt<'_> {
    /// The addresses of an endpoint that may be contacted, in the order in which to try them; never none.
    pub(crate) async fn resolve(&mut self, endpoint: &Endpoint) -> Result<Vec<SocketAddr>, Failure> {
        self.addresses_of(endpoint).await.map_err(|failure| failure.map(Fault::from))
    }

    /// The same where the book gives a lookup a time of its own.
    pub(crate) async fn resolve_within(
        &mut self,
        endpoint: &Endpoint,
        limit: Duration,
    ) -> Result<Vec<SocketAddr>, Failure> {
        let run = self.deadline;
        let own = Instant::now() + limit;
        self.deadline = run.min(own);
        let result = self.resolve(endpoint).await;
        self.deadline = run;
        result.map_err(|failure| match failure.fault {
            Fault::Resolve(Resolve::TimedOut) if own < run => {
                let detail = format!("{}; a lookup may take {limit:?}", failure.detail);
                Failure { fault: Resolve::TooSlow.into(), detail, ..failure }
            }
            _ => failure,
        })
    }

    /// The same for a protocol that has no connections, whose faults are fewer.
    pub(crate) async fn addresses_of(&mut self, endpoint: &Endpoint) -> Result<Vec<SocketAddr>, Failure<Addressing>> {
        // Nobody is met yet on the way to this one.
        self.remote = None;
        let addresses = match &endpoint.host {
            Host::Address(address) => vec![*address],
            Host::Name(name) => {
                let begun = self.enter(Phase::Resolve);
                let shown = self.conditions.secrets.strike(name);
                tracing::debug!(target: "conversation", "* resolving {shown}");
                let result = self.look_up(name, self.deadline).await;
                self.leave(Phase::Resolve, begun);
                let found = result?;
                // An answer that comes with the end of the run leaves no time for anything else.
                if self.time_left().is_zero() {
                    let detail = format!("{shown} was found when the time was over");
                    return Err(Failure::new(Resolve::TimedOut, detail));
                }
                found
            }
        };
        let mut addresses: Vec<_> =
            addresses.into_iter().map(|ip| SocketAddr::new(ip.to_canonical(), endpoint.port)).collect();
        self.conditions.resolver.family.sort(&mut addresses);
        self.permit(endpoint, addresses)
    }

    /// Judges the host of a target before anything else is looked at, if it is a literal address.
    pub(crate) fn permit_literal(&mut self, endpoint: Option<&Endpoint>) -> Result<(), Failure> {
        let Some((endpoint, address)) = endpoint.and_then(|endpoint| Some((endpoint, endpoint.literal()?))) else {
            return Ok(());
        };
        let noted = self.evidence.addresses.len();
        self.permit(endpoint, vec![address]).map_err(|failure| failure.map(Fault::from))?;
        self.evidence.addresses.truncate(noted);
        Ok(())
    }

    /// The addresses of a host beside the target's, by the same ways and under the same policy. Nothing of it is a phase
    /// or evidence of the run.
    pub(crate) async fn addresses_beside(
        &self,
        endpoint: &Endpoint,
        deadline: Instant,
    ) -> Result<Vec<SocketAddr>, Failure<Addressing>> {
        let settings = &self.conditions.resolver;
        let addresses = match &endpoint.host {
            Host::Address(address) => vec![*address],
            Host::Name(name) => match settings.hosts.get(name.trim_end_matches('.')) {
                Some(fixed) => fixed_addresses(name, fixed, settings.family)?,
                None => Lookup::new(self.host, settings, &self.conditions.secrets, self.started, deadline)
                    .addresses(name, &mut evidence::Dns::default())
                    .await
                    .map_err(|trouble| trouble.failure(name))?,
            },
        };
        let mut addresses: Vec<_> = addresses.into_iter().map(|ip| SocketAddr::new(ip, endpoint.port)).collect();
        settings.family.sort(&mut addresses);
        let permitted = |address: &SocketAddr| self.host.policy.judge(*address, self.conditions.demand).is_ok();
        addresses.retain(permitted);
        if addresses.is_empty() {
            let detail = format!("the address policy forbids every address of {endpoint}");
            return Err(Failure::new(Policy::Forbidden, detail));
        }
        Ok(addresses)
    }

    /// Drops what the policy forbids; a forbidden address among good ones is skipped and noted.
    fn permit(
        &mut self,
        endpoint: &Endpoint,
        addresses: Vec<SocketAddr>,
    ) -> Result<Vec<SocketAddr>, Failure<Addressing>> {
        let mut reason = None;
        let mut permitted = Vec::with_capacity(addresses.len());
        for address in addresses {
            match self.host.policy.judge(address, self.conditions.demand) {
                Ok(()) => permitted.push(address),
                Err(refusal) => {
                    self.evidence.addresses.push(evidence::Address {
                        ip: address.ip(),
                        cause: Some(Policy::Forbidden.name()),
                        phases: crate::phases::Phases::default(),
                    });
                    let address = words(address);
                    reason = Some(format!("{endpoint} is not contacted: {address} is {refusal}"));
                }
            }
        }
        match reason {
            Some(reason) if permitted.is_empty() => Err(Failure::new(Policy::Forbidden, reason)),
            _ => Ok(permitted),
        }
    }

    /// Looks a name up; the answer of every server asked goes into the evidence.
    async fn look_up(&mut self, name: &str, deadline: Instant) -> Result<Vec<IpAddr>, Failure<Addressing>> {
        let settings = &self.conditions.resolver;
        if let Some(fixed) = settings.hosts.get(name.trim_end_matches('.')) {
            return fixed_addresses(name, fixed, settings.family);
        }
        let mut asked = evidence::Dns { name: name.to_owned(), ..evidence::Dns::default() };
        let result = Lookup::new(self.host, settings, &self.conditions.secrets, self.started, deadline)
            .addresses(name, &mut asked)
            .await;
        if !asked.servers.is_empty() {
            self.evidence.dns = Some(asked);
        }
        result.map_err(|trouble| trouble.failure(name))
    }
}

/// The 255 octets that a name may have, without the length of its first label and the root.
const LONGEST_NAME: usize = 253;

/// What is wrong with a host that no name server can be asked for: an empty label, or one of more than 63 octets, or more
/// than 255 in all (RFC 1035 section 2.3.4).
pub fn check_name(host: &Host) -> Result<(), String> {
    match host {
        Host::Address(_) => Ok(()),
        Host::Name(name) => Name::from_ascii(name).map(drop).map_err(|error| {
            let labels = host.without_dot();
            let why = match labels.split('.').map(str::len).max() {
                _ if labels.split('.').any(str::is_empty) => "it has an empty label".to_owned(),
                Some(64..) => "a label has at most 63 bytes".to_owned(),
                _ if labels.len() > LONGEST_NAME => format!("a name has at most {LONGEST_NAME} bytes"),
                _ => error.to_string(),
            };
            format!("`{name}` is no name that can be asked for: {why}")
        }),
    }
}

fn fixed_addresses(name: &str, fixed: &[IpAddr], family: Family) -> Result<Vec<IpAddr>, Failure<Addressing>> {
    let usable: Vec<_> = fixed.iter().copied().filter(|address| family.takes(*address)).collect();
    if usable.is_empty() {
        let detail = format!("{name} has no address of the wanted family in the hosts of the task");
        return Err(Failure::new(Resolve::Nodata, detail));
    }
    Ok(usable)
}

/// What came of asking, before it is told to a person.
#[derive(Clone, Debug)]
struct Trouble {
    fault: Resolve,
    detail: String,
    errno: Option<i32>,
}

impl Trouble {
    fn new(fault: Resolve, detail: impl Into<String>) -> Self {
        Self { fault, detail: detail.into(), errno: None }
    }

    fn failure(self, name: &str) -> Failure<Addressing> {
        let detail = format!("{name}: {}", self.detail);
        Failure::new(self.fault, detail).with_errno(self.errno)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_read_and_printed_alike() {
        let rows = [
            ("127.0.0.1:5300", "127.0.0.1:5300"),
            ("127.0.0.1", "127.0.0.1:53"),
            ("udp://[::1]:53", "[::1]:53"),
            ("tcp://127.0.0.1", "tcp://127.0.0.1:53"),
            ("tls://dns.test", "tls://dns.test:853"),
            ("https://dns.test", "https://dns.test/dns-query"),
            ("https://dns.test:8443/q", "https://dns.test:8443/q"),
        ];
        for (text, printed) in rows {
            assert_eq!(text.parse::<Server>().map(|server| server.to_string()), Ok(printed.to_owned()));
        }
        for text in ["dns.test", "quic://127.0.0.1", "127.0.0.1:0", "tls://"] {
            assert!(text.parse::<Server>().is_err(), "{text}");
        }
    }

    #[test]
    fn families_order_addresses() {
        let mut addresses: Vec<SocketAddr> = vec![([127, 0, 0, 1], 1).into(), ([0, 0, 0, 0, 0, 0, 0, 1], 1).into()];
        Family::PreferIpv6.sort(&mut addresses);
        assert!(addresses[0].is_ipv6());
        Family::PreferIpv4.sort(&mut addresses);
        assert!(addresses[0].is_ipv4());
    }
}
