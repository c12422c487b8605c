//! The name service of the system, as /etc/resolv.conf (resolv.conf(5)) and /etc/hosts say.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use hickory_proto::op::Query;
use hickory_proto::rr::{Name, RecordType};
use hickory_resolver::Hosts;

use super::{DEFAULT_INTERVAL, Family, Server, address_of, zoned};

/// The name service of the system: /etc/resolv.conf and /etc/hosts.
#[derive(Debug)]
pub(crate) struct System {
    hosts: Hosts,
    pub(super) servers: Vec<Server>,
    search: Vec<Name>,
    ndots: usize,
    pub(super) interval: Duration,
}

impl System {
    /// Reads both files; what the C library takes for granted stands in for what is missing.
    pub(crate) fn read() -> Self {
        let hosts = Hosts::from_system().unwrap_or_default();
        let text = std::fs::read(RESOLV_CONF).unwrap_or_else(|error| {
            tracing::warn!("{RESOLV_CONF}: {error}; asking 127.0.0.1");
            Vec::new()
        });
        let (servers, rest) = name_servers(&String::from_utf8_lossy(&text));
        match hickory_resolver::system_conf::parse_resolv_conf(rest) {
            Ok((config, options)) => Self {
                hosts,
                servers,
                search: config.search().to_vec(),
                ndots: options.ndots,
                interval: options.timeout,
            },
            Err(error) => {
                tracing::warn!("{RESOLV_CONF}: {error}; there is no search list");
                Self { hosts, servers, search: Vec::new(), ndots: 1, interval: DEFAULT_INTERVAL }
            }
        }
    }

    pub(super) fn lookup_hosts(&self, name: &Name, family: Family) -> Vec<IpAddr> {
        let of_type =
            |record_type: &RecordType| self.hosts.lookup_static_host(&Query::query(name.clone(), *record_type));
        let records = family.types().iter().filter_map(of_type);
        records
            .flat_map(|lookup| {
                lookup.answers().iter().filter_map(|record| address_of(&record.data)).collect::<Vec<_>>()
            })
            .collect()
    }

    /// The absolute names to ask for, in the order of resolv.conf(5): as it is first when it has enough dots.
    pub(super) fn candidates(&self, name: &Name) -> Vec<Name> {
        if name.is_fqdn() {
            return vec![name.clone()];
        }
        let absolute = |name: &Name| {
            let mut name = name.clone();
            name.set_fqdn(true);
            name
        };
        let searched = self.search.iter().filter_map(|domain| name.clone().append_domain(&absolute(domain)).ok());
        let dots = usize::from(name.num_labels()).saturating_sub(1);
        if dots >= self.ndots {
            std::iter::once(absolute(name)).chain(searched).collect()
        } else {
            searched.chain(std::iter::once(absolute(name))).collect()
        }
    }
}

const RESOLV_CONF: &str = "/etc/resolv.conf";

/// The name servers of a resolv.conf, and the text without them: the library knows neither the links of addresses nor
/// `use-vc` (resolv.conf(5)), and takes no text without a server.
fn name_servers(text: &str) -> (Vec<Server>, String) {
    let words = |line: &'_ str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let use_vc = text.lines().map(words).any(|words| {
        words
            .split_first()
            .is_some_and(|(key, values)| key == "options" && values.iter().any(|value| value == "use-vc"))
    });
    let (mut servers, mut rest) = (Vec::new(), String::from("nameserver 127.0.0.1\n"));
    for line in text.lines() {
        match words(line).as_slice() {
            [key, server, ..] if key == "nameserver" => match address_of_server(server) {
                Ok(address) if use_vc => servers.push(Server::Tcp(address)),
                Ok(address) => servers.push(Server::Udp(address)),
                Err(why) => tracing::warn!("{RESOLV_CONF}: the name server {server} is left out: {why}"),
            },
            _ => rest.extend([line, "\n"]),
        }
    }
    if servers.is_empty() {
        let own = (Ipv4Addr::LOCALHOST, 53).into();
        servers.push(if use_vc { Server::Tcp(own) } else { Server::Udp(own) });
    }
    (servers, rest)
}

fn address_of_server(text: &str) -> Result<SocketAddr, String> {
    let plain = || text.parse().map(|ip| SocketAddr::new(ip, 53)).map_err(|_| "it is no IP address".to_owned());
    zoned(text).unwrap_or_else(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_search_list_is_used_as_resolv_conf_says() {
        let name = |text: &str| Name::from_ascii(text).expect("a name");
        let system = System {
            hosts: Hosts::default(),
            servers: Vec::new(),
            search: vec![name("corp.test"), name("test.")],
            ndots: 2,
            interval: DEFAULT_INTERVAL,
        };
        let candidates = |text| system.candidates(&name(text)).iter().map(Name::to_ascii).collect::<Vec<_>>();
        assert_eq!(candidates("a"), ["a.corp.test.", "a.test.", "a."]);
        assert_eq!(candidates("a.b"), ["a.b.corp.test.", "a.b.test.", "a.b."]);
        assert_eq!(candidates("a.b.c"), ["a.b.c.", "a.b.c.corp.test.", "a.b.c.test."]);
        assert_eq!(candidates("a."), ["a."]);
    }

    #[test]
    fn name_servers_of_the_system_have_links_and_ways() {
        let read = |text| {
            let (servers, rest) = name_servers(text);
            (servers.iter().map(Server::to_string).collect::<Vec<_>>(), rest)
        };
        let text = "nameserver fe80::1%lo\nnameserver fe80::1%no-such-link\nsearch a.test\nnameserver 192.0.2.1 # x\n";
        let (servers, rest) = read(text);
        assert_eq!(servers, ["[fe80::1%1]:53", "192.0.2.1:53"]);
        assert_eq!(rest, "nameserver 127.0.0.1\nsearch a.test\n");
        assert_eq!(read("options rotate use-vc\nnameserver 192.0.2.1").0, ["tcp://192.0.2.1:53"]);
        assert_eq!(read("").0, ["127.0.0.1:53"]);
    }
}
