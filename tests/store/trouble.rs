//! Full and read-only disks, damaged, old and new files, and two daemons: the store says it, and mends what it can.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use agent::store::{Limits, Reader, Store};
use probes::outcome::Verdict;
use rusqlite::Connection;

use crate::keeping::until;
use crate::runs::{failed, http_codes, identity, ok};

fn push(store: &Store, runs: u64) {
    let who = identity("shop", "https://shop.test/", &[]);
    for number in 0..runs {
        let started = SystemTime::now();
        store.push(if number % 10 == 0 {
            failed(&who, started, Duration::from_millis(1), http_codes()[0])
        } else {
            ok(&who, started, Duration::from_millis(1))
        });
    }
}

fn count(path: &Path, outcome: Verdict) -> u64 {
    let sql = "SELECT count(*) FROM run WHERE outcome = ?";
    let file = Connection::open(path).expect("the file");
    file.query_row(sql, [u8::from(outcome == Verdict::Failed)], |row| row.get(0)).expect("a count")
}

#[test]
fn a_full_disk_is_said_and_mends_by_itself() {
    let folder = Small::mount();
    let path = folder.0.path().join("agent.db");
    let store = Store::open(&path, Limits { waiting: 500, ..Limits::default() }).expect("a store");
    push(&store, 10);
    until(|| store.health().written == 10);
    let ballast = folder.0.path().join("ballast");
    // All the room there is.
    let _ = fs::write(&ballast, vec![1; 8 << 20]);
    let mut pushed = 10;
    until(|| {
        push(&store, 100);
        store.health().trouble.is_some()
    });
    let health = store.health();
    let trouble = health.trouble.expect("a trouble");
    assert!(trouble.text.contains("full"), "{}", trouble.text);
    assert!(trouble.since <= SystemTime::now());
    // More than may wait: those that failed stay.
    push(&store, 2_000);
    pushed += health.written + store.health().dropped;
    assert!(store.health().waiting <= 500 && store.health().dropped > 1_000 && pushed > 1_000);
    fs::remove_file(&ballast).expect("the ballast");
    until(|| store.health().trouble.is_none() && store.health().waiting == 0);
    let health = store.health();
    store.close();
    assert_eq!(count(&path, Verdict::Ok) + count(&path, Verdict::Failed), health.written, "nothing twice");
    assert!(count(&path, Verdict::Failed) > 200, "failures are preferred: {}", count(&path, Verdict::Failed));
}

/// A file system of its own with a few MiB.
struct Small(tempfile::TempDir);

impl Small {
    fn mount() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mount = ["-t", "tmpfs", "-o", "size=3m", "tmpfs"];
        let done = Command::new("mount").args(mount).arg(folder.path()).status().expect("mount can be run");
        assert!(done.success(), "a small file system is needed to fill: run this test as root");
        Self(folder)
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

#[test]
fn a_read_only_disk_is_said_and_mends_by_itself() {
    let folder = Small::mount();
    let path = folder.0.path().join("agent.db");
    let remount = |how: &str| {
        let done = Command::new("mount").args(["-o", how]).arg(folder.0.path()).status().expect("mount can be run");
        done.success()
    };
    // From the start: there is no file yet, and none can be made.
    assert!(remount("remount,ro"));
    let store = Store::open(&path, Limits::default()).expect("a store that waits");
    push(&store, 10);
    until(|| store.health().trouble.is_some());
    let text = store.health().trouble.expect("a trouble").text;
    assert!(text.contains("unable to open") || text.contains("Read-only"), "{text}");
    assert!(remount("remount,rw"));
    until(|| store.health().trouble.is_none() && store.health().written == 10);
    assert_eq!(count(&path, Verdict::Failed), 1);
    store.close();
}

#[test]
fn a_damaged_file_is_moved_aside() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("agent.db");
    fs::write(&path, "this is no database, and long enough to be looked at ".repeat(100)).expect("a file");
    let store = Store::open(&path, Limits::default()).expect("a store");
    push(&store, 10);
    until(|| store.health().written == 10);
    store.close();
    let names = fs::read_dir(folder.path()).expect("the folder");
    let names: Vec<_> = names.map(|entry| entry.expect("an entry").file_name().into_string().expect("text")).collect();
    assert!(names.iter().any(|name| name.starts_with("agent.db.damaged-")), "{names:?}");
    assert_eq!(count(&path, Verdict::Ok), 9);
}

/// A page that only readers look at can be damaged while the writer is well.
#[test]
fn damage_that_a_reader_finds_is_mended_by_the_writer() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("agent.db");
    let store = Store::open(&path, Limits::default()).expect("a store");
    push(&store, 5000);
    until(|| store.health().written == 5000);
    store.close();
    let store = Store::open(&path, Limits::default()).expect("a store");
    let mut bytes = fs::read(&path).expect("the file");
    let end = bytes.len();
    bytes[4096..end].fill(0x5a);
    // The same file: another one in its place would be noticed as such.
    let mut file = fs::OpenOptions::new().write(true).open(&path).expect("the file");
    std::io::Write::write_all(&mut file, &bytes).expect("the file");
    let asked = store.reader().history(&agent::store::HistoryQuery::default());
    assert!(asked.is_err(), "{asked:?}");
    push(&store, 10);
    until(|| store.health().written == 10 && store.health().trouble.is_none());
    store.close();
    assert_eq!(count(&path, Verdict::Ok), 9);
}

#[test]
fn a_file_that_is_damaged_or_removed_meanwhile_is_begun_anew() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("agent.db");
    let store = Store::open(&path, Limits::default()).expect("a store");
    let reader = store.reader();
    push(&store, 10);
    until(|| store.health().written == 10);
    for suffix in ["", "-wal", "-shm"] {
        fs::remove_file(format!("{}{suffix}", path.display())).expect("a file of the store");
    }
    push(&store, 10);
    until(|| store.health().written == 20 && store.health().trouble.is_none());
    assert_eq!(reader.history(&agent::store::HistoryQuery::default()).expect("an answer").len(), 10);
    // The log stays where somebody reads.
    drop(reader);
    store.close();
    // In the middle: the root of a table.
    let mut bytes = fs::read(&path).expect("the file");
    let end = bytes.len();
    bytes[4096..end].fill(0x5a);
    fs::write(&path, bytes).expect("the file");
    let store = Store::open(&path, Limits::default()).expect("a store");
    push(&store, 10);
    until(|| store.health().written == 10 && store.health().trouble.is_none());
    store.close();
    assert_eq!(count(&path, Verdict::Ok), 9);
}

#[test]
fn a_second_daemon_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("agent.db");
    let first = Store::open(&path, Limits::default()).expect("a store");
    let second = Store::open(&path, Limits::default()).expect_err("a second one");
    assert!(second.to_string().contains("is in use by another daemon"), "{second}");
    first.close();
    Store::open(&path, Limits::default()).expect("it is free again");
}

#[test]
fn an_empty_file_is_made_a_store_and_a_newer_one_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("agent.db");
    fs::write(&path, "").expect("a file");
    let store = Store::open(&path, Limits::default()).expect("a store");
    push(&store, 10);
    store.close();
    assert_eq!(count(&path, Verdict::Ok), 9);
    Connection::open(&path).expect("the file").pragma_update(None, "user_version", 99).expect("a version");
    for error in [
        Store::open(&path, Limits::default()).expect_err("a newer file"),
        Reader::open(&path).expect_err("a newer file"),
    ] {
        assert!(error.to_string().contains("was written by a newer agent"), "{error}");
    }
}

#[test]
fn a_store_that_is_not_there_is_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let error = Reader::open(&folder.path().join("agent.db")).expect_err("nothing there");
    assert!(error.to_string().contains("there is no store at"), "{error}");
}

/// Whoever asks needs no right to write.
#[test]
fn a_store_is_read_where_nothing_can_be_written() {
    let folder = Small::mount();
    let path = folder.0.path().join("agent.db");
    let store = Store::open(&path, Limits::default()).expect("a store");
    push(&store, 10);
    store.close();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).expect("the file");
    let done = Command::new("mount").args(["-o", "remount,ro"]).arg(folder.0.path()).status().expect("mount");
    assert!(done.success());
    let reader = Reader::open(&path).expect("a store");
    assert_eq!(reader.history(&agent::store::HistoryQuery::default()).expect("an answer").len(), 10);
}

#[test]
fn readers_and_the_writer_do_not_wait_for_each_other() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("agent.db");
    let store = Store::open(&path, Limits::default()).expect("a store");
    push(&store, 10);
    until(|| store.health().written == 10);
    let reader = store.reader();
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let mut seen = 0;
            while seen < 5_000 {
                let query = agent::store::HistoryQuery { limit: 10_000, ..agent::store::HistoryQuery::default() };
                let now = reader.history(&query).expect("an answer").len();
                assert!(now >= seen, "what was there stays there");
                seen = now;
            }
        });
        for _ in 0..50 {
            push(&store, 100);
            until(|| store.health().waiting < 500);
        }
        asking.join().expect("it saw everything");
    });
    assert!(store.health().trouble.is_none() && store.health().dropped == 0);
}
