//! What all probers have in common: the family of addresses, and where packets come from.

use super::node::{Map, Node};
use super::written::{Place, Written};

/// Reads the options on addresses.
pub(super) fn read(options: &Map<'_>, written: &mut Written) {
    let fallback = options.take("ip_protocol_fallback").and_then(|node| node.boolean()).unwrap_or(true);
    let preferred = options.take("preferred_ip_protocol");
    let family = match (preferred.as_ref().and_then(Node::text).as_deref(), fallback) {
        (None | Some("" | "ip6"), true) => "prefer-ipv6",
        (None | Some("" | "ip6"), false) => "ipv6",
        (Some("ip4"), true) => "prefer-ipv4",
        (Some("ip4"), false) => "ipv4",
        (Some(other), _) => {
            if let Some(node) = &preferred {
                node.stop(format!("`{other}` is neither ip4 nor ip6"));
            }
            return;
        }
    };
    written.set_text(Place::Resolver, "family", family);
}

/// Reads the source address, which not every prober has.
pub(super) fn source(options: &Map<'_>, written: &mut Written) {
    if let Some(address) = options.text("source_ip_address") {
        written.set_text(Place::Task, "source_ip", &address);
    }
}
