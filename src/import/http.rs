//! The prober `http`.

mod rules;

use super::node::{Map, Node};
use super::written::{Place, Written, list, table};
use super::{network, tls};

/// How many redirects are followed there.
const REDIRECTS: &str = "10";

pub(super) fn read(options: &Map<'_>, written: &mut Written) {
    network::read(options, written);
    if let Some(method) = options.text("method") {
        written.set_text(Place::Protocol, "method", &method);
    }
    let host = read_headers(options, written);
    tls::read(&options.take_map("tls_config"), written, host.as_deref());
    if let Some(body) = options.text("body") {
        written.set_text(Place::Protocol, "body", &body);
    }
    if let Some(path) = options.take("body_file").and_then(|node| node.path()) {
        written.set_path(Place::Protocol, "body_file", &path);
    }
    read_credentials(options, written);
    read_redirects(options, written);
    read_versions(options, written);
    read_proxy(options, written);
    read_compression(options, written);
    read_statuses(options, written);
    read_encryption(options, written);
    rules::read(options, written);
    let what = "what a request may ask for is the module's to say";
    options.only("enable_regexps_from_params", false, what);
}

/// The headers, and the host that they ask for.
fn read_headers(options: &Map<'_>, written: &mut Written) -> Option<String> {
    let named = options.take_map("headers").into_entries();
    let headers: Vec<(String, String)> =
        named.into_iter().filter_map(|(name, node)| Some((name, node.text()?))).collect();
    if !headers.is_empty() {
        written.set(Place::Protocol, "headers", table(&headers));
    }
    let host = headers.into_iter().find(|(name, _)| name.eq_ignore_ascii_case("host")).map(|(_, host)| host)?;
    let name = host.rsplit_once(':').map_or(host.as_str(), |(name, _)| name);
    Some(name.to_owned())
}

fn read_credentials(options: &Map<'_>, written: &mut Written) {
    let basic = options.take_map("basic_auth");
    set_or_file(&basic, written, "username", "username_file", "username");
    set_or_file(&basic, written, "password", "password_file", "password");
    set_or_file(options, written, "bearer_token", "bearer_token_file", "bearer_token");
    let authorization = options.take_map("authorization");
    if let Some(scheme) = authorization.take("type")
        && let Some(text) = scheme.text().filter(|text| !text.eq_ignore_ascii_case("bearer") && !text.is_empty())
    {
        scheme.stop(format!(
            "`authorization: type: {text}` has no counterpart in the agent: it knows Bearer and basic_auth"
        ));
    }
    set_or_file(&authorization, written, "credentials", "credentials_file", "bearer_token");
}

/// A secret that stands in the file or in another one.
fn set_or_file(options: &Map<'_>, written: &mut Written, option: &str, file: &str, key: &str) {
    if let Some(text) = options.text(option) {
        written.set_text(Place::Protocol, key, &text);
    }
    if let Some(path) = options.take(file).filter(|node| !node.is_nothing()).and_then(|node| node.path()) {
        written.set_file(Place::Protocol, key, &path);
    }
}

fn read_redirects(options: &Map<'_>, written: &mut Written) {
    let follow = options.take("follow_redirects").and_then(|node| node.boolean()).unwrap_or(true);
    let stay = options.flag("no_follow_redirects");
    written.set(Place::Protocol, "max_redirects", if follow && !stay { REDIRECTS } else { "0" });
}

fn read_versions(options: &Map<'_>, written: &mut Written) {
    let second = options.take("enable_http2").and_then(|node| node.boolean()).unwrap_or(true);
    options.only("enable_http3", false, "it speaks HTTP/1.1 and HTTP/2");
    let allowed = options.take("valid_http_versions");
    let names: Vec<String> = allowed.iter().filter_map(Node::list).flatten().filter_map(|node| node.text()).collect();
    let has = |name: &str| names.iter().any(|other| other == name);
    let (first, newer) = (has("HTTP/1.1"), has("HTTP/2.0") || has("HTTP/2"));
    let unknown = names.iter().find(|name| !matches!(name.as_str(), "HTTP/1.1" | "HTTP/2.0" | "HTTP/2"));
    let version = match (names.is_empty() || first && newer, first, second) {
        _ if unknown.is_some() => None,
        (true, _, true) => Some("auto"),
        (true, _, false) | (false, true, false) => Some("1.1"),
        (false, false, true) => Some("2"),
        (false, true, true) | (false, false, false) => None,
    };
    match (version, allowed) {
        (Some(version), allowed) => {
            if allowed.is_some_and(|node| !node.is_nothing()) {
                written.remark("Unlike there an answer of HTTP/1.0 is none of another version.");
            }
            written.set_text(Place::Protocol, "http_version", version);
        }
        (None, Some(node)) => node.stop(
            "these `valid_http_versions` have no counterpart in the agent: HTTP/1.1 and HTTP/2.0 together have one, \
             HTTP/2.0 alone, and HTTP/1.1 with `enable_http2: false`"
                .to_owned(),
        ),
        (None, None) => {}
    }
}

fn read_proxy(options: &Map<'_>, written: &mut Written) {
    options.only("proxy_from_environment", false, "it takes no proxy from its environment");
    // It is the proxy that resolves, unless the address policy has to see the address.
    let skips = options.take("skip_resolve_phase_with_proxy").and_then(|node| node.boolean());
    let Some(proxy) = options.text("proxy_url") else { return };
    written.remark("Unlike there http:// targets are reached by CONNECT through the proxy, too.");
    if skips != Some(true) {
        written.remark("Unlike there the proxy resolves the name, unless the address policy has to know the address.");
    }
    written.set_text(Place::Protocol, "proxy", &proxy);
}

fn read_compression(options: &Map<'_>, written: &mut Written) {
    if let Some(node) = options.take("compression")
        && let Some(coding) = node.text().filter(|coding| !matches!(coding.as_str(), "" | "identity"))
    {
        node.stop(format!("`compression: {coding}` has no counterpart in the agent: it offers all codings or none"));
    }
    written.set(Place::Protocol, "compression", "false");
    if let Some(node) = options.take("body_size_limit")
        && node.text().is_some_and(|limit| !matches!(limit.as_str(), "" | "0" | "0B"))
    {
        let why = "its body_limit reads no further, and there a longer body is a failure";
        node.stop(format!("`body_size_limit` has no counterpart in the agent: {why}"));
    }
}

fn read_statuses(options: &Map<'_>, written: &mut Written) {
    let named = options.list("valid_status_codes");
    let named: Vec<String> = named.iter().filter_map(Node::integer).map(|status| status.to_string()).collect();
    let statuses = if options.flag("accept_any_response") {
        list(["1xx", "2xx", "3xx", "4xx", "5xx"])
    } else if named.is_empty() {
        list(["2xx"])
    } else {
        list(named.iter().map(String::as_str))
    };
    written.set(Place::Protocol, "expect_status", statuses);
}

fn read_encryption(options: &Map<'_>, written: &mut Written) {
    match (options.flag("fail_if_ssl"), options.flag("fail_if_not_ssl")) {
        (false, false) => {}
        (true, false) => written.set(Place::Protocol, "require_tls", "false"),
        (false, true) => written.set(Place::Protocol, "require_tls", "true"),
        (true, true) => options.stop("with `fail_if_ssl` and `fail_if_not_ssl` every probe fails".to_owned()),
    }
}
