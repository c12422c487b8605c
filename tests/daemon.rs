//! The daemon as a whole: the real program with a folder of its own, peers on loopback, and signals.

#![allow(unreachable_pub, reason = "a test has no outside: `pub` marks what a module offers to the others")]

#[path = "daemon/host.rs"]
mod host;

use std::net::TcpListener;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use host::{Closed, Host, peer, recorder, task};
use nix::sys::signal::Signal;

const AT_ONCE: Duration = Duration::ZERO;

#[test]
fn runs_begin_at_their_times_until_a_signal_ends_it() {
    let host = Host::new("");
    host.write("tasks/a.toml", &task("front", peer(AT_ONCE, Some(200)), "100ms", ""));
    let mut daemon = host.start();
    daemon.wait_for("front http://127.0.0.1", 5);
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.end().code(), Some(0), "{}", daemon.log());
    assert_eq!(daemon.count("Ok 200"), daemon.count("DEBUG front"), "{}", daemon.log());
    assert!(daemon.log().trim_end().ends_with("ended"), "{}", daemon.log());
}

#[test]
fn a_wrong_configuration_starts_nothing() {
    let rows = [
        ("[schedule]\nconcurrency = \"many\"\n", "`concurrency` must be a whole number", "--> agent.toml:6:15\n"),
        (
            "[guard]\ntargets = [\"127.0.0.1\"]\n",
            "the guard cannot watch this: `127.0.0.1` is no URL that can be probed",
            "--> agent.toml:6:12\n",
        ),
        ("[export]\nwebhook = \"hooks\"\n", "this is no URL that can be posted to", "--> agent.toml:6:"),
    ];
    for (settings, mistake, place) in rows {
        let ended = Host::new(settings).command().output().expect("the agent can be run");
        assert_eq!(ended.status.code(), Some(2));
        let stderr = String::from_utf8_lossy(&ended.stderr);
        assert!(stderr.contains(mistake) && stderr.contains(place), "{stderr}");
        assert!(stderr.ends_with("nothing was started\n"), "{stderr}");
    }
}

#[test]
fn a_changed_a_new_and_a_removed_file_are_noticed() {
    let host = Host::new("");
    let address = peer(AT_ONCE, Some(200));
    host.write("tasks/a.toml", &task("one", address, "100ms", ""));
    let mut daemon = host.start();
    host.write("tasks/b.toml", &task("two", address, "100ms", ""));
    daemon.wait_for("2 probes are scheduled", 1);
    daemon.wait_for("DEBUG two", 1);
    host.write("targets.txt", &format!("http://{address}/1\nhttp://{address}/2\n"));
    let three = "[[task]]\nname = \"three\"\ntargets_file = \"../targets.txt\"\n[task.http]\n";
    host.write("tasks/b.toml", three);
    daemon.wait_for("3 probes are scheduled", 1);
    // A file that a task names.
    host.write("targets.txt", &format!("http://{address}/1\nhttp://{address}/2\nhttp://{address}/3\n"));
    daemon.wait_for("4 probes are scheduled", 1);
    std::fs::remove_file(host.path("tasks/b.toml")).expect("the file is there");
    daemon.wait_for("1 probes are scheduled", 2);
    daemon.signal(Signal::SIGHUP);
    daemon.wait_for("1 probes are scheduled", 3);
}

#[test]
fn a_wrong_file_is_refused_with_its_place_and_the_others_run_on() {
    let host = Host::new("");
    let address = peer(AT_ONCE, Some(200));
    host.write("tasks/a.toml", &task("one", address, "100ms", ""));
    let mut daemon = host.start();
    host.write("tasks/b.toml", "[[task]]\nname = \"two\"\n[task.htpp]\n");
    daemon.wait_for("refused, the running one stays", 1);
    daemon.wait_for("tasks/b.toml:3:7: `htpp` is no key", 1);
    let before = daemon.count("DEBUG one");
    daemon.wait_for("DEBUG one", before + 3);
    host.write("tasks/b.toml", &task("two", address, "100ms", ""));
    daemon.wait_for("2 probes are scheduled", 1);
    host.write("agent.toml", "[log]\nlevel = \"info\"\n[web]\nlisten = \"127.0.0.1:0\"\n");
    daemon.wait_for("[log] has changed, which needs a restart", 1);
}

#[test]
fn a_run_does_not_overlap_the_one_before_it() {
    let host = Host::new("");
    host.write("tasks/a.toml", &task("slow", peer(AT_ONCE, None), "300ms", "retries = 2\n"));
    let mut daemon = host.start();
    daemon.wait_for("Skipped agent.overlap", 2);
}

#[test]
fn who_gets_no_place_until_the_next_slot_is_skipped() {
    let host = Host::new("[schedule]\nconcurrency = 1\n");
    let address = peer(AT_ONCE, None);
    let slow = task("slow", address, "5s", "");
    host.write("tasks/a.toml", &[slow, task("quick", address, "100ms", "")].concat());
    let mut daemon = host.start();
    daemon.wait_for("quick", 1);
    daemon.wait_for("Skipped agent.busy", 3);
    assert_eq!(daemon.count("DEBUG slow http://127.0.0.1: Skipped agent.busy"), 0);
}

#[test]
fn a_machine_that_stood_still_has_one_record_and_one_run() {
    let host = Host::new("");
    host.write("tasks/a.toml", &task("front", peer(AT_ONCE, Some(200)), "100ms", ""));
    let mut daemon = host.start();
    daemon.wait_for("Ok 200", 2);
    daemon.signal(Signal::SIGSTOP);
    std::thread::sleep(Duration::from_millis(1500));
    daemon.signal(Signal::SIGCONT);
    let runs = daemon.count("Ok 200");
    daemon.wait_for("Missed agent.slot_passed", 1);
    daemon.wait_for("Ok 200", runs + 3);
    let log = daemon.log();
    let slots: u32 = log
        .lines()
        .filter_map(|line| line.split_once("agent.slot_passed: ")?.1.split(' ').next()?.parse::<u32>().ok())
        .max()
        .unwrap_or(0);
    assert!((12..=16).contains(&slots), "{log}");
}

#[test]
fn an_agent_that_is_cut_off_blames_nobody() {
    let (guard, target) = (Closed::new(), Closed::new());
    let host = Host::new(&format!("[guard]\ntargets = [\"tcp://{}\"]\n", guard.address()));
    host.write("tasks/a.toml", &task("shop", target.address(), "200ms", ""));
    let mut daemon = host.start();
    daemon.wait_for("the agent is cut off", 1);
    daemon.wait_for("Skipped agent.cut_off", 3);
    assert_eq!(daemon.count("Failed"), 0, "{}", daemon.log());
    assert!(daemon.count("the run had seen connect.refused") >= 1, "{}", daemon.log());
    guard.listen();
    daemon.wait_for("no longer cut off", 1);
    daemon.wait_for("Failed", 2);
}

#[test]
fn runs_under_way_are_finished_before_the_end() {
    let host = Host::new("");
    host.write("tasks/a.toml", &task("slow", peer(Duration::from_millis(700), Some(200)), "800ms", ""));
    let mut daemon = host.start();
    daemon.wait_for("Ok 200", 1);
    // The next one begins a tenth of a second later.
    std::thread::sleep(Duration::from_millis(300));
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.end().code(), Some(0));
    let log = daemon.log();
    let after = log.split_once("ending: ").map(|(_, after)| after).unwrap_or_default();
    assert!(after.contains("Ok 200") && !after.contains("cut off"), "{log}");
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port of loopback");
    let address = silent.local_addr().expect("a bound port has an address");
    let host = Host::new("");
    host.write("tasks/a.toml", &task("slow", address, "2s", "retries = 9\n"));
    let mut daemon = host.start();
    let _run = silent.accept().expect("a run begins");
    daemon.signal(Signal::SIGINT);
    daemon.wait_for("ending: ", 1);
    daemon.signal(Signal::SIGINT);
    assert_eq!(daemon.end().code(), Some(3), "{}", daemon.log());
}

#[test]
fn the_end_begins_no_further_attempts() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port of loopback");
    let address = silent.local_addr().expect("a bound port has an address");
    let host = Host::new("");
    host.write("tasks/a.toml", &task("slow", address, "1s", "retries = 100\n"));
    let mut daemon = host.start();
    let _run = silent.accept().expect("a run begins");
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.end().code(), Some(0), "{}", daemon.log());
    assert_eq!((daemon.count("Failed"), daemon.count("cut off")), (1, 0), "{}", daemon.log());
}

#[test]
fn failures_are_exported_and_the_url_stays_secret() {
    let (address, requests) = recorder();
    let settings = format!("[export]\njsonl = \"failures.jsonl\"\nwebhook = \"http://{address}/hook-of-secrets\"\n");
    let host = Host::new(&settings);
    let closed = Closed::new();
    host.write("tasks/a.toml", &task("down", closed.address(), "200ms", ""));
    let mut daemon = host.start();
    daemon.wait_for("Failed", 3);
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.end().code(), Some(0));
    assert!(!daemon.log().contains("hook-of-secrets"), "{}", daemon.log());
    let lines = host.read("failures.jsonl");
    let requests = requests.lock().expect("nobody panics").clone();
    assert_eq!(lines.lines().count(), daemon.count("Failed"), "{lines}\n{}", daemon.log());
    assert_eq!(lines.lines().count(), requests.len(), "{requests:?}");
    for (line, request) in lines.lines().zip(&requests) {
        let failure: serde_json::Value = serde_json::from_str(line).expect("JSON");
        assert_eq!((&failure["task"], &failure["fault"]), (&"down".into(), &"connect.refused".into()));
        assert!(request.starts_with("POST /hook-of-secrets HTTP/1.1\r\n"), "{request}");
        assert!(request.contains("content-type: application/json\r\n"), "{request}");
        assert!(request.ends_with(&format!("\r\n\r\n{line}")), "{request}");
    }
}

#[test]
fn the_service_manager_is_told() {
    let host = Host::new("");
    host.write("tasks/a.toml", &task("front", peer(AT_ONCE, Some(200)), "100ms", ""));
    let manager = UnixDatagram::bind(host.path("notify")).expect("a socket in the folder");
    let mut command = host.command();
    command.env("NOTIFY_SOCKET", host.path("notify")).env("WATCHDOG_USEC", "200000");
    let daemon = host.start_as(&mut command);
    let mut wanted = vec!["READY=1", "WATCHDOG=1", "WATCHDOG=1", "RELOADING=1", "READY=1", "STOPPING=1"].into_iter();
    let mut next = wanted.next();
    while let Some(state) = next {
        let mut bytes = [0; 256];
        let length = manager.recv(&mut bytes).expect("the daemon tells");
        if &bytes[..length] == state.as_bytes() {
            next = wanted.next();
            match next {
                Some("RELOADING=1") => daemon.signal(Signal::SIGHUP),
                Some("STOPPING=1") => daemon.signal(Signal::SIGTERM),
                _ => {}
            }
        }
    }
}
