//! What a store keeps comes back as it was.

use std::time::{Duration, SystemTime};

use agent::store::{HistoryQuery, Limits, Reader, Store, TimelineQuery};
use probes::outcome::{Idle, Verdict};
use probes::phases::Phase;
use rusqlite::Connection;
use serde_json::Value;
use ulid::Ulid;

use crate::runs::{at, failed, http_codes, identity, idle, ok};

fn id(text: &str) -> Ulid {
    Ulid::from_string(text).expect("the id of a run")
}

#[test]
fn a_run_comes_back_with_the_fields_of_a_result() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("deep/agent.db");
    let store = Store::open(&path, Limits::default()).expect("a store");
    let who = identity("shop", "https://shop.test/", &[("region", "gz")]);
    let start = at("2026-11-21T08:52:00.123456Z");
    let mut runs = vec![
        failed(&who, start, Duration::from_micros(12_345), http_codes()[0]),
        ok(&who, start + Duration::from_secs(1), Duration::from_nanos(1_234_567_890)),
        idle(&who, start + Duration::from_secs(2), Idle::Overlap),
    ];
    runs[0].outcome.remote = Some("[2001:db8::7]:443".to_owned());
    runs[1].outcome.warning = vec!["it took long".to_owned()];
    for run in &runs {
        store.push(run.clone());
    }
    store.close();
    let reader = Reader::open(&path).expect("a store to read");
    for run in &runs {
        let stored = reader.run(id(&run.outcome.id)).expect("an answer").expect("the run");
        let mut found = serde_json::to_value(&stored).expect("JSON");
        let mut wanted = serde_json::to_value(&run.outcome).expect("JSON");
        let extra = found.as_object_mut().expect("an object");
        let (due, late) = (extra.remove("due_at"), extra.remove("late_ms"));
        assert!(due.is_some() && late.is_some());
        if run.outcome.verdict == Verdict::Skipped {
            wanted.as_object_mut().expect("an object").remove("evidence");
        }
        assert_eq!(found, wanted);
    }
    let first = serde_json::to_string(&reader.run(id(&runs[0].outcome.id)).expect("an answer")).expect("JSON");
    let result = serde_json::to_string(&runs[0].outcome).expect("JSON");
    assert!(first.starts_with(result.trim_end_matches('}').trim_end_matches('"')), "{first}\n{result}");
    assert!(first.ends_with(r#","due_at":"2026-11-21T08:52:00.123456Z","late_ms":1.5}"#), "{first}");
    assert_eq!(reader.definition(id(&runs[0].outcome.id)).expect("an answer").as_deref(), Some("[[task]]\n"));
    assert_eq!(reader.definition(Ulid::nil()).expect("an answer"), None);
}

#[test]
fn the_history_is_paged_from_the_newest() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("agent.db");
    let store = Store::open(&path, Limits::default()).expect("a store");
    let start = at("2026-11-21T00:00:00Z");
    let who = [identity("a", "https://a.test/", &[]), identity("b", "https://b.test/", &[])];
    for number in 0..60_u32 {
        let (who, begun) = (&who[number as usize % 2], start + Duration::from_secs(u64::from(number)));
        let run = if number % 5 == 0 {
            failed(who, begun, Duration::from_millis(1), http_codes()[0])
        } else {
            ok(who, begun, Duration::from_millis(1))
        };
        store.push(run);
    }
    store.close();
    let reader = Reader::open(&path).expect("a store to read");
    let seconds = |query: &HistoryQuery| -> Vec<u64> {
        let runs = reader.history(query).expect("an answer");
        runs.iter().map(|run| run.started.duration_since(start).expect("later").as_secs()).collect()
    };
    let all = HistoryQuery { limit: 3, ..HistoryQuery::default() };
    assert_eq!(seconds(&all), [59, 58, 57]);
    let last = reader.history(&all).expect("an answer")[2].id.clone();
    assert_eq!(seconds(&HistoryQuery { before: Some(id(&last)), ..all.clone() }), [56, 55, 54]);
    let task = Some("a".to_owned());
    assert_eq!(seconds(&HistoryQuery { task: task.clone(), ..all.clone() }), [58, 56, 54]);
    assert_eq!(seconds(&HistoryQuery { failed: true, ..all.clone() }), [55, 50, 45]);
    assert_eq!(seconds(&HistoryQuery { task, failed: true, ..all.clone() }), [50, 40, 30]);
    let target = Some("https://b.test/".to_owned());
    assert_eq!(seconds(&HistoryQuery { target, ..all.clone() }), [59, 57, 55]);
    let at_second = |second| Some(start + Duration::from_secs(second));
    let middle = HistoryQuery { since: at_second(10), until: at_second(12), ..all };
    assert_eq!(seconds(&middle), [11, 10]);
}

#[test]
fn summaries_and_timelines_say_what_happened() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("agent.db");
    let store = Store::open(&path, Limits::default()).expect("a store");
    let who = identity("shop", "https://shop.test/", &[]);
    let start = at("2026-11-21T00:30:00Z");
    let later = |minutes: u64| start + Duration::from_secs(minutes * 60);
    for (minute, milliseconds) in [(0, 10), (10, 20), (40, 30)] {
        store.push(ok(&who, later(minute), Duration::from_millis(milliseconds)));
    }
    store.push(failed(&who, later(45), Duration::from_millis(5), http_codes()[0]));
    store.push(idle(&who, later(50), Idle::Passed));
    store.close();
    let reader = Reader::open(&path).expect("a store to read");
    let found = reader.summaries(start, later(60)).expect("an answer");
    let [summary] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((summary.runs, summary.failed, summary.errors, summary.not_begun), (4, 1, 0, 1));
    let hours: Vec<_> = summary.hours.iter().map(|hour| (hour.runs, hour.failed, hour.mean)).collect();
    let milliseconds = Duration::from_millis;
    assert_eq!(hours, [(2, 0, Some(milliseconds(15))), (2, 1, Some(milliseconds(30)))]);
    assert_eq!(summary.last.as_ref().map(|run| run.verdict), Some(Verdict::Missed));
    assert!(reader.summaries(later(60), later(120)).expect("an answer").is_empty());
    let query = TimelineQuery { task: "shop".to_owned(), target: None, since: start, until: later(60), steps: 2 };
    let steps = reader.timeline(&query).expect("an answer");
    let counts: Vec<_> = steps.iter().map(|step| (step.runs, step.failed, step.others)).collect();
    assert_eq!(counts, [(2, 0, 0), (2, 1, 1)]);
    assert_eq!(steps[0].duration.map(|times| (times.mean, times.p95)), Some((milliseconds(15), milliseconds(20))));
    let phases: Vec<_> = steps[1].phases.iter().map(|(phase, times)| (*phase, times.p50)).collect();
    assert_eq!(phases, [(Phase::Connect, Duration::from_micros(7_500)), (Phase::Wait, milliseconds(15))]);
    let codes: Vec<_> = steps[1].codes.iter().map(|code| (code.code, code.failed, code.count)).collect();
    assert_eq!(codes, [(200, false, 1), (http_codes()[0].number, true, 1)]);
}

#[test]
fn what_is_too_old_goes() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("agent.db");
    let limits = Limits { retention: Duration::from_secs(3 * 24 * 60 * 60), ..Limits::default() };
    let store = Store::open(&path, limits).expect("a store");
    let who = identity("shop", "https://shop.test/", &[]);
    let now = SystemTime::now();
    for hours in 0..240_u64 {
        store.push(failed(&who, now - Duration::from_secs(hours * 3600 + 60), Duration::ZERO, http_codes()[0]));
    }
    let count = |table: &str| -> u32 {
        let file = Connection::open(&path).expect("the file");
        file.query_row(&format!("SELECT count(*) FROM {table}"), (), |row| row.get(0)).expect("a count")
    };
    until(|| count("run") == 72 && count("failure") == 72 && count("hourly") <= 74 && count("daily") <= 5);
    assert!(count("hourly") >= 72 && count("daily") >= 3);
}

#[test]
fn the_oldest_goes_where_there_is_no_room() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("agent.db");
    let store = Store::open(&path, Limits { max_size: 4 << 20, ..Limits::default() }).expect("a store");
    let who = identity("shop", "https://shop.test/", &[]);
    let begin = SystemTime::now() - Duration::from_secs(60_000);
    let mut numbers = 1_u64;
    for number in 0..60_000_u64 {
        let mut run = if number % 2 == 0 {
            failed(&who, begin + Duration::from_secs(number), Duration::ZERO, http_codes()[0])
        } else {
            ok(&who, begin + Duration::from_secs(number), Duration::ZERO)
        };
        numbers = numbers.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        run.outcome.detail = Some(format!("{numbers:x}"));
        store.push(run);
        while store.health().waiting > 10_000 {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    until(|| store.health().waiting == 0);
    let file = Connection::open(&path).expect("the file");
    let one = |sql: &str| file.query_row(sql, (), |row| row.get::<_, i64>(0)).expect("a number");
    until(|| one("PRAGMA page_count") * 4096 <= 4 << 20);
    let (first, rows) = (one("SELECT min(started) FROM run"), one("SELECT count(*) FROM run"));
    assert!(rows > 5_000 && rows < 60_000, "{rows} runs");
    let begin_micros = i64::try_from(begin.duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_micros());
    let kept_since = (first - begin_micros.expect("a time")) / 1_000_000;
    assert_eq!(kept_since + rows, 60_000, "the oldest are gone, and no other");
    assert!(store.health().trouble.is_none());
}

/// Waits until something is so.
pub fn until(so: impl Fn() -> bool) {
    let begun = std::time::Instant::now();
    while !so() {
        assert!(begun.elapsed() < Duration::from_secs(60), "it does not come");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn evidence_that_had_to_go_is_absent() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("agent.db");
    let store = Store::open(&path, Limits::default()).expect("a store");
    let run = failed(&identity("a", "b", &[]), SystemTime::now(), Duration::ZERO, http_codes()[0]);
    store.push(run.clone());
    store.close();
    Connection::open(&path).expect("the file").execute("UPDATE failure SET evidence = NULL", ()).expect("an update");
    let stored = Reader::open(&path).expect("a store").run(id(&run.outcome.id)).expect("an answer").expect("the run");
    assert_eq!(serde_json::to_value(&stored).expect("JSON").get("evidence"), None::<&Value>);
}
