//! HTTP: nginx's pages, statuses, redirects, logins and compression.

use std::fmt::Write as _;
use std::fs;

use serde::Deserialize;

use crate::run::{Run, probe};
use crate::stack::{ClosedPort, FRONT_PAGE, Listener, stack};

fn url(path: &str) -> String {
    format!("http://{}{path}", stack().address(Listener::Plain))
}

/// Probes a path of the plain listener with the lines of a `[task.http]`.
fn http(path: &str, lines: &str) -> Run {
    probe(&url(path), &format!("[task.http]\n{lines}"))
}

#[test]
fn a_page() {
    http("/", &format!("match = {FRONT_PAGE:?}"))
        .succeeded(200)
        .with_phases(&["connect", "send", "wait", "receive"])
        .with("/remote", stack().address(Listener::Plain).to_string())
        .with("/book", "cloudmonitor")
        .with("/evidence/http/status", 200)
        .with("/evidence/http/version", "1.1")
        .with("/evidence/http/headers/server/0", "nginx");
}

#[test]
fn a_page_of_a_named_host() {
    let target = format!("http://localhost:{}/", stack().address(Listener::Plain).port());
    probe(&target, "[task.resolver]\nfamily = \"ipv4\"\n[task.http]")
        .succeeded(200)
        .with_phases(&["resolve", "connect", "send", "wait", "receive"]);
}

#[test]
fn every_status_of_the_catalogue() {
    #[derive(Deserialize)]
    struct Catalogue {
        code: Vec<Row>,
    }
    #[derive(Deserialize)]
    struct Row {
        code: i64,
        name: String,
        available: bool,
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/probes/catalogue/http-status.toml");
    let catalogue: Catalogue = toml::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    assert!(!catalogue.code.is_empty(), "{path} has no rows");

    let mut wrong = String::new();
    for Row { code, name, available } in catalogue.code {
        let run = http(&format!("/status/{code}"), "max_redirects = 0");
        let fault = if available { serde_json::Value::Null } else { "http.status".into() };
        let expected = [("/code", code.into()), ("/name", name.into()), ("/ok", available.into()), ("/fault", fault)];
        for (pointer, value) in expected {
            if run.at(pointer) != value {
                let _ = writeln!(wrong, "{code}: {pointer} is {} in place of {value}", run.at(pointer));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn statuses_that_nginx_comes_to_by_itself() {
    let status = |path: &str, lines: &str, code| http(path, lines).failed(code, "http.status");
    status("/private/", "", 403);
    status("/missing", "", 404);
    status("/", "method = \"POST\"\nbody = \"x\"", 405);
    status("/", "headers = { If-Match = '\"another\"' }", 412);
    status("/upload", &format!("method = \"POST\"\nbody = {:?}", "x".repeat(2048)), 413);
    status(&format!("/{}", "x".repeat(20_000)), "", 414);
    status("/big.txt", "headers = { Range = \"bytes=9999999-\" }", 416);
    status("/", "method = \"POST\"\nbody = \"x\"\nheaders = { Transfer-Encoding = \"gzip\" }", 501);
    status("/upstream/closed", "", 502);
}

#[test]
fn plain_http_to_a_tls_port() {
    let target = format!("http://{}/", stack().address(Listener::Tls));
    probe(&target, "[task.http]").failed(400, "http.status").with_phases(&["connect", "send", "wait", "receive"]);
}

#[test]
fn a_copy_that_is_still_valid() {
    let answer = stack().fetch("/").expect("nginx answers");
    let tag = answer.lines().find_map(|line| line.strip_prefix("ETag: ")).expect("nginx tags its files");
    http("/", &format!("headers = {{ If-None-Match = '{tag}' }}")).succeeded(304).with("/name", "not_modified");
}

#[test]
fn redirects_of_each_kind() {
    for status in [301, 302, 303, 307, 308] {
        let path = format!("/redirect/{status}");
        let run = http(&path, "match = \"method: GET\"").succeeded(200).with("/evidence/hops/0/status", status);
        assert_eq!(run.count("/evidence/hops"), 2, "{run}");
    }
}

#[test]
fn a_redirect_turns_post_into_get_or_keeps_it() {
    for (status, method) in [(301, "GET"), (302, "GET"), (303, "GET"), (307, "POST"), (308, "POST")] {
        let lines = format!("method = \"POST\"\nbody = \"x\"\nmatch = \"method: {method}\"");
        http(&format!("/redirect/{status}"), &lines).succeeded(200);
    }
}

#[test]
fn redirects_that_are_not_followed() {
    http("/redirect/302", "max_redirects = 0").succeeded(302);
}

#[test]
fn a_chain_of_redirects_at_its_limit() {
    for limit in [2_usize, 5] {
        let lines = format!("max_redirects = {limit}");
        let run = http(&format!("/redirect/chain/{limit}"), &lines).succeeded(200);
        assert_eq!(run.count("/evidence/hops"), limit + 1, "{run}");
        http(&format!("/redirect/chain/{}", limit + 1), &lines).failed(617, "http.redirect.too_many");
    }
}

#[test]
fn a_redirect_to_itself() {
    http("/redirect/loop", "").failed(617, "http.redirect.too_many");
}

#[test]
fn a_redirect_to_nowhere() {
    http("/redirect/nowhere", "").failed(611, "http.redirect.unusable").with("/evidence/http/status", 302);
    http("/redirect/empty", "").failed(611, "http.redirect.unusable").with("/evidence/http/status", 302);
}

#[test]
fn a_redirect_to_a_closed_port() {
    let closed = ClosedPort::take().expect("a free port");
    let path = format!("/redirect/elsewhere?to=http://{}/", closed.address().unwrap());
    http(&path, "").failed(611, "connect.refused").with("/phase", "connect").with("/evidence/hops/0/status", 302);
}

#[test]
fn a_closed_port() {
    let closed = ClosedPort::take().expect("a free port");
    probe(&format!("http://{}/", closed.address().unwrap()), "[task.http]")
        .failed(611, "connect.refused")
        .with_phases(&["connect"]);
}

#[test]
fn a_login() {
    let good = "username = \"probe\"\npassword = \"open sesame\"";
    http("/auth", &format!("{good}\nmatch = {FRONT_PAGE:?}")).succeeded(200);
    http("/auth", "username = \"probe\"\npassword = \"wrong\"")
        .failed(616, "http.login_refused")
        .with("/evidence/http/status", 401);
    http("/auth", "").failed(401, "http.status");
}

#[test]
fn a_login_in_the_url_is_never_shown() {
    let target = url("/auth").replace("http://", "http://probe:open%20sesame@");
    let run = probe(&target, "[task.http]").succeeded(200);
    assert!(!run.printed().contains("sesame"), "{run}");
}

#[test]
fn a_login_stays_with_its_origin() {
    let login = "username = \"probe\"\npassword = \"open sesame\"";
    let other = format!("https://{}/headers", stack().address(Listener::Tls));
    let lines = format!("[task.tls]\nverify = false\n[task.http]\n{login}\nmatch = \"authorization: Basic\"");
    probe(&url("/redirect/302"), &lines).succeeded(200);
    probe(&url(&format!("/redirect/elsewhere?to={other}")), &lines).failed(615, "http.content.absent");
}

#[test]
fn a_text_in_the_page() {
    http("/", &format!("match = {FRONT_PAGE:?}")).succeeded(200);
    http("/", "match = \"no such words\"").failed(615, "http.content.absent").with("/evidence/http/status", 200);
    http("/", &format!("match = {FRONT_PAGE:?}\nmatch_rule = \"absent\"")).failed(615, "http.content.present");
}

#[test]
fn a_compressed_page() {
    let zeds = format!("match = {:?}", "z".repeat(1024));
    http("/gzip/zeds.txt", &zeds).succeeded(200).with("/evidence/http/headers/content-encoding/0", "gzip");
    http("/gzip/zeds.txt", &format!("{zeds}\ncompression = false"))
        .succeeded(200)
        .with("/evidence/http/headers/content-encoding", serde_json::Value::Null);
}

#[test]
fn header_fields_of_the_task() {
    http("/headers", "headers = { X-Probe = \"synthetic\" }\nmatch = \"x-probe: synthetic\"").succeeded(200);
}

#[test]
fn a_large_page_is_read_up_to_its_limit() {
    http("/big.txt", &format!("match = {:?}", "x".repeat(1024))).succeeded(200);
}

#[test]
fn a_page_that_trickles() {
    let lines = "timeout = \"1s\"\n[task.http]";
    probe(&url("/slow"), lines).failed(610, "receive.timeout").with("/phase", "receive");
}
