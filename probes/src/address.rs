//! Hosts and ports as users write them, read the way browsers and curl read them (WHATWG URL, "host parsing").
//!
//! Every host of every protocol goes through [`Host::parse`], so that `0x7f.1`, `2130706433` and `１２７.0.0.1` are
//! 127.0.0.1 before anyone judges them.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// A host: a name to look up, or a literal address.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Host {
    /// A DNS name in its ASCII form, lower case; a final dot is kept and means that it is absolute.
    Name(String),
    /// A literal address, whatever its spelling was.
    Address(IpAddr),
}

impl Host {
    /// Reads a host; IPv6 addresses stand in brackets or not.
    pub fn parse(text: &str) -> Result<Self, url::ParseError> {
        if let Ok(address) = text.parse::<std::net::Ipv6Addr>() {
            return Ok(Self::Address(address.into()));
        }
        url::Host::parse(text).map(Self::from)
    }

    /// The name without a final dot, as TLS and hosts tables want it.
    #[must_use]
    pub fn without_dot(&self) -> String {
        match self {
            Self::Name(name) => name.strip_suffix('.').unwrap_or(name).to_owned(),
            Self::Address(address) => address.to_string(),
        }
    }
}

impl<S: AsRef<str>> From<url::Host<S>> for Host {
    fn from(host: url::Host<S>) -> Self {
        match host {
            url::Host::Domain(name) => Self::Name(name.as_ref().to_owned()),
            url::Host::Ipv4(address) => Self::Address(address.into()),
            url::Host::Ipv6(address) => Self::Address(address.into()),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => formatter.write_str(name),
            Self::Address(IpAddr::V4(address)) => address.fmt(formatter),
            Self::Address(IpAddr::V6(address)) => write!(formatter, "[{address}]"),
        }
    }
}

/// A host and a port.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Endpoint {
    /// The host.
    pub host: Host,
    /// The port; zero where the protocol has none.
    pub port: u16,
}

impl Endpoint {
    /// Reads `host:port`, `[v6]:port`, or a host alone where there is a default port.
    pub fn parse(text: &str, default_port: Option<u16>) -> Result<Self, EndpointError> {
        let (host, port) = split_port(text);
        let port = match port {
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                digits.parse().ok().filter(|port| *port != 0).ok_or(EndpointError::Port)?
            }
            Some(_) => return Err(EndpointError::Port),
            None => default_port.ok_or(EndpointError::NoPort)?,
        };
        Ok(Self { host: Host::parse(host).map_err(EndpointError::Host)?, port })
    }

    /// The endpoint of a URL of a scheme with a known port.
    #[must_use]
    pub fn of_url(url: &url::Url) -> Option<Self> {
        Some(Self { host: url.host()?.into(), port: url.port_or_known_default()? })
    }

    /// The socket address, if the host is a literal one.
    #[must_use]
    pub const fn literal(&self) -> Option<SocketAddr> {
        match self.host {
            Host::Address(address) => Some(SocketAddr::new(address, self.port)),
            Host::Name(_) => None,
        }
    }
}

/// Splits off what follows the last colon, unless the whole is a bare IPv6 address.
fn split_port(text: &str) -> (&str, Option<&str>) {
    if text.parse::<std::net::Ipv6Addr>().is_ok() {
        return (text, None);
    }
    match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (text, None),
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            0 => self.host.fmt(formatter),
            port => write!(formatter, "{}:{port}", self.host),
        }
    }
}

/// An address for people, without a port where the protocol has none.
#[must_use]
pub fn words(address: SocketAddr) -> String {
    if address.port() == 0 { address.ip().to_string() } else { address.to_string() }
}

/// Why a text is no endpoint.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum EndpointError {
    /// The host is no name and no address.
    Host(url::ParseError),
    /// The port is no number from 1 to 65535.
    Port,
    /// The port is missing and the protocol has no usual one.
    NoPort,
}

impl fmt::Display for EndpointError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(error) => write!(formatter, "the host is not usable: {error}"),
            Self::Port => formatter.write_str("the port is no number from 1 to 65535"),
            Self::NoPort => formatter.write_str("the port is missing"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_an_address_is_that_address() {
        for text in
            ["127.0.0.1", "127.1", "0x7f.1", "2130706433", "017700000001", "127.0.0.1.", "１２７.0.0.1", "127%2e0.0.1"]
        {
            assert_eq!(Host::parse(text), Ok(Host::Address([127, 0, 0, 1].into())), "{text}");
        }
        assert_eq!(Host::parse("[::1]"), Host::parse("::1"));
    }

    #[test]
    fn endpoints_are_a_host_and_a_port() {
        let rows = [
            ("host.test:25", "host.test:25"),
            ("[::1]:25", "[::1]:25"),
            ("::1", "[::1]:7"),
            ("[::1]", "[::1]:7"),
            ("host.test", "host.test:7"),
        ];
        for (text, whole) in rows {
            assert_eq!(Endpoint::parse(text, Some(7)).map(|endpoint| endpoint.to_string()), Ok(whole.to_owned()));
        }
        assert_eq!(Endpoint::parse("host", None), Err(EndpointError::NoPort));
        for text in ["host:0", "host:65536", "host:", "host:+1", "host:x"] {
            assert_eq!(Endpoint::parse(text, Some(7)), Err(EndpointError::Port), "{text}");
        }
        assert!(matches!(Endpoint::parse(":80", None), Err(EndpointError::Host(_))));
    }
}
