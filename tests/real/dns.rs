//! DNS: BIND's zones over UDP, TCP, TLS and HTTPS, and what a validating resolver makes of signatures. Questions without
//! the RD flag go to the authority, all others to the resolver, as `tests/stack/bind/named.conf.in` has it.

use crate::run::{Run, probe};
use crate::stack::bind::{Listener, bind};
use crate::stack::stack;

/// Asks for a name below stack.test, or for it itself, with the lines of a `[task.dns]`.
fn ask(name: &str, record_type: &str, lines: &str) -> Run {
    let name = if name == "@" { "stack.test".to_owned() } else { format!("{name}.stack.test") };
    ask_about(&name, record_type, lines)
}

fn ask_about(name: &str, record_type: &str, lines: &str) -> Run {
    let server = bind().address(Listener::Dns);
    probe(name, &format!("timeout = \"10s\"\n[task.dns]\nserver = \"{server}\"\ntype = \"{record_type}\"\n{lines}"))
}

#[test]
fn records_of_every_type() {
    let rows = [
        ("www", "A", "192.0.2.7"),
        ("www", "AAAA", "2001:db8:0::7"),
        ("@", "MX", "20 mail2.stack.test"),
        ("_https._tcp", "SRV", "10 5 443 www.stack.test"),
        ("@", "TXT", "v=spf1 include:example.test -all"),
        ("@", "CAA", "0 issue ca.test"),
        ("@", "NS", "NS.stack.test."),
        ("@", "SOA", "ns.stack.test admin.stack.test 7 3600 600 86400 60"),
        ("alias", "CNAME", "www.stack.test"),
        ("alias", "A", "192.0.2.8"),
        ("chain", "AAAA", "2001:db8::7"),
        ("some.wild", "A", "192.0.2.9"),
        ("odd", "TYPE65280", "\\# 2 0aff"),
        ("svc", "HTTPS", "1 . alpn=h2,h3 port=8443 ipv4hint=192.0.2.7"),
    ];
    for (name, record_type, value) in rows {
        ask(name, record_type, &format!("recursion = false\nexpect = [{value:?}]"))
            .succeeded(0)
            .with_phases(&["send", "wait", "receive"])
            .with("/evidence/dns/flags", ["qr", "aa"].map(str::to_owned).to_vec())
            .with("/evidence/dns/queries", 1);
    }
    ask_about("192.0.2.7", "PTR", "expect = [\"www.stack.test\"]\nrule = \"EQUAL\"").succeeded(0);
}

#[test]
fn all_records_of_a_name() {
    let all = "expect = [\"192.0.2.8\", \"192.0.2.7\", \"2001:db8::7\"]\nrule = \"EQUAL\"";
    ask("www", "ANY", &format!("transport = \"tcp\"\n{all}")).succeeded(0);
}

#[test]
fn letters_that_no_terminal_should_see() {
    let run = ask("@", "TXT", "answer_regex = '(?-u)^letters \"quoted\", \\xc3\\xbc and \\x1b\\[2J$'").succeeded(0);
    assert!(run.printed().contains(r#"letters \\\"quoted\\\", \\195\\188 and \\027[2J"#), "{run}");
}

#[test]
fn names_that_do_not_resolve() {
    ask("nowhere", "A", "").failed(610, "dns.nxdomain").with("/evidence/dns/rcode", "NXDOMAIN");
    ask("nowhere", "A", "expect_rcode = [\"NXDOMAIN\"]").succeeded(0);
    ask("dangling", "A", "").failed(610, "dns.nxdomain");
    ask("www", "MX", "").failed(610, "dns.nodata").with("/evidence/dns/counts/authority", 1);
    // There is something below the name, so that it exists, and nothing of its own.
    ask("empty", "A", "").failed(610, "dns.nodata");
    ask("outside", "A", "recursion = false").failed(610, "dns.alias_only");
    ask("www.sub", "A", "recursion = false").failed(610, "dns.referral");
    ask_about("www.example.com", "A", "recursion = false").failed(610, "dns.refused");
    // The resolver's only forwarder is a closed port.
    ask_about("www.example.com", "A", "").failed(610, "dns.servfail").with("/evidence/dns/rcode", "SERVFAIL");
}

#[test]
fn an_answer_that_differs() {
    ask("www", "A", "expect = [\"192.0.2.7\", \"192.0.2.1\"]").failed(615, "dns.content.missing");
    ask("www", "A", "expect = [\"192.0.2.7\"]\nrule = \"EQUAL\"").failed(615, "dns.content.unequal");
    ask("@", "MX", "expect = [\"10 mail2.stack.test\"]").failed(615, "dns.content.missing");
}

#[test]
fn a_truncated_answer() {
    ask("big", "TXT", "answer_regex = \"^x{4000}$\"")
        .succeeded(0)
        .with_phases(&["connect", "send", "wait", "receive"])
        .with("/evidence/dns/truncated", true)
        .with("/evidence/dns/queries", 2);
}

#[test]
fn a_signed_zone() {
    let run = ask_about("www.signed.test", "A", "expect = [\"192.0.2.7\"]").succeeded(0);
    assert!(run.at("/evidence/dns/flags").as_array().is_some_and(|flags| flags.contains(&"ad".into())), "{run}");
    ask_about("www.signed.test", "RRSIG", "recursion = false").succeeded(0);
    ask_about("signed.test", "DNSKEY", "recursion = false").succeeded(0);
    // Signed by a key that the resolver does not trust.
    ask_about("www.bogus.test", "A", "").failed(610, "dns.servfail");
}

#[test]
fn over_every_transport() {
    ask("www", "A", "transport = \"tcp\"").succeeded(0).with_phases(&["connect", "send", "wait", "receive"]);
    let phases = ["connect", "tls", "send", "wait", "receive"];
    let ca = bind().root();
    for (listener, scheme) in [(Listener::Tls, "tls"), (Listener::Https, "https")] {
        let server = bind().address(listener);
        let lines =
            |tls: &str| format!("[task.dns]\nserver = \"{scheme}://{server}\"\nexpect = [\"192.0.2.8\"]\n{tls}");
        probe("www.stack.test", &lines(&format!("[task.tls]\nca_file = {ca:?}")))
            .succeeded(0)
            .with_phases(&phases)
            .with("/evidence/tls/version", "TLSv1.3");
        probe("www.stack.test", &lines(""))
            .failed(613, "tls.certificate.unknown_issuer")
            .with_phases(&["connect", "tls"]);
    }
    let https = bind().address(Listener::Https);
    let lines = format!("[task.dns]\nserver = \"https://{https}/elsewhere\"\n[task.tls]\nca_file = {ca:?}");
    probe("www.stack.test", &lines).failed(613, "dns.http_status").with("/evidence/http/status", 404);
}

#[test]
fn a_dns_port_that_speaks_no_tls() {
    let server = bind().address(Listener::Dns);
    let lines = format!("timeout = \"3s\"\n[task.dns]\nserver = \"tls://{server}\"");
    let run = probe("www.stack.test", &lines);
    assert_eq!(run.at("/code"), 613, "{run}");
}

/// BIND resolves the target of an HTTP probe, over every transport.
#[test]
fn the_name_of_a_web_server() {
    let port = stack().address(crate::stack::Listener::Plain).port();
    let ca = bind().root();
    let (dns, tls, https) = (Listener::Dns, Listener::Tls, Listener::Https);
    for (listener, scheme) in [(dns, "udp"), (dns, "tcp"), (tls, "tls"), (https, "https")] {
        let server = format!("{scheme}://{}", bind().address(listener));
        let lines = |family: &str| {
            format!(
                "[task.resolver]\nservers = [\"{server}\"]\nfamily = \"{family}\"\n[task.tls]\nca_file = {ca:?}\n[task.http]"
            )
        };
        let url = |name: &str| format!("http://{name}.stack.test:{port}/");
        probe(&url("here"), &lines("ipv4"))
            .succeeded(200)
            .with_phases(&["resolve", "connect", "send", "wait", "receive"]);
        probe(&url("nowhere"), &lines("any")).failed(613, "resolve.nxdomain").with_phases(&["resolve"]);
        probe(&url("here"), &lines("ipv6")).failed(613, "resolve.nodata");
    }
}
