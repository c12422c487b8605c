//! Readers with evil in mind, stores that cannot be read, and more targets than a page has room for.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant, SystemTime};

use agent::store::{Limits, Store};

use crate::client::{Answer, get};
use crate::host::{Closed, Daemon, Host, peer, task};
use crate::runs;
use crate::scene::door;

/// No page is longer, whoever asks for whatever.
const LONGEST: usize = 1 << 18;

/// A daemon with one task that is well.
fn daemon() -> (Host, Daemon) {
    let host = Host::new("");
    host.write("tasks/a.toml", &task("front", peer(Duration::ZERO, Some(200)), "500ms", ""));
    let mut daemon = host.start();
    daemon.wait_for("Ok 200", 1);
    (host, daemon)
}

/// An answer that is a page.
fn page(answer: &Answer) -> &str {
    let head = answer.head.to_ascii_lowercase();
    assert!(head.contains("content-security-policy: default-src 'none'; "), "{head}");
    assert!(head.contains("content-type: text/html; charset=utf-8"), "{head}");
    assert!(answer.body.len() < LONGEST, "{} bytes", answer.body.len());
    assert_eq!(answer.body.matches("<script").count(), 1, "{}", answer.body);
    &answer.body
}

#[test]
fn queries_of_any_kind_are_answered() {
    let (_host, daemon) = daemon();
    let address = door(&daemon.log());
    let long = "x".repeat(10_000);
    let rows = [
        ("/?page=99999999999".to_owned(), 200),
        ("/?page=18446744073709551615".to_owned(), 200),
        ("/?page=18446744073709551616&page=-1".to_owned(), 200),
        ("/?range=x&range=%3Cscript%3E".to_owned(), 200),
        ("/?by=%3Cscript%3Ealert(1)%3C/script%3E".to_owned(), 200),
        ("/?q=%22%3E%3Cscript%3Ealert(1)%3C/script%3E".to_owned(), 200),
        ("/?q=%FF%FE%80&by=%C3&lang=%00".to_owned(), 200),
        ("/?lang=%3Cscript%3E".to_owned(), 200),
        ("/?%3Cscript%3E=%3Cscript%3E&&==&%".to_owned(), 200),
        (format!("/?q={long}"), 200),
        (format!("/task?name={long}"), 404),
        ("/task".to_owned(), 404),
        ("/task?name=%3Cscript%3Ealert(1)%3C/script%3E".to_owned(), 404),
        ("/task?name=front&target=%3Cscript%3E".to_owned(), 404),
        ("/task?name=front&before=%FF&failed=%3Cscript%3E&range=%00".to_owned(), 200),
        ("/task?name=front&before=7ZZZZZZZZZZZZZZZZZZZZZZZZZ".to_owned(), 200),
        ("/run".to_owned(), 404),
        ("/run?id=%3Cscript%3E".to_owned(), 404),
        ("/run?id=00000000000000000000000000".to_owned(), 404),
    ];
    for (path, status) in rows {
        let answer = get(address, &path, "");
        assert_eq!(answer.status, status, "{:.80}: {:.200}", path, answer.body);
        page(&answer);
    }
    // A head of a million letters is refused before anybody reads it.
    let answer = get(address, &format!("/?q={}", "x".repeat(1_000_000)), "");
    assert!(matches!(answer.status, 414 | 431), "{}", answer.head);
    let answer = get(address, "/", "Accept-Language: \u{80}\u{7}<script>,,;;q=,zh\r\n");
    assert!(matches!(answer.status, 200 | 400), "{}", answer.head);
    assert_eq!(get(address, "/", "").status, 200);
}

#[test]
fn without_a_store_the_page_says_so() {
    let (host, daemon) = daemon();
    let address = door(&daemon.log());
    assert_eq!(get(address, "/", "").status, 200);
    // The file is gone under the daemon, and something else is in its place.
    for name in ["agent.db", "agent.db-wal", "agent.db-shm"] {
        _ = fs::remove_file(host.path("var").join(name));
    }
    let _socket = UnixListener::bind(host.path("var/agent.db")).expect("a socket in the folder");
    for path in ["/", "/task?name=front", "/run?id=00000000000000000000000000"] {
        let begun = Instant::now();
        let answer = get(address, path, "");
        assert_eq!(answer.status, 500, "{path}");
        assert!(page(&answer).contains("<h1>The results cannot be read</h1>"), "{}", answer.body);
        assert!(begun.elapsed() < Duration::from_secs(10), "{path} takes {:?}", begun.elapsed());
    }
}

#[test]
fn a_refused_configuration_is_shown_as_text() {
    let (host, mut daemon) = daemon();
    host.write("tasks/b.toml", "[[task]]\nname = \"b\"\n[task.'<script>alert(1)</script>']\n");
    daemon.wait_for("refused, the running one stays", 1);
    let answer = get(door(&daemon.log()), "/", "");
    assert!(page(&answer).contains("class=\"notice\" role=\"alert\""), "{}", answer.body);
    assert!(answer.body.contains("&#60;script&#62;alert(1)"), "{}", answer.body);
}

#[test]
fn ten_thousand_targets_have_a_page() {
    let host = Host::new("");
    let closed = Closed::new();
    let mut targets = String::new();
    for number in 0..10_000 {
        _ = writeln!(targets, "http://{}/{number}", closed.address());
    }
    host.write("targets.txt", &targets);
    fs::create_dir(host.path("var")).expect("a folder of the test");
    let store = Store::open(&host.path("var/agent.db"), Limits::default()).expect("a store opens");
    let failure = runs::http_codes()[0];
    let an_hour = Duration::from_secs(60 * 60);
    for (number, target) in targets.lines().enumerate() {
        let identity = runs::identity("many", target, &[("shop", if number % 2 == 0 { "even" } else { "odd" })]);
        let started = SystemTime::now() - an_hour;
        store.push(match number % 100 {
            0 => runs::failed(&identity, started, Duration::from_millis(20), failure),
            _ => runs::ok(&identity, started, Duration::from_millis(20)),
        });
    }
    store.close();
    let many = "[[task]]\nname = \"many\"\ntargets_file = \"../targets.txt\"\ninterval = \"30d\"\n[task.http]\n";
    host.write("tasks/a.toml", many);
    let mut daemon = host.start();
    daemon.wait_for("10000 probes are scheduled", 1);
    let address = door(&daemon.log());
    for path in ["/", "/?range=30d&by=target", "/?failing=1", "/?q=9999", "/?page=199", "/task?name=many"] {
        let begun = Instant::now();
        let answer = get(address, path, "");
        let took = begun.elapsed();
        assert_eq!(answer.status, 200, "{path}");
        page(&answer);
        assert!(took < Duration::from_secs(10), "{path} takes {took:?}");
    }
}
