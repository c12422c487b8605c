//! The prober `tcp`.

use super::node::{Map, Node};
use super::written::{Place, Written, quoted};
use super::{network, tls};

pub(super) fn read(options: &Map<'_>, written: &mut Written) {
    network::read(options, written);
    network::source(options, written);
    if options.flag("tls") {
        written.set(Place::Protocol, "tls", "true");
    }
    tls::read(&options.take_map("tls_config"), written, None);
    let steps: Vec<String> = options.list("query_response").iter().flat_map(read_step).collect();
    if !steps.is_empty() {
        written.set(Place::Protocol, "dialogue", format!("[\n  {},\n]", steps.join(",\n  ")));
    }
}

/// One entry: it may expect a line, then say one, then begin TLS.
fn read_step(node: &Node<'_>) -> Vec<String> {
    let Some(entry) = node.map() else { return Vec::new() };
    let mut steps = Vec::new();
    let expect = entry.text("expect");
    if let Some(expression) = &expect {
        steps.push(format!("{{ expect_regex = {} }}", quoted(expression)));
    }
    if let Some(send) = entry.take("send")
        && let Some(text) = send.text().filter(|text| !text.is_empty())
    {
        // Beside `expect` a $ stands for a part of what was heard.
        if expect.is_some() && text.contains('$') {
            send.stop(format!("`send: {text}` repeats what was heard, which has no counterpart in the agent"));
        }
        steps.push(format!("{{ send = {} }}", quoted(&format!("{text}\n"))));
    }
    if entry.flag("starttls") {
        steps.push("{ starttls = true }".to_owned());
    }
    steps
}
