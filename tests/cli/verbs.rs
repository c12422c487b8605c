//! What needs no peer: help, usage, the catalogue.

use std::fs;
use std::path::Path;

use crate::call::{agent, said, snapshot, words};

#[tokio::test]
async fn help() {
    for verb in ["", "probe", "check", "codes", "explain", "import"] {
        let call: Vec<&str> = verb.split_whitespace().chain(["--help"]).collect();
        let name = if verb.is_empty() { "help".to_owned() } else { format!("help-{verb}") };
        snapshot("verbs", name, &words(&call).await);
    }
}

#[tokio::test]
async fn import() {
    for name in ["good", "stops"] {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/cli/modules/{name}.yml"));
        fs::copy(shipped, folder.path().join("blackbox.yml")).expect("the file can be copied");
        let call = agent(folder.path(), &["import", "blackbox.yml"]).await;
        snapshot("verbs", format!("import-{name}"), &said(&call, folder.path()));
    }
}

#[tokio::test]
async fn usage() {
    let calls: [(&str, &[&str]); 7] = [
        ("no-arguments", &[]),
        ("no-such-verb", &["prob"]),
        ("no-such-flag", &["probe", "--tsk", "shop.toml"]),
        ("no-such-format", &["probe", "tcp://127.0.0.1:1", "--format", "xml"]),
        ("probe-of-nothing", &["probe"]),
        ("check-of-nothing", &["check"]),
        ("url-and-task", &["probe", "https://shop.example.com/", "--task", "shop.toml"]),
    ];
    for (name, call) in calls {
        snapshot("verbs", name, &words(call).await);
    }
}

#[tokio::test]
async fn codes() {
    let calls: [(&str, &[&str]); 7] = [
        ("codes-of-a-protocol", &["codes", "cloudmonitor/http"]),
        ("codes-of-no-book", &["codes", "nosuch"]),
        ("codes-of-no-protocol", &["codes", "cloudmonitor/gopher"]),
        ("faults-of-a-protocol", &["codes", "cloudmonitor/tcp", "--faults"]),
        ("faults-without-a-code", &["codes", "cloudmonitor/ping", "--faults"]),
        ("codes-with-an-extension", &["codes", "cloudmonitor/ping"]),
        ("explain-an-extension", &["explain", "cloudmonitor/ping/615"]),
    ];
    for (name, call) in calls {
        snapshot("verbs", name, &words(call).await);
    }
    snapshot("verbs", "codes", &head(&words(&["codes"]).await, 12));
    snapshot("verbs", "codes-json", &head(&words(&["codes", "--format", "json"]).await, 3));
    snapshot("verbs", "faults-json", &head(&words(&["codes", "--faults", "--format", "json"]).await, 3));
}

#[tokio::test]
async fn explain() {
    let calls = [
        ("explain-0", "0"),
        ("explain-611", "611"),
        ("explain-a-status-of-a-protocol", "cloudmonitor/http/404"),
        ("explain-a-negative-number", "-61"),
        ("explain-no-such-code", "9999"),
        ("explain-no-such-code-of-a-protocol", "cloudmonitor/tcp/404"),
        ("explain-no-number", "x"),
        ("explain-no-such-book", "cloudmonitr/http/611"),
    ];
    for (name, code) in calls {
        snapshot("verbs", name, &words(&["explain", code]).await);
    }
}

/// The first lines of what was said.
fn head(said: &str, lines: usize) -> String {
    said.lines().take(lines).flat_map(|line| [line, "\n"]).collect()
}
