//! kill -9 at any moment loses at most the last second, and never harms the file.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use agent::store::{Limits, Reader, Store, TopQuery};
use rusqlite::Connection;

use crate::runs::{failed, http_codes, identity, ok};

/// The variable that says where the child writes.
const FILE: &str = "AGENT_TEST_STORE";
const LIFE: &str = "AGENT_TEST_LIFE";

/// Not a test of its own: the process that is killed.
#[test]
#[ignore = "is started by the test that kills it"]
fn child() {
    let (Some(path), Ok(life)) = (std::env::var_os(FILE), std::env::var(LIFE)) else { return };
    let store = Store::open(Path::new(&path), Limits::default()).expect("a store");
    let who: Vec<_> = (0..50).map(|target| identity(&life, &format!("https://{target}.test/"), &[])).collect();
    let codes = http_codes();
    std::io::stdout().write_all(b"ready\n").expect("somebody listens");
    for number in 1.. {
        let (who, now) = (&who[number as usize % who.len()], SystemTime::now());
        let mut run = if number % 20 == 0 {
            failed(who, now, Duration::from_millis(1), codes[number as usize / 20 % codes.len()])
        } else {
            ok(who, now, Duration::from_millis(1))
        };
        run.outcome.attempt = number;
        store.push(run);
        // As much as a busy machine writes in a fraction of a second: more could not be kept by anybody.
        while store.health().waiting > 500 {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// One life and its end; when it was ready and when it was killed.
fn live(path: &Path, life: &str, time: Duration) -> (SystemTime, SystemTime) {
    let own = std::env::current_exe().expect("the test itself");
    let mut child = Command::new(own)
        .args(["--exact", "kill::child", "--ignored", "--nocapture"])
        .env(FILE, path)
        .env(LIFE, life)
        .stdout(Stdio::piped())
        .spawn()
        .expect("the test can start itself");
    let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
    assert!(lines.any(|line| line.expect("text").contains("ready")), "the child does not begin");
    let ready = SystemTime::now();
    std::thread::sleep(time);
    let killed = SystemTime::now();
    child.kill().expect("it still runs");
    child.wait().expect("it ends");
    (ready, killed)
}

fn examine(path: &Path, life: &str, ready: SystemTime, killed: SystemTime) {
    let file = Connection::open(path).expect("the file");
    let whole: String = file.query_row("PRAGMA integrity_check", (), |row| row.get(0)).expect("an answer");
    assert_eq!(whole, "ok");
    for outcome in [0, 1] {
        let sql = "SELECT count(*), coalesce(min(attempt), 1), coalesce(max(attempt), 0), coalesce(max(started), 0)
                   FROM run JOIN series ON series.id = run.series WHERE task = ? AND outcome = ?";
        let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get::<_, i64>(3)?));
        let (count, first, last, newest): (u32, u32, u32, i64) =
            file.query_row(sql, (life, outcome), row).expect("counts");
        // Nothing in between is missing.
        let due = if outcome == 1 { last / 20 } else { last - last / 20 };
        assert_eq!((count, first), (due, if outcome == 1 && count > 0 { 20 } else { 1 }), "{life}, outcome {outcome}");
        if killed.duration_since(ready).expect("later") > Duration::from_secs(1) {
            let kept_until = UNIX_EPOCH + Duration::from_micros(u64::try_from(newest).expect("after 1970"));
            let missing = killed.duration_since(kept_until).unwrap_or_default();
            assert!(missing <= Duration::from_secs(1), "{life}: the last {missing:?} are lost");
        }
    }
    agree(path, &file);
}

/// The sums of whole hours and of whole days say what the rows say.
fn agree(path: &Path, file: &Connection) {
    let sql = "SELECT code.number, count(*) FROM run JOIN code ON code.id = run.code WHERE outcome = 1 GROUP BY 1";
    let mut statement = file.prepare(sql).expect("a question");
    let rows = statement.query_map((), |row| Ok((row.get::<_, i32>(0)?, row.get::<_, u64>(1)?))).expect("rows");
    let mut wanted: Vec<_> = rows.map(|row| row.expect("a row")).collect();
    wanted.sort_unstable();
    let runs: u64 = file.query_row("SELECT count(*) FROM run", (), |row| row.get(0)).expect("a count");
    let day = Duration::from_secs(24 * 60 * 60);
    let noon = |days: u64| UNIX_EPOCH + day * u32::try_from(days).expect("a day");
    let today = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs() / 86_400;
    let hour = Duration::from_secs(3600);
    let this_hour = UNIX_EPOCH + hour * u32::try_from(today * 24).expect("an hour");
    // From midnight to midnight: days. From one to one: hours around a day that is not there.
    for (since, until) in [(noon(today - 1), noon(today + 1)), (this_hour - hour * 23, this_hour + hour * 23)] {
        let query = TopQuery { by: Vec::new(), since, until, limit: 1000, task: None };
        let top = Reader::open(path).expect("a store").top(&query).expect("an answer");
        let codes = top.groups.first().map(|group| group.codes.clone()).unwrap_or_default();
        let mut found: Vec<_> = codes.iter().map(|code| (code.code, code.count)).collect();
        found.sort_unstable();
        assert_eq!((top.runs, found), (runs, wanted.clone()));
    }
}

#[test]
fn a_hundred_kills_lose_a_second_at_most_and_harm_nothing() {
    std::thread::scope(|scope| {
        for lane in 0..2_u32 {
            scope.spawn(move || {
                for file in 0..5_u32 {
                    let folder = tempfile::tempdir().expect("a folder");
                    let path = folder.path().join("agent.db");
                    for round in 0..10_u32 {
                        let life = format!("life-{lane}-{file}-{round}");
                        // From 20 ms to 1.6 s, in no order.
                        let time =
                            Duration::from_millis(u64::from((lane * 397 + file * 571 + round * 677) % 1580 + 20));
                        let (ready, killed) = live(&path, &life, time);
                        examine(&path, &life, ready, killed);
                    }
                }
            });
        }
    });
}
