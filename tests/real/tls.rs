//! TLS as a real server speaks it: versions, HTTP/2, certificates of either side.

use crate::run::{Run, probe};
use crate::stack::{FRONT_PAGE, Listener, stack};

const PHASES: [&str; 5] = ["connect", "tls", "send", "wait", "receive"];

/// Probes the front page over TLS, with lines of `[task.tls]` beside the stack's own root.
fn https(listener: Listener, tls: &str) -> Run {
    https_with(listener, tls, "")
}

/// The same with lines of `[task.http]`, too.
fn https_with(listener: Listener, tls: &str, http: &str) -> Run {
    let ca = stack().certificate("ca.pem");
    let lines = format!("[task.tls]\nca_file = {ca:?}\n{tls}\n[task.http]\nmatch = {FRONT_PAGE:?}\n{http}");
    probe(&format!("https://{}/", stack().address(listener)), &lines)
}

/// Asks for the server by the name `localhost`, in place of its address.
fn https_by_name(listener: Listener) -> Run {
    let ca = stack().certificate("ca.pem");
    let lines = format!(
        "[task.resolver]\nhosts = {{ localhost = [\"127.0.0.1\"] }}\n[task.tls]\nca_file = {ca:?}\n[task.http]"
    );
    probe(&format!("https://localhost:{}/", stack().address(listener).port()), &lines)
}

/// The front page over TLS, for an agent that does not know the stack's root.
fn https_without_root(listener: Listener, tls: &str) -> Run {
    probe(&format!("https://{}/", stack().address(listener)), &format!("[task.tls]\n{tls}\n[task.http]"))
}

#[test]
fn the_newest_version_in_common() {
    https(Listener::Tls, "").succeeded(200).with_phases(&PHASES).with("/evidence/tls/version", "TLSv1.3");
    https(Listener::Tls12, "").succeeded(200).with_phases(&PHASES).with("/evidence/tls/version", "TLSv1.2");
    https(Listener::Tls, "max_version = \"1.2\"").succeeded(200).with("/evidence/tls/version", "TLSv1.2");
}

#[test]
fn no_version_in_common() {
    https(Listener::Tls12, "min_version = \"1.3\"")
        .failed(611, "tls.nothing_in_common")
        .with_phases(&["connect", "tls"])
        .with("/phase", "tls");
}

#[test]
fn http_2_where_it_is_on_offer() {
    https(Listener::Http2, "").succeeded(200).with("/evidence/http/version", "2").with("/evidence/tls/alpn", "h2");
    https_with(Listener::Http2, "", "http_version = \"1.1\"").succeeded(200).with("/evidence/http/version", "1.1");
    https(Listener::Tls, "").succeeded(200).with("/evidence/http/version", "1.1");
}

#[test]
fn a_large_body_in_http_2() {
    let ca = stack().certificate("ca.pem");
    let rules = "body_limit = \"2MiB\"\nmatch_regex = \"^x{1000}\"";
    let url = format!("https://{}/big.txt", stack().address(Listener::Http2));
    let run = probe(&url, &format!("[task.tls]\nca_file = {ca:?}\n[task.http]\n{rules}"));
    let run = run.succeeded(200).with("/evidence/http/version", "2");
    let received = run.at("/evidence/bytes/received").as_u64();
    assert!(received.is_some_and(|received| received > 1_048_576), "not read to its end: {received:?}");
}

#[test]
fn the_chain_is_evidence() {
    https(Listener::Tls, "")
        .succeeded(200)
        .with("/evidence/tls/chain/0/subject", "CN=good")
        .with("/evidence/tls/chain/0/issuer", "CN=ca");
}

#[test]
fn certificates_that_are_bad_in_one_way() {
    let bad = |run: Run, fault: &str| {
        let run = run.failed(611, fault).with("/phase", "tls").with("/side", "target");
        assert!(run.at("/phases/send").is_null(), "nothing is sent to an unproven server: {run}");
        assert_eq!(run.count("/evidence/tls/chain"), 1, "{run}");
        assert_eq!(run.count("/evidence/tls/problems"), 1, "{run}");
    };
    bad(https(Listener::Expired, ""), "tls.certificate.expired");
    bad(https(Listener::WrongName, ""), "tls.certificate.no_name");
    bad(https_by_name(Listener::WrongName), "tls.certificate.name_mismatch");
    bad(https(Listener::SelfSigned, ""), "tls.certificate.untrusted_root");
    bad(https_without_root(Listener::Tls, ""), "tls.certificate.unknown_issuer");
}

#[test]
fn a_certificate_that_is_bad_in_two_ways() {
    let run = https_without_root(Listener::Expired, "").failed(611, "tls.certificate.several");
    assert_eq!(run.count("/evidence/tls/problems"), 2, "{run}");
}

#[test]
fn a_certificate_for_the_name_that_the_task_gives() {
    https(Listener::WrongName, "server_name = \"elsewhere.test\"").succeeded(200);
    https(Listener::Tls, "server_name = \"elsewhere.test\"").failed(611, "tls.certificate.name_mismatch");
}

#[test]
fn bad_certificates_where_none_is_verified() {
    for listener in [Listener::Expired, Listener::WrongName, Listener::SelfSigned] {
        https_without_root(listener, "verify = false").succeeded(200);
    }
}

#[test]
fn a_client_certificate_that_nginx_demands() {
    // nginx lets the handshake succeed, and answers the request with 400.
    https(Listener::Mutual, "").failed(400, "http.status").with_phases(&PHASES);
    let (certificate, key) = (stack().certificate("client.pem"), stack().certificate("client.key"));
    https(Listener::Mutual, &format!("client_cert = {certificate:?}\nclient_key = {key:?}")).succeeded(200);
}

#[test]
fn nginx_ends_tls_in_order() {
    for listener in [Listener::Tls, Listener::Tls12] {
        https(listener, "strict_shutdown = true").succeeded(200).with_phases(&PHASES);
    }
    // Not in HTTP/2: it takes the end of TLS for a failure, and closes the connection without one of its own.
    https(Listener::Http2, "strict_shutdown = true").failed(611, "tls.shutdown").with("/phase", "receive");
    https(Listener::Http2, "").succeeded(200);
}

#[test]
fn tls_to_a_plain_port() {
    https(Listener::Plain, "").failed(611, "tls.not_tls").with_phases(&["connect", "tls"]);
}
