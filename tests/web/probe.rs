//! `/probe` keeps the contract of `blackbox_exporter`.

use std::net::TcpListener;

use crate::house::{House, PAGE, answering};

const MODULES: &str = "[[task]]\nname = \"http_2xx\"\n[task.http]\nexpect_status = [\"2xx\"]\n\
                       [[task]]\nname = \"secretive\"\n[task.http]\npassword = \"geheim\"\nusername = \"u\"\n\
                       headers = { Host = \"own.test\" }\n\
                       [[task]]\nname = \"tcp_connect\"\n[task.tcp]\n\
                       [[task]]\nname = \"quick\"\ntimeout = \"5s\"\n[task.tcp]\nexpect = \"never\"\n\
                       [[task]]\nname = \"with-target\"\ntarget = \"127.0.0.1:1\"\n[task.tcp]\n";
const OPEN: &str = "[policy]\ninternal = \"allow\"\n";

#[test]
fn a_target_is_probed_as_its_module_says() {
    let house = House::open(OPEN, MODULES);
    let page = answering(PAGE);
    for target in [format!("http://{page}/"), page.to_string()] {
        let answer = house.get(&format!("/probe?target={target}"));
        assert_eq!(answer.status, 200);
        assert_eq!(answer.field("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
        for line in [
            "probe_success 1",
            "probe_http_status_code 200",
            "probe_http_content_length 6",
            "probe_http_uncompressed_body_length 6",
            "probe_http_redirects 0",
            "probe_http_ssl 0",
            "probe_http_version 1.1",
            "probe_ip_protocol 4",
            "probe_failed_due_to_regex 0",
            "probe_http_last_modified_timestamp_seconds 1795248000",
            "probe_error_code{book=\"cloudmonitor\",protocol=\"http\"} 0",
        ] {
            assert!(answer.body.lines().any(|other| other == line), "{line}\n{}", answer.body);
        }
        for absent in ["phase=\"resolve\"", "phase=\"tls\"", "task=", "target=", "probe_failure_info", "probe_ssl"] {
            assert!(!answer.body.contains(absent), "{absent}\n{}", answer.body);
        }
    }
    let answer = house.get(&format!("/probe?module=tcp_connect&target={page}"));
    assert!(answer.body.contains("\nprobe_success 1\n"), "{}", answer.body);
}

#[test]
fn a_failure_has_its_code_and_no_phase_that_was_not_reached() {
    let house = House::open(OPEN, MODULES);
    let closed = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port is free");
    let answer = house.get(&format!("/probe?target={closed}"));
    assert_eq!(answer.status, 200);
    for part in ["probe_success 0\n", "fault=\"connect.refused\",side=\"target\"} 1\n", "phase=\"connect\"} "] {
        assert!(answer.body.contains(part), "{part}\n{}", answer.body);
    }
    for absent in ["probe_http_status_code", "phase=\"processing\"", "phase=\"transfer\"", "probe_failed_due_to_regex"]
    {
        assert!(!answer.body.contains(absent), "{absent}\n{}", answer.body);
    }
    // What is no target of the module is a failed probe, as it is there.
    assert!(house.get("/probe?target=http://:80/").body.contains("probe_success 0\n"));
}

#[test]
fn what_is_wrong_with_a_request_is_said_in_the_words_of_blackbox_exporter() {
    let house = House::open(OPEN, MODULES);
    let rows = [
        ("/probe", "", 400, "Target parameter is missing\n"),
        ("/probe?target=", "", 400, "Target parameter is missing\n"),
        ("/probe?target=a.test&module=none", "", 400, "Unknown module \"none\"\n"),
        ("/probe?target=a.test&module=with-target", "", 400, "Unknown module \"with-target\"\n"),
        ("/probe?module=none", "", 400, "Unknown module \"none\"\n"),
        (
            "/probe?target=a.test",
            "X-Prometheus-Scrape-Timeout-Seconds: ten\r\n",
            500,
            "Failed to parse timeout from Prometheus header: \"ten\" is no number of seconds\n",
        ),
    ];
    for (path, fields, status, words) in rows {
        let answer = house.ask("GET", path, fields);
        assert_eq!((answer.status, answer.body.as_str()), (status, words), "{path}");
    }
    let other = house.get("/probe?module=secretive&target=127.0.0.1:1&hostname=other.test");
    assert_eq!(other.status, 400, "{other:?}");
    let counts = house.get("/metrics").body;
    assert!(counts.contains("agent_probe_requests_total{outcome=\"unknown_module\"} 3\n"), "{counts}");
}

#[test]
fn internal_addresses_are_refused_unless_the_policy_allows_them() {
    let house = House::open("", MODULES);
    let page = answering(PAGE);
    let answer = house.get(&format!("/probe?target={page}&debug=true"));
    assert!(answer.body.contains("\nprobe_success 0\n"), "{}", answer.body);
    assert!(answer.body.contains("probe_error_code{book=\"cloudmonitor\",protocol=\"http\"} 703\n"), "{}", answer.body);
    assert!(answer.body.contains("[policy] internal = "), "{}", answer.body);
}

#[test]
fn debug_shows_the_run_the_metrics_and_the_module_without_its_secrets() {
    let house = House::open(OPEN, MODULES);
    let page = answering(PAGE);
    let answer = house.get(&format!("/probe?module=secretive&target=http://{page}/&debug=true"));
    assert_eq!(answer.field("content-type"), Some("text/plain; charset=utf-8"));
    let parts = ["Logs for the probe:\n", "Metrics that would have been returned:\n", "Module configuration:\n"];
    let places: Vec<_> = parts.iter().map(|part| answer.body.find(part)).collect();
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{}", answer.body);
    assert!(answer.body.contains("level=info msg=\"Probe succeeded in "), "{}", answer.body);
    let module = answer.body.rsplit("Module configuration:\n").next().unwrap_or_default();
    assert!(module.contains("AGENT_SECRET_1") && module.contains("own.test"), "{}", answer.body);
    assert!(!answer.body.contains("geheim"), "{}", answer.body);
}

#[test]
fn a_probe_ends_before_its_scrape_does() {
    let house = House::open(OPEN, MODULES);
    // Takes connections, and never says a word.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let target = silent.local_addr().expect("a listener has an address");
    let duration = |fields: &str| {
        let answer = house.ask("GET", &format!("/probe?module=quick&target={target}"), fields);
        let line = answer.body.lines().find_map(|line| line.strip_prefix("probe_duration_seconds "));
        line.and_then(|seconds| seconds.parse::<f64>().ok()).expect("a probe has a duration")
    };
    let short = duration("X-Prometheus-Scrape-Timeout-Seconds: 1.5\r\n");
    assert!((1.0..1.4).contains(&short), "{short}");
}

#[test]
fn a_hostname_is_asked_for_in_the_place_of_the_target() {
    let house = House::open(OPEN, MODULES);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let target = listener.local_addr().expect("a listener has an address");
    let heard = std::thread::spawn(move || {
        use std::io::{Read as _, Write as _};
        let (mut stream, _) = listener.accept().expect("somebody comes");
        let mut head = [0; 4096];
        let length = stream.read(&mut head).expect("somebody speaks");
        stream.write_all(PAGE).expect("somebody listens");
        String::from_utf8_lossy(&head[..length]).into_owned()
    });
    let answer = house.get(&format!("/probe?target={target}&hostname=shop.test"));
    assert!(
        answer.body.contains("\nprobe_success 1\n") || answer.body.starts_with("# HELP probe_success"),
        "{}",
        answer.body
    );
    assert!(heard.join().expect("the server does not panic").to_ascii_lowercase().contains("host: shop.test\r\n"));
}
