//! The prober `icmp`: one echo request.

use super::network;
use super::node::Map;
use super::written::{Place, Written, duration};

/// The data of a request where the module says nothing: a sentence.
const DATA: i64 = 28;

pub(super) fn read(options: &Map<'_>, written: &mut Written) {
    network::read(options, written);
    network::source(options, written);
    written.set(Place::Protocol, "count", "1");
    let wait = duration(written.timeout());
    written.set(Place::Protocol, "wait", wait);
    let size = options.take("payload_size").and_then(|node| node.integer()).filter(|size| *size != 0);
    written.set(Place::Protocol, "size", size.unwrap_or(DATA).to_string());
    if let Some(ttl) = options.take("ttl").and_then(|node| node.integer()).filter(|ttl| *ttl != 0) {
        written.set(Place::Protocol, "ttl", ttl.to_string());
    }
    if options.flag("dont_fragment") {
        written.set(Place::Protocol, "dont_fragment", "true");
    }
}
