//! Rows of modules: what each option becomes, and what stops the import.

use super::*;

/// The file without what stands above all tasks, and without the remark on a missing timeout.
fn imported(module: &str) -> String {
    let text = format!("modules:\n  m:\n    timeout: 5s\n{module}");
    let file = read("b.yml", Path::new("/etc/blackbox"), &text).unwrap_or_else(|stops| panic!("{module}\n{stops:#?}"));
    file.strip_prefix(HEAD).map(str::to_owned).expect("the head stands above all")
}

fn stops(text: &str) -> Vec<String> {
    read("b.yml", Path::new(""), text).expect_err(text)
}

#[test]
fn options_of_http_become_keys() {
    let rows = [
        ("", "max_redirects = 10"),
        ("", "expect_status = [\"2xx\"]"),
        ("", "compression = false"),
        ("", "http_version = \"auto\""),
        ("", "family = \"prefer-ipv6\""),
        ("method: PUT", "method = \"PUT\""),
        ("valid_status_codes: [200, 301]", "expect_status = [\"200\", \"301\"]"),
        ("accept_any_response: true", "expect_status = [\"1xx\", \"2xx\", \"3xx\", \"4xx\", \"5xx\"]"),
        ("valid_http_versions: [HTTP/1.1, HTTP/2.0]", "http_version = \"auto\""),
        ("valid_http_versions: [HTTP/2.0]", "http_version = \"2\""),
        ("enable_http2: false", "http_version = \"1.1\""),
        ("follow_redirects: false", "max_redirects = 0"),
        ("no_follow_redirects: true", "max_redirects = 0"),
        ("fail_if_ssl: true", "require_tls = false"),
        ("fail_if_not_ssl: true", "require_tls = true"),
        ("headers: {Host: a.test:80, X: 007}", "headers = { \"Host\" = \"a.test:80\", \"X\" = \"007\" }"),
        ("headers: {Host: a.test:80}", "[task.tls]\nserver_name = \"a.test\""),
        ("body: \"a\\x7f\\n\"", "body = \"a\\u007f\\n\""),
        ("body_file: b.txt", "body_file = \"/etc/blackbox/b.txt\""),
        ("basic_auth: {username: u, password: 12}", "password = \"12\""),
        ("basic_auth: {username: u, password_file: p}", "password = { file = \"/etc/blackbox/p\" }"),
        ("authorization: {credentials: t}", "bearer_token = \"t\""),
        ("proxy_url: http://127.0.0.1:3128", "proxy = \"http://127.0.0.1:3128\""),
        ("fail_if_body_matches_regexp: [a, b|c]", "not_match_regex = \"(?:a)|(?:b|c)\"\nbody_limit = \"32MiB\""),
        ("fail_if_body_not_matches_regexp: [a]", "match_regex = \"a\""),
        (
            "fail_if_header_matches: [{header: A, regexp: b}]",
            "match_header = { \"A\" = \"\" }\nnot_match_header = { \"A\" = \"b\" }",
        ),
        (
            "fail_if_header_matches: [{header: A, regexp: b, allow_missing: true}]",
            "not_match_header = { \"A\" = \"b\" }",
        ),
        ("fail_if_header_not_matches: [{header: A, regexp: b}]", "match_header = { \"A\" = \"b\" }"),
        ("tls_config: {insecure_skip_verify: true, min_version: TLS13}", "verify = false\nmin_version = \"1.3\""),
        ("tls_config: {ca_file: /ca.pem}", "ca_file = \"/ca.pem\""),
        ("preferred_ip_protocol: ip4", "family = \"prefer-ipv4\""),
        ("{preferred_ip_protocol: ip4, ip_protocol_fallback: false}", "family = \"ipv4\""),
    ];
    for (option, wanted) in rows {
        let text = imported(&format!("    prober: http\n    http:\n      {option}\n"));
        assert!(text.contains(&format!("{wanted}\n")), "{option}\n{text}");
    }
}

#[test]
fn options_of_the_other_probers_become_keys() {
    let rows = [
        ("tcp", "tls: true", "[task.tcp]\ntls = true"),
        ("tcp", "source_ip_address: 127.0.0.1", "source_ip = \"127.0.0.1\""),
        (
            "tcp",
            "query_response: [{expect: ^220, send: EHLO, starttls: true}]",
            "dialogue = [\n  { expect_regex = \"^220\" },\n  { send = \"EHLO\\n\" },\n  { starttls = true },\n]",
        ),
        ("icmp", "{}", "count = 1\nwait = \"5s\"\nsize = 28"),
        ("icmp", "{payload_size: 100, ttl: 3, dont_fragment: true}", "size = 100\nttl = 3\ndont_fragment = true"),
        ("dns", "query_name: a.test", "query = \"a.test\"\ntype = \"ANY\"\ntransport = \"udp\""),
        (
            "dns",
            "{query_name: a.test, query_type: SOA, transport_protocol: tcp, dns_over_tls: true}",
            "type = \"SOA\"\ntransport = \"tls\"",
        ),
        (
            "dns",
            "{query_name: a.test, valid_rcodes: [NXDOMAIN], recursion_desired: false}",
            "recursion = false\ntransport = \"udp\"\nexpect_rcode = [\"NXDOMAIN\"]",
        ),
    ];
    for (prober, option, wanted) in rows {
        let text = imported(&format!("    prober: {prober}\n    {prober}:\n      {option}\n"));
        assert!(text.contains(&format!("{wanted}\n")), "{option}\n{text}");
    }
}

#[test]
fn what_has_no_counterpart_stops_with_its_line() {
    let rows = [
        ("http", "oauth2: {client_id: a}", "`oauth2` has no counterpart"),
        ("http", "fail_if_body_json_not_matches_cel: a", "`fail_if_body_json_not_matches_cel` has no counterpart"),
        ("http", "compression: gzip", "`compression: gzip` has no counterpart"),
        ("http", "body_size_limit: 10MB", "`body_size_limit` has no counterpart"),
        ("http", "valid_http_versions: [HTTP/1.0]", "these `valid_http_versions`"),
        ("http", "fail_if_body_not_matches_regexp: [a, b]", "a second expression"),
        ("http", "fail_if_header_not_matches: [{header: A, regexp: b, allow_missing: true}]", "may be missing"),
        ("http", "fail_if_body_matches_regexp: ['(']", "this is no regular expression"),
        ("http", "authorization: {type: Digest, credentials: a}", "`authorization: type: Digest`"),
        ("http", "tls_config: {min_version: TLS10}", "`min_version: TLS10`"),
        ("http", "tls_config: {ca: text}", "`ca` has no counterpart"),
        ("http", "no_such_option: 1", "`no_such_option` has no counterpart"),
        ("http", "method: [a]", "`method` must be a text"),
        ("tcp", "query_response: [{expect: a, send: 'b ${1}'}]", "repeats what was heard"),
        ("tcp", "query_response: [{expect_bytes: a}]", "`expect_bytes` has no counterpart"),
        ("icmp", "preferred_ip_protocol: ip5", "`ip5` is neither"),
        ("dns", "{query_name: a.test, query_class: CH}", "a class other than IN"),
        ("dns", "{query_name: a.test, dns_over_tls: true}", "needs `transport_protocol: tcp`"),
        (
            "dns",
            "{query_name: a.test, validate_answer_rrs: {fail_if_matches_regexp: [a]}}",
            "`validate_answer_rrs: fail_if_matches_regexp`",
        ),
    ];
    for (prober, option, words) in rows {
        let found = stops(&format!("modules:\n  m:\n    prober: {prober}\n    {prober}:\n      {option}\n"));
        assert_eq!(found.len(), 1, "{option}: {found:#?}");
        // A mistake in what an option came to has the line of its module.
        assert!(
            found[0].starts_with("b.yml:5: ") || found[0].starts_with("b.yml:3: module `m`"),
            "{option}: {found:#?}"
        );
        assert!(found[0].contains(words), "{option}: {found:#?}");
    }
    let whole = [
        ("modules:\n  m:\n    prober: grpc\n    grpc: {tls: true}\n", "b.yml:3: the prober `grpc` has no counterpart"),
        ("modules:\n  m:\n    prober: tcp\n    http: {method: PUT}\n", "b.yml:4: the module has the prober tcp"),
        ("modules:\n  m: {}\n", "the module `m` has no `prober`"),
        ("modules:\n  m:\n    prober: dns\n", "needs a `query_name`"),
        ("modules:\n  m:\n    prober: tcp\n    timeout: 5\n", "b.yml:4: `timeout` must be a duration"),
        ("other: 1\n", "there are no `modules`"),
        ("modules: [\n", "this is no YAML"),
        ("", "b.yml:1: "),
    ];
    for (text, words) in whole {
        let found = stops(text);
        assert!(found.iter().any(|stop| stop.contains(words)), "{text}\n{found:#?}");
    }
}

#[test]
fn modules_that_share_options_by_anchors_are_read_whole() {
    let text = "modules:\n  a: &a\n    prober: tcp\n    timeout: 3s\n  b:\n    <<: *a\n    timeout: 4s\n  c: *a\n";
    let file = read("b.yml", Path::new(""), text).unwrap();
    let times: Vec<&str> = file.lines().filter(|line| line.starts_with("timeout")).collect();
    assert_eq!(times, ["timeout = \"3s\"", "timeout = \"4s\"", "timeout = \"3s\""]);
    assert!(file.contains("#   internal = \"allow\"\n"));
}
