//! The address policy: which addresses a probe may contact.
//!
//! An address is internal unless the IANA special-purpose registries call it globally reachable. What is judged is
//! the parsed address, never its spelling, and with it any IPv4 address that an IPv6 form carries inside.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

/// What the host says about internal addresses that no entry names.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Internal {
    /// Allowed for targets of local files and of the command line, denied for targets from the network.
    #[default]
    Local,
    /// Allowed for all.
    Allow,
    /// Denied for all.
    Deny,
}

/// The host's policy.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// For internal addresses without an entry.
    pub internal: Internal,
    /// Allowed although internal.
    pub allow: Vec<Entry>,
    /// Denied, internal or not.
    pub deny: Vec<Entry>,
}

/// Where a target came from and what its task says: a task can only make the policy stricter.
#[derive(Clone, Copy, Debug, Default)]
pub struct Demand {
    /// The task or the command line denies internal addresses.
    pub deny_internal: bool,
    /// The target reached the agent over the network.
    pub from_network: bool,
}

/// Why an address is forbidden.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Refusal {
    /// The task or the command line denies internal addresses, and this is one.
    Demanded,
    /// An entry of the deny list matches.
    Denied(Entry),
    /// The host denies internal addresses, and this is one.
    Internal,
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Demanded => formatter.write_str("an internal address, which the task or the command line denies"),
            Self::Denied(entry) => write!(formatter, "denied by the policy entry {entry}"),
            Self::Internal => formatter.write_str("an internal address, which the policy of this host denies"),
        }
    }
}

impl Policy {
    /// Judges one address. The order: the task's own demand, a `deny` entry, an `allow` entry, then `internal`.
    pub fn judge(&self, address: SocketAddr, demand: Demand) -> Result<(), Refusal> {
        let forms = forms(address.ip());
        let internal = forms.iter().any(|form| is_internal(*form));
        let find = |entries: &[Entry]| {
            entries.iter().find(|entry| forms.iter().any(|form| entry.matches(*form, address.port()))).cloned()
        };
        if internal && demand.deny_internal {
            return Err(Refusal::Demanded);
        }
        if let Some(entry) = find(&self.deny) {
            return Err(Refusal::Denied(entry));
        }
        let allowed = match self.internal {
            Internal::Allow => true,
            Internal::Deny => false,
            Internal::Local => !demand.from_network,
        };
        if internal && !allowed && find(&self.allow).is_none() {
            return Err(Refusal::Internal);
        }
        Ok(())
    }

    /// Whether some internal address is forbidden under this demand, so that names must be resolved and judged here
    /// even where a proxy would do it.
    #[must_use]
    pub fn may_forbid(&self, demand: Demand) -> bool {
        demand.deny_internal
            || !self.deny.is_empty()
            || match self.internal {
                Internal::Allow => false,
                Internal::Deny => true,
                Internal::Local => demand.from_network,
            }
    }
}

/// A network with an optional port: `10.1.0.0/16:443`, `[fd00::]/8:25`, `192.0.2.1`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    network: IpAddr,
    prefix: u8,
    port: Option<u16>,
}

impl Entry {
    fn matches(&self, address: IpAddr, port: u16) -> bool {
        let same = match (self.network, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => within_v4(address, network, self.prefix),
            (IpAddr::V6(network), IpAddr::V6(address)) => within_v6(address, network, self.prefix),
            _ => false,
        };
        same && self.port.is_none_or(|only| only == port)
    }
}

impl FromStr for Entry {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("`{text}` is no network such as 10.1.0.0/16, 10.1.0.0/16:443, fd00::/8 or [fd00::]/8:443");
        let (network, rest) = match text.split_once('/') {
            Some((network, rest)) => (network, Some(rest)),
            None => (text, None),
        };
        let (network, port_of_address) = match network.strip_prefix('[') {
            Some(bracketed) => {
                let (inner, after) = bracketed.split_once(']').ok_or_else(bad)?;
                (inner, after.strip_prefix(':'))
            }
            None if network.contains('.') => match network.split_once(':') {
                Some((inner, port)) => (inner, Some(port)),
                None => (network, None),
            },
            None => (network, None),
        };
        let network: IpAddr = network.parse().map_err(|_| bad())?;
        let longest = if network.is_ipv4() { 32 } else { 128 };
        let (prefix, port) = match rest {
            Some(rest) => match rest.split_once(':') {
                Some((prefix, port)) => (prefix.parse().map_err(|_| bad())?, Some(port)),
                None => (rest.parse().map_err(|_| bad())?, None),
            },
            None => (longest, port_of_address),
        };
        if prefix > longest {
            return Err(bad());
        }
        let port = port.map(|port| port.parse::<u16>().map_err(|_| bad())).transpose()?;
        Ok(Self { network, prefix, port })
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.network, self.port) {
            (IpAddr::V6(network), Some(port)) => write!(formatter, "[{network}]/{}:{port}", self.prefix),
            (network, Some(port)) => write!(formatter, "{network}/{}:{port}", self.prefix),
            (network, None) => write!(formatter, "{network}/{}", self.prefix),
        }
    }
}

/// The address itself and the IPv4 address it carries inside: mapped (RFC 4291), NAT64 (RFC 6052), or the
/// long-deprecated compatible form. A mapped address *is* the IPv4 address, so only that one is judged.
fn forms(address: IpAddr) -> Vec<IpAddr> {
    let IpAddr::V6(v6) = address else { return vec![address] };
    if let Some(v4) = v6.to_ipv4_mapped() {
        return vec![v4.into()];
    }
    let [high @ .., seventh, eighth] = v6.segments();
    let carries = high == [0x64, 0xff9b, 0, 0, 0, 0] || (high == [0; 6] && v6 > Ipv6Addr::LOCALHOST);
    if carries {
        let v4 = Ipv4Addr::from((u32::from(seventh) << 16) | u32::from(eighth));
        return vec![v4.into(), address];
    }
    vec![address]
}

fn is_internal(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => INTERNAL_V4.iter().any(|(network, prefix)| within_v4(address, *network, *prefix)),
        IpAddr::V6(address) => INTERNAL_V6.iter().any(|(network, prefix)| within_v6(address, *network, *prefix)),
    }
}

const INTERNAL_V4: [(Ipv4Addr, u8); 15] = [
    (Ipv4Addr::UNSPECIFIED, 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
];

const INTERNAL_V6: [(Ipv6Addr, u8); 13] = [
    (Ipv6Addr::UNSPECIFIED, 128),
    (Ipv6Addr::LOCALHOST, 128),
    (Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, 0, 0), 48),
    (Ipv6Addr::new(0x100, 0, 0, 0, 0, 0, 0, 0), 64),
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
    (Ipv6Addr::new(0x5f00, 0, 0, 0, 0, 0, 0, 0), 16),
    (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7),
    (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10),
    (Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 0), 10),
    (Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8),
];

fn within_v4(address: Ipv4Addr, network: Ipv4Addr, prefix: u8) -> bool {
    let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
    address.to_bits() & mask == network.to_bits() & mask
}

fn within_v6(address: Ipv6Addr, network: Ipv6Addr, prefix: u8) -> bool {
    let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
    address.to_bits() & mask == network.to_bits() & mask
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(policy: &Policy, demand: Demand, address: &str) -> Result<(), Refusal> {
        policy.judge(SocketAddr::new(address.parse().expect("an address"), 80), demand)
    }

    #[test]
    fn the_edges_of_every_internal_range() {
        let deny = Policy { internal: Internal::Deny, ..Policy::default() };
        let internal = [
            "0.0.0.0",
            "10.255.255.255",
            "100.64.0.0",
            "100.127.255.255",
            "127.0.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:10.0.0.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::8.8.8.8",
            "100::1",
            "2001::1",
            "2001:1ff::1",
            "2001:db8::1",
            "2002::1",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fdff::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "::127.0.0.1",
        ];
        for address in internal {
            assert_eq!(judge(&deny, Demand::default(), address), Err(Refusal::Internal), "{address}");
        }
        let global = [
            "1.0.0.0",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.1",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.0.3.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
            "2001:200::1",
            "2003::1",
            "2a00::1",
            "2001:4860:4860::8888",
        ];
        for address in global {
            assert_eq!(judge(&deny, Demand::default(), address), Ok(()), "{address}");
        }
    }

    #[test]
    fn the_order_is_demand_deny_allow_internal() {
        let entry = |text: &str| text.parse::<Entry>().expect("an entry");
        let policy = Policy {
            internal: Internal::Deny,
            allow: vec![entry("10.0.0.0/8:80"), entry("127.0.0.0/8:81")],
            deny: vec![entry("10.1.0.0/16"), entry("8.8.8.8")],
        };
        let strict = Demand { deny_internal: true, from_network: false };
        assert_eq!(judge(&policy, Demand::default(), "10.2.0.1"), Ok(()));
        assert_eq!(judge(&policy, strict, "10.2.0.1"), Err(Refusal::Demanded));
        assert_eq!(judge(&policy, Demand::default(), "10.1.0.1"), Err(Refusal::Denied(entry("10.1.0.0/16"))));
        assert_eq!(judge(&policy, Demand::default(), "::ffff:10.1.0.1"), Err(Refusal::Denied(entry("10.1.0.0/16"))));
        assert_eq!(judge(&policy, Demand::default(), "127.0.0.1"), Err(Refusal::Internal));
        assert_eq!(judge(&policy, strict, "8.8.8.8"), Err(Refusal::Denied(entry("8.8.8.8"))));
        assert_eq!(judge(&policy, strict, "8.8.4.4"), Ok(()));
    }

    #[test]
    fn local_allows_files_and_denies_the_network() {
        let policy = Policy::default();
        assert_eq!(judge(&policy, Demand::default(), "10.0.0.1"), Ok(()));
        let demand = Demand { from_network: true, ..Demand::default() };
        assert_eq!(judge(&policy, demand, "10.0.0.1"), Err(Refusal::Internal));
    }

    #[test]
    fn entries_print_as_they_read() {
        for text in ["10.1.0.0/16:443", "169.254.169.254/32", "fd00::/8", "[fd00::]/8:25"] {
            assert_eq!(text.parse::<Entry>().map(|entry| entry.to_string()), Ok(text.to_owned()));
        }
        assert_eq!("10.0.0.1:80".parse::<Entry>().map(|entry| entry.to_string()), Ok("10.0.0.1/32:80".to_owned()));
        for text in ["10.0.0.0/33", "10.0.0/8", "host/8", "fd00::/129", "10.0.0.0/8:x", ""] {
            assert!(text.parse::<Entry>().is_err(), "{text}");
        }
    }
}
