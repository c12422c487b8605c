//! `tls_config`.

use super::node::Map;
use super::written::{Place, Written};

/// Reads the table; the host is the name to ask for where the table names none.
pub(super) fn read(options: &Map<'_>, written: &mut Written, host: Option<&str>) {
    for (option, key) in [("ca_file", "ca_file"), ("cert_file", "client_cert"), ("key_file", "client_key")] {
        if let Some(path) = options.take(option).filter(|node| node.text().is_some_and(|text| !text.is_empty()))
            && let Some(path) = path.path()
        {
            written.set_path(Place::Tls, key, &path);
        }
    }
    let named = options.text("server_name");
    if let Some(name) = named.as_deref().or(host) {
        written.set_text(Place::Tls, "server_name", name);
    }
    if options.flag("insecure_skip_verify") {
        written.set(Place::Tls, "verify", "false");
    }
    for key in ["min_version", "max_version"] {
        let Some(node) = options.take(key) else { continue };
        match node.text().as_deref() {
            Some("TLS12") => written.set_text(Place::Tls, key, "1.2"),
            Some("TLS13") => written.set_text(Place::Tls, key, "1.3"),
            None | Some("") => {}
            Some(other) => {
                node.stop(format!("`{key}: {other}` has no counterpart in the agent: it speaks TLS12 and TLS13"));
            }
        }
    }
}
