//! The table `[resolver]`: a host's, and with the same keys a task's own, `[task.resolver]`.

use std::collections::HashMap;
use std::net::IpAddr;

use probes::net::resolve::{Family, Server, Settings};

use crate::reader::{Item, Table, quoted};

/// Reads the table; a key that is absent is as the host has it.
pub fn read(table: &Table<'_>, host: &Settings) -> Settings {
    let servers = table.take("servers").and_then(|item| item.items());
    let servers = servers.map(|items| items.iter().filter_map(|item| item.parsed(str::parse::<Server>)).collect());
    let hosts = table.table("hosts").map(|hosts| read_hosts(hosts));
    let family = table.parsed("family", |text| match text {
        "any" => Ok(Family::Any),
        "ipv4" => Ok(Family::Ipv4),
        "ipv6" => Ok(Family::Ipv6),
        "prefer-ipv4" => Ok(Family::PreferIpv4),
        "prefer-ipv6" => Ok(Family::PreferIpv6),
        _ => Err(format!("`{text}` is none of any, ipv4, ipv6, prefer-ipv4, prefer-ipv6")),
    });
    Settings {
        servers: servers.unwrap_or_else(|| host.servers.clone()),
        hosts: hosts.unwrap_or_else(|| host.hosts.clone()),
        family: family.unwrap_or(host.family),
        anchors: None,
    }
}

/// The keys that say something, each with its value as TOML has it.
pub fn written(table: &Table<'_>) -> Vec<(String, String)> {
    let text = |item: &Item<'_>| item.reference().or_else(|| item.text().map(|text| quoted(&text.value)));
    let list = |items: &[Item<'_>]| format!("[{}]", items.iter().filter_map(text).collect::<Vec<_>>().join(", "));
    let mut written = Vec::new();
    if let Some(servers) = table.take("servers").and_then(|item| item.items()).filter(|servers| !servers.is_empty()) {
        written.push(("servers".to_owned(), list(&servers)));
    }
    let hosts = table.table("hosts").map(Table::entries).unwrap_or_default();
    if !hosts.is_empty() {
        let host =
            |(name, item): &(&str, Item<'_>)| format!("{} = {}", quoted(name), list(&item.items().unwrap_or_default()));
        let hosts: Vec<_> = hosts.iter().map(host).collect();
        written.push(("hosts".to_owned(), format!("{{ {} }}", hosts.join(", "))));
    }
    let family = table.take("family").as_ref().and_then(text).filter(|family| family != "\"any\"");
    written.extend(family.map(|family| ("family".to_owned(), family)));
    written
}

fn read_hosts(table: Table<'_>) -> HashMap<String, Vec<IpAddr>> {
    let mut hosts = HashMap::new();
    for (name, item) in table.entries() {
        // The same reading as a target's host gets, so that the two meet.
        let key = match probes::address::Host::parse(name) {
            Ok(probes::address::Host::Name(name)) => name.trim_end_matches('.').to_owned(),
            Ok(probes::address::Host::Address(_)) | Err(_) => {
                item.fail_name(format!("`{name}` is no host name"), "as in \"shop.example.com\" = [\"192.0.2.7\"]");
                continue;
            }
        };
        hosts.insert(key, addresses(&item));
    }
    hosts
}

fn addresses(item: &Item<'_>) -> Vec<IpAddr> {
    let items = item.items().unwrap_or_default();
    if items.is_empty() {
        item.fail("a host needs at least one address, as in [\"192.0.2.7\"]");
    }
    let address = |item: &Item<'_>| item.parsed(|text| text.parse().map_err(|_| format!("`{text}` is no IP address")));
    items.iter().filter_map(address).collect()
}
