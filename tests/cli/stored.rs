//! What is asked of a store: `top`, `history` and `replay`.

use std::path::Path;
use std::time::{Duration, SystemTime};

use agent::store::{Limits, Store};
use probes::outcome::Idle;
use tempfile::TempDir;

use crate::call::{agent, said, snapshot};
use crate::runs::{failed, http_codes, identity, idle, ok};

/// A folder with a store: 30 runs of each of the last two hours, more of which failed lately.
fn store() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let store = Store::open(&folder.path().join("agent.db"), Limits::default()).expect("a store");
    let now = SystemTime::now();
    let codes = http_codes();
    for number in 0..60_u64 {
        let region = ["gz", "sh"][usize::from(number % 3 == 0)];
        let who = identity("shop", &format!("https://{region}.shop.test/"), &[("region", region)]);
        let started = now - Duration::from_secs(60 + number * 120);
        let code = codes[usize::from(number.is_multiple_of(4))];
        let fails = if number < 30 { number % 2 == 0 } else { number % 5 == 0 };
        let took = Duration::from_micros(1_500 + number);
        store.push(if fails { failed(&who, started, took, code) } else { ok(&who, started, took) });
    }
    // From before the range before, so that there is something to compare with.
    let who = identity("mail", "https://mail.test/", &[]);
    store.push(ok(&who, now - Duration::from_secs(3 * 86_400), Duration::from_millis(1)));
    store.push(idle(&who, now - Duration::from_secs(1), Idle::Overlap));
    store.close();
    folder
}

async fn ask(folder: &Path, arguments: &[&str]) -> String {
    let id = regex::Regex::new(r"\b01[0-9A-Z]{24}\b").expect("a literal expression");
    let said = said(&agent(folder, arguments).await, folder);
    id.replace_all(&said, "ID").into_owned()
}

#[tokio::test]
async fn the_most_frequent_codes() {
    let folder = store();
    let calls: [(&str, &[&str]); 5] = [
        ("top", &["top", "--since", "1h"]),
        ("top-by-region", &["top", "--by", "region,task", "--since", "1h", "--limit", "1"]),
        ("top-by-address", &["top", "--by", "address", "--since", "90d"]),
        ("top-json", &["top", "--by", "region", "--since", "1h", "--format", "json"]),
        ("top-of-nothing", &["top", "--since", "10ms"]),
    ];
    for (name, arguments) in calls {
        snapshot("stored", name, &ask(folder.path(), &[arguments, &["--store", "agent.db"]].concat()).await);
    }
}

#[tokio::test]
async fn past_runs() {
    let folder = store();
    let calls: [(&str, &[&str]); 4] = [
        ("history", &["history", "--limit", "5"]),
        ("history-of-failures", &["history", "shop", "--failed", "--limit", "3"]),
        ("history-json", &["history", "--failed", "--limit", "2", "--format", "json"]),
        ("history-of-no-such-task", &["history", "ship"]),
    ];
    for (name, arguments) in calls {
        snapshot("stored", name, &ask(folder.path(), &[arguments, &["--store", "agent.db"]].concat()).await);
    }
}

#[tokio::test]
async fn what_cannot_be_answered() {
    let folder = store();
    std::fs::write(folder.path().join("agent.toml"), "[state]\ndir = \".\"\n[store]\npath = \"other.db\"\n")
        .expect("a file");
    let calls: [(&str, &[&str]); 8] = [
        ("no-such-dimension", &["top", "--by", "regoin", "--store", "agent.db"]),
        ("no-duration", &["top", "--since", "yesterday", "--store", "agent.db"]),
        ("no-store", &["top", "--store", "none.db"]),
        ("no-store-of-settings", &["history", "--config", "agent.toml"]),
        ("no-settings", &["history"]),
        ("store-and-settings", &["top", "--config", "agent.toml", "--store", "agent.db"]),
        ("no-id", &["replay", "first", "--store", "agent.db"]),
        ("no-such-run", &["replay", "01ARZ3NDEKTSV4RRFFQ69G5FAV", "--store", "agent.db"]),
    ];
    for (name, arguments) in calls {
        snapshot("stored", name, &ask(folder.path(), arguments).await);
    }
}

#[tokio::test]
async fn help() {
    for verb in ["top", "history", "replay"] {
        snapshot("stored", format!("help-{verb}"), &crate::call::words(&[verb, "--help"]).await);
    }
}

#[tokio::test]
async fn a_run_is_replayed() {
    let folder = store();
    let listed = agent(folder.path(), &["history", "--limit", "1", "--format", "json", "--store", "agent.db"]).await;
    let run: serde_json::Value = serde_json::from_str(&listed.stdout).expect("JSON");
    let id = run["id"].as_str().expect("an id");
    let replayed = agent(folder.path(), &["replay", id, "--store", "agent.db"]).await;
    assert_eq!((replayed.status, replayed.stdout.as_str()), (Some(0), "[[task]]\n"));
}
