//! The prober `dns`: the target is the server.

use super::node::{Map, Node};
use super::written::{Place, Written, list};
use super::{network, tls};

/// The sections whose records can be judged there.
const SECTIONS: [&str; 3] = ["validate_answer_rrs", "validate_authority_rrs", "validate_additional_rrs"];

pub(super) fn read(options: &Map<'_>, written: &mut Written, module: &Map<'_>) {
    written.remark("Unlike there an answer without any record of the type is a failure, and a truncated one is asked for again by TCP.");
    network::read(options, written);
    network::source(options, written);
    match options.text("query_name") {
        Some(name) => written.set_text(Place::Protocol, "query", &name),
        None => module.stop("a module with the prober dns needs a `query_name`".to_owned()),
    }
    written.set_text(Place::Protocol, "type", options.text("query_type").as_deref().unwrap_or("ANY"));
    if let Some(class) = options.take("query_class")
        && class.text().is_some_and(|text| !matches!(text.as_str(), "" | "IN"))
    {
        class.stop("a class other than IN has no counterpart in the agent".to_owned());
    }
    if options.take("recursion_desired").and_then(|node| node.boolean()) == Some(false) {
        written.set(Place::Protocol, "recursion", "false");
    }
    read_transport(options, written);
    if let Some(node) = options.take("valid_rcodes")
        && let Some(rcodes) = node.list()
    {
        let names: Vec<String> = rcodes.iter().filter_map(Node::text).collect();
        if node.is_empty_list() {
            node.stop("with an empty list of `valid_rcodes` every probe fails".to_owned());
        } else if !names.is_empty() {
            written.set(Place::Protocol, "expect_rcode", list(names.iter().map(String::as_str)));
        }
    }
    for section in SECTIONS {
        for (option, rules) in options.take_map(section).into_entries() {
            if !rules.is_nothing() {
                let why =
                    "there the whole line of a record is searched, here its value (answer_regex, answer_not_regex)";
                rules.stop(format!("`{section}: {option}` has no counterpart in the agent: {why}"));
            }
        }
    }
}

fn read_transport(options: &Map<'_>, written: &mut Written) {
    let encrypted = options.flag("dns_over_tls");
    let transport = options.take("transport_protocol");
    let text = transport.as_ref().and_then(Node::text).unwrap_or_default();
    let named = match (text.as_str(), encrypted) {
        ("" | "udp", false) => "udp",
        ("tcp", false) => "tcp",
        ("tcp", true) => "tls",
        (other, _) => {
            let why =
                if encrypted { "`dns_over_tls` needs `transport_protocol: tcp`" } else { "it is neither udp nor tcp" };
            let line = || format!("the transport `{other}`: {why}");
            match &transport {
                Some(node) => node.stop(line()),
                None => options.stop(line()),
            }
            return;
        }
    };
    written.set_text(Place::Protocol, "transport", named);
    tls::read(&options.take_map("tls_config"), written, None);
}
