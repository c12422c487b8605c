//! nginx: downloads over one connection and several, redirects, uploads by WebDAV's PUT, TLS of every kind.

use super::{BIG, ROWS, WRONG, ZEDS, md5, unused, upload};
use crate::run::{Run, probe};
use crate::stack::{ClosedPort, Listener, is_contained, stack};

const CLEAR: [&str; 4] = ["connect", "send", "wait", "receive"];
const ENCRYPTED: [&str; 5] = ["connect", "tls", "send", "wait", "receive"];
/// The largest upload that nginx takes.
const LIMIT: u64 = 65_536;

fn url(scheme: &str, listener: Listener, path: &str) -> String {
    format!("{scheme}://{}{path}", stack().address(listener))
}

/// Transfers a path of the plain listener with lines of `[task.transfer]`.
fn http(path: &str, lines: &str) -> Run {
    probe(&url("http", Listener::Plain, path), &format!("[task.transfer]\n{lines}"))
}

/// The same over TLS, with lines of `[task.tls]` beside the stack's own root.
fn https(listener: Listener, path: &str, tls: &str, lines: &str) -> Run {
    let ca = stack().certificate("ca.pem");
    probe(&url("https", listener, path), &format!("[task.tls]\nca_file = {ca:?}\n{tls}\n[task.transfer]\n{lines}"))
}

#[test]
fn a_file() {
    http("/rows.txt", &md5(ROWS))
        .succeeded(0)
        .with_phases(&CLEAR)
        .with("/book", "cat-transfer")
        .with("/evidence/md5", ROWS)
        .with("/evidence/transfer/bytes", 3_388_895)
        .with("/evidence/http/status", 200);
    http("/rows.txt", &md5(WRONG)).failed(632, "transfer.md5").with("/evidence/md5", ROWS);
}

#[test]
fn a_file_over_several_connections() {
    for connections in [2, 3, 16] {
        let run = http("/rows.txt", &format!("connections = {connections}\n{}", md5(ROWS))).succeeded(0);
        let run = run.with("/evidence/transfer/bytes", 3_388_895).with("/evidence/http/status", 206);
        let shared = run.at("/evidence/connections");
        let pieces = |each: &serde_json::Value| each["pieces"].as_u64().unwrap_or_default();
        assert_eq!(shared.as_array().into_iter().flatten().map(pieces).sum::<u64>(), 4, "{run}");
    }
    http("/rows.txt", &format!("connections = 4\n{}", md5(WRONG))).failed(632, "transfer.md5");
    http("/missing", "connections = 4").failed(404, "http.status");
    // One part is all.
    http("/big.txt", &format!("connections = 4\n{}", md5(BIG))).succeeded(0);
    http("/empty.txt", "connections = 4\nallow_empty = true").succeeded(0);
}

#[test]
fn connections_that_the_server_does_not_want() {
    // A second one gets 503, and the first one brings everything.
    let run = http("/alone/rows.txt", &format!("connections = 3\n{}", md5(ROWS))).succeeded(0);
    run.with("/evidence/connections/0/pieces", 4).with("/evidence/connections/1/cause", "http.status");
    // Ranges are passed over.
    http("/whole/rows.txt", &format!("connections = 3\n{}", md5(ROWS))).succeeded(0).with("/evidence/http/status", 200);
}

#[test]
fn encodings() {
    for encoding in ["unknown", "false"] {
        let path = format!("/encoding/{encoding}");
        http(&path, "").succeeded(0);
        let run = http(&path, "decode = true");
        assert_eq!((run.at("/code").as_i64(), run.at("/phase").as_str()), (Some(654), Some("receive")), "{run}");
    }
}

#[test]
fn a_server_that_says_nothing() {
    http("/silence/close", "").failed(608, "wait.closed");
    // Between us and a container is a proxy of docker's, which makes an end of a reset.
    let reset = if is_contained() { (608, "wait.closed") } else { (609, "wait.reset") };
    http("/silence/reset", "").failed(reset.0, reset.1);
    https(Listener::Tls, "/silence/close", "", "").failed(608, "wait.closed");
}

#[test]
fn a_compressed_file() {
    let decoded = format!("decode = true\n{}", md5(ZEDS));
    let run = http("/gzip/zeds.txt", &decoded).succeeded(0);
    let run = run.with("/evidence/http/headers/content-encoding/0", "gzip");
    assert!(run.at("/evidence/bytes/received").as_u64().is_some_and(|bytes| bytes < LIMIT), "{run}");
    // Without `decode` nobody asks for compression. The size is one of bytes as they are sent.
    http("/gzip/zeds.txt", &md5(ZEDS)).succeeded(0).with("/evidence/transfer/bytes", LIMIT);
    http("/gzip/zeds.txt", "decode = true\nsize = 65536").failed(629, "transfer.short");
}

#[test]
fn what_is_less_than_expected() {
    http("/rows.txt", "size = \"1MiB\"").succeeded(0);
    // The smaller of the two: Content-Length is met.
    http("/rows.txt", "size = \"4MiB\"").succeeded(0);
    http("/empty.txt", "").failed(723, "transfer.empty");
    http("/empty.txt", "allow_empty = true").succeeded(0);
    http("/status/304", "").failed(304, "http.status");
}

#[test]
fn a_file_that_takes_too_long() {
    probe(&url("http", Listener::Plain, "/slow"), "timeout = \"1s\"\n[task.transfer]").failed(630, "receive.timeout");
}

#[test]
fn a_text_in_the_headers() {
    http("/rows.txt", "header_contains = \"Server: nginx\"").succeeded(0);
    http("/rows.txt", "header_contains = \"server: nginx\"").succeeded(0);
    http("/rows.txt", "header_contains = \"Server: Nginx\"").failed(627, "transfer.header");
}

#[test]
fn a_login() {
    http("/auth", "username = \"probe\"\npassword = \"open sesame\"").succeeded(0);
    http("/auth", "username = \"probe\"\npassword = \"wrong\"").failed(401, "http.status");
}

#[test]
fn statuses_that_are_the_code() {
    http("/missing", "").failed(404, "http.status").with_phases(&CLEAR);
    http("/private/", "").failed(403, "http.status");
    http("/upstream/closed", "").failed(502, "http.status");
}

#[test]
fn redirects() {
    for status in [301, 302, 303, 307, 308] {
        http(&format!("/redirect/{status}"), "").succeeded(0).with("/evidence/hops/0/status", status);
        http(&format!("/redirect/{status}"), "follow_redirects = false").failed(626, "http.redirect.forbidden");
    }
    http("/redirect/chain/10", "").succeeded(0);
    http("/redirect/chain/11", "").failed(633, "http.redirect.too_many");
    http("/redirect/loop", "").failed(633, "http.redirect.too_many");
    http("/redirect/empty", "").failed(633, "http.redirect.unusable");
    http("/redirect/nowhere", "").failed(633, "http.redirect.unusable");
    http("/redirect/elsewhere?to=ftp://127.0.0.1/", "").failed(633, "http.redirect.unusable");
    http("/redirect/nowhere", "follow_redirects = false").failed(302, "http.status");
    // Over several connections the first one goes the whole way.
    http(&format!("/redirect/elsewhere?to={}", url("http", Listener::Plain, "/rows.txt")), &md5(ROWS)).succeeded(0);
}

#[test]
fn redirects_to_other_servers() {
    let closed = ClosedPort::take().expect("a free port");
    let closed = format!("/redirect/elsewhere?to=http://{}/", closed.address().unwrap());
    http(&closed, "").failed(605, "redirect.connect.refused");
    let plain = url("https", Listener::Plain, "/");
    http(&format!("/redirect/elsewhere?to={plain}"), "").failed(631, "upgrade.tls.not_tls");
    let rows = format!("/redirect/elsewhere?to={}", url("https", Listener::Tls, "/rows.txt"));
    let ca = stack().certificate("ca.pem");
    let trusting = |tls: &str| {
        let lines = format!("[task.tls]\nca_file = {ca:?}\n{tls}\n[task.transfer]\nconnections = 3\n{}", md5(ROWS));
        probe(&url("http", Listener::Plain, &rows), &lines)
    };
    trusting("").succeeded(0);
    let old = url("http", Listener::Plain, &format!("/redirect/elsewhere?to={}", url("https", Listener::Tls12, "/")));
    probe(&old, &format!("[task.tls]\nca_file = {ca:?}\nmin_version = \"1.3\"\n[task.transfer]"))
        .failed(631, "upgrade.tls.nothing_in_common");
    let expired = format!("/redirect/elsewhere?to={}", url("https", Listener::Expired, "/"));
    probe(&url("http", Listener::Plain, &expired), &format!("[task.tls]\nca_file = {ca:?}\n[task.transfer]"))
        .failed(610, "upgrade.tls.certificate.expired");
    let down = format!("/redirect/elsewhere?to={}", url("http", Listener::Plain, "/"));
    https(Listener::Tls, &down, "", "").failed(644, "http.redirect.insecure");
}

#[test]
fn an_upload() {
    let zeds = format!("direction = \"upload\"\nsource = {:?}", url("http", Listener::Plain, "/zeds.txt"));
    let place = format!("/dav/{}", unused("zeds.txt"));
    http(&place, &format!("{zeds}\nsource_md5 = {ZEDS:?}"))
        .succeeded(0)
        .with_phases(&CLEAR)
        .with("/evidence/http/status", 201)
        .with("/evidence/transfer/bytes", LIMIT);
    http(&place, &md5(ZEDS)).succeeded(0);
    // Once more, in place of the first.
    http(&place, &zeds).succeeded(0).with("/evidence/http/status", 204);
    http("/dav/other.txt", &format!("{zeds}\nsource_md5 = {WRONG:?}")).failed(665, "transfer.source.md5");
    http(&place, &upload(0)).succeeded(0).with("/evidence/http/status", 204);
    http(&place, "").failed(723, "transfer.empty");
    http("/dav/other.txt", "").failed(404, "http.status");
}

#[test]
fn uploads_that_nginx_refuses() {
    http("/dav/closed/a", &upload(100)).failed(403, "http.status");
    http("/index.html", &upload(100)).failed(405, "http.status");
    http("/index.html", &format!("{}\nmethod = \"POST\"", upload(100))).failed(405, "http.status");
    http("/dav/", &upload(100)).failed(409, "http.status");
    http("/dav/large", &upload(LIMIT + 1)).failed(413, "http.status");
    // nginx answers when it has seen the head, and reads no more.
    http("/dav/large", &upload(50_000_000)).failed(413, "http.status");
    for status in [301, 302, 307, 308] {
        http(&format!("/redirect/{status}"), &upload(100)).failed(635, "http.redirect.with_body");
    }
    // By GET, without the body.
    http("/redirect/303", &upload(100)).succeeded(0).with("/evidence/hops/1/status", 200);
}

#[test]
fn over_tls() {
    for listener in [Listener::Tls, Listener::Tls12, Listener::Http2] {
        https(listener, "/rows.txt", "", &md5(ROWS)).succeeded(0).with_phases(&ENCRYPTED);
        let run = https(listener, "/rows.txt", "", &format!("connections = 3\n{}", md5(ROWS))).succeeded(0);
        run.with("/evidence/http/version", "1.1");
    }
    https(Listener::Tls, "/dav/tls.txt", "", &upload(LIMIT)).succeeded(0).with("/evidence/transfer/bytes", LIMIT);
    https(Listener::Tls, "/rows.txt", "strict_shutdown = true", &md5(ROWS)).succeeded(0);
}

#[test]
fn over_http_2() {
    let in_http_2 =
        |path: &str, lines: &str| https(Listener::Http2, path, "", &format!("http_version = \"2\"\n{lines}"));
    let run = in_http_2("/rows.txt", &md5(ROWS)).succeeded(0).with_phases(&ENCRYPTED);
    run.with("/evidence/http/version", "2").with("/evidence/tls/alpn", "h2");
    in_http_2("/rows.txt", &format!("connections = 3\n{}", md5(ROWS))).succeeded(0);
    in_http_2("/gzip/zeds.txt", &format!("decode = true\n{}", md5(ZEDS))).succeeded(0);
    in_http_2("/dav/h2.txt", &upload(LIMIT)).succeeded(0).with("/evidence/http/version", "2");
    in_http_2("/dav/large", &upload(LIMIT + 1)).failed(413, "http.status");
    in_http_2("/dav/large", &upload(50_000_000)).failed(413, "http.status");
    in_http_2("/missing", "").failed(404, "http.status");
    in_http_2("/redirect/307", &upload(100)).failed(635, "http.redirect.with_body");
    in_http_2("/redirect/loop", "").failed(633, "http.redirect.too_many");
}

#[test]
fn certificates() {
    let root = |listener, tls: &str| https(listener, "/", tls, "");
    root(Listener::Expired, "").failed(610, "tls.certificate.expired").with_phases(&["connect", "tls"]);
    // A name of another kind proves nothing about an address.
    root(Listener::WrongName, "").failed(648, "tls.certificate.no_name");
    root(Listener::Tls, "server_name = \"elsewhere.test\"").failed(611, "tls.certificate.name_mismatch");
    root(Listener::SelfSigned, "").failed(623, "tls.certificate.untrusted_root");
    root(Listener::Plain, "").failed(647, "tls.not_tls");
    root(Listener::Tls12, "min_version = \"1.3\"").failed(634, "tls.nothing_in_common");
    root(Listener::Expired, "server_name = \"elsewhere.test\"").failed(624, "tls.certificate.several");
    let untrusted = |listener| probe(&url("https", listener, "/"), "[task.transfer]");
    untrusted(Listener::Tls).failed(653, "tls.certificate.unknown_issuer");
    untrusted(Listener::Expired).failed(624, "tls.certificate.several");
}

#[test]
fn a_client_certificate_that_nginx_demands() {
    // nginx lets the handshake succeed, and answers the request with 400.
    https(Listener::Mutual, "/rows.txt", "", "").failed(400, "http.status");
    let (certificate, key) = (stack().certificate("client.pem"), stack().certificate("client.key"));
    let identity = format!("client_cert = {certificate:?}\nclient_key = {key:?}");
    let lines = format!("connections = 3\n{}", md5(ROWS));
    https(Listener::Mutual, "/rows.txt", &identity, &lines).succeeded(0);
}
