//! The Top N is exact: the same as counting by hand, over any range and any dimensions.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use agent::run::Run;
use agent::store::{Dimension, Limits, Reader, Store, TopQuery};
use probes::outcome::{Idle, Verdict};

use crate::runs::{at, failed, http_codes, identity, idle, ok};

/// A generator of numbers that are the same in every run (`SplitMix64`).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}

const DAYS: u64 = 4;

fn random_runs(numbers: &mut Numbers, begin: SystemTime) -> Vec<Run> {
    let codes = http_codes();
    let mut runs = Vec::new();
    for _ in 0..6_000 {
        let number = numbers.below(12);
        let region = ["gz", "sh", "bj"][usize::try_from(number % 3).expect("small")];
        let labels = [("region", region), ("host", "probe-1")];
        let who = identity(&format!("task-{}", number % 4), &format!("https://{number}.test/"), &labels);
        let started = begin + Duration::from_micros(numbers.below(DAYS * 86_400_000_000));
        let duration = Duration::from_micros(numbers.below(1_000_000));
        let mut run = match numbers.below(10) {
            0..4 => {
                let code = codes[usize::try_from(numbers.below(codes.len() as u64)).expect("small")];
                failed(&who, started, duration, code)
            }
            4 => idle(&who, started, Idle::Busy),
            _ => ok(&who, started, duration),
        };
        run.outcome.remote = (numbers.below(5) > 0).then(|| format!("192.0.2.{}:443", numbers.below(3)));
        runs.push(run);
    }
    runs
}

fn value(run: &Run, by: &Dimension) -> String {
    let outcome = &run.outcome;
    match by {
        Dimension::Task => outcome.task.clone(),
        Dimension::Target => outcome.target.clone(),
        Dimension::Protocol => outcome.protocol.name().to_owned(),
        Dimension::Book => outcome.protocol.book().name().to_owned(),
        Dimension::Host => outcome.labels["host"].clone(),
        Dimension::Address => {
            outcome.remote.as_deref().and_then(|text| text.split(':').next()).unwrap_or_default().to_owned()
        }
        Dimension::Label(key) => outcome.labels.get(key).cloned().unwrap_or_default(),
    }
}

/// For each combination: its runs, its failed ones, and how often each code came now and before.
type Counted = BTreeMap<Vec<String>, (u64, u64, BTreeMap<i32, (u64, u64)>)>;

fn count(runs: &[Run], query: &TopQuery) -> Counted {
    let mut counted = Counted::new();
    let length = query.until.duration_since(query.since).expect("a range");
    for run in runs {
        let now = run.due >= query.since && run.due < query.until;
        let before = run.due >= query.since - length && run.due < query.since;
        let counts = matches!(run.outcome.verdict, Verdict::Ok | Verdict::Failed)
            && query.task.as_ref().is_none_or(|task| *task == run.outcome.task);
        if !counts || !(now || before) {
            continue;
        }
        let values = query.by.iter().map(|by| value(run, by)).collect();
        let group = counted.entry(values).or_default();
        group.0 += u64::from(now);
        if run.outcome.verdict == Verdict::Failed {
            group.1 += u64::from(now);
            let code = group.2.entry(run.outcome.code.expect("a code").number()).or_default();
            code.0 += u64::from(now);
            code.1 += u64::from(before);
        }
    }
    counted.retain(|_, group| group.1 > 0);
    for group in counted.values_mut() {
        group.2.retain(|_, code| code.0 > 0);
    }
    counted
}

#[test]
fn any_range_and_dimensions_are_exact() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("agent.db");
    let mut numbers = Numbers(6);
    let begin = at("2026-11-01T00:00:00Z");
    let runs = random_runs(&mut numbers, begin);
    let store = Store::open(&path, Limits::default()).expect("a store");
    for run in &runs {
        store.push(run.clone());
    }
    store.close();
    let reader = Reader::open(&path).expect("a store to read");
    let label = |key: &str| Dimension::Label(key.to_owned());
    let sets = [
        vec![],
        vec![label("region")],
        vec![Dimension::Address],
        vec![Dimension::Task, Dimension::Address],
        vec![Dimension::Target, label("none"), Dimension::Host],
        vec![Dimension::Book, Dimension::Protocol],
    ];
    for round in 0..200 {
        let from = numbers.below(DAYS * 86_400_000_000);
        let mut length = numbers.below(DAYS * 86_400_000_000 - from) + 1;
        // Now and then to the hour, and short ones.
        let unit = [1, 60_000_000, 3_600_000_000][round % 3];
        if round % 7 == 0 {
            length %= 7_200_000_000;
        }
        let since = begin + Duration::from_micros(from / unit * unit);
        let until = since + Duration::from_micros((length / unit).max(1) * unit);
        let task = (round % 5 == 0).then(|| "task-2".to_owned());
        let query = TopQuery { by: sets[round % sets.len()].clone(), since, until, limit: 1000, task };
        let top = reader.top(&query).expect("an answer");
        let wanted = count(&runs, &query);
        let compared = top.failed_before.is_some();
        let group = |group: &agent::store::Group| {
            let code = |code: &agent::store::TopCode| (code.code, (code.count, code.before.unwrap_or(0)));
            (group.values.clone(), (group.runs, group.failed, group.codes.iter().map(code).collect::<BTreeMap<_, _>>()))
        };
        let found: Counted = top.groups.iter().map(group).collect();
        let wanted: Counted = wanted
            .into_iter()
            .map(|(values, (runs, failed, codes))| {
                let code = |(code, (now, before))| (code, (now, if compared { before } else { 0 }));
                (values, (runs, failed, codes.into_iter().map(code).collect()))
            })
            .collect();
        assert_eq!(found, wanted, "round {round}: {query:?}");
        assert_eq!(
            compared,
            since.duration_since(begin).expect("later") >= until.duration_since(since).expect("later")
        );
    }
}

#[test]
fn the_most_frequent_come_first_and_the_rest_is_left_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("agent.db");
    let store = Store::open(&path, Limits::default()).expect("a store");
    let (who, begin) = (identity("a", "b", &[]), at("2026-11-01T00:00:00Z"));
    let codes = http_codes();
    for (place, code) in codes.iter().take(7).enumerate() {
        (0..=place).for_each(|_| store.push(failed(&who, begin, Duration::ZERO, code)));
    }
    (0..72).for_each(|_| store.push(ok(&who, begin, Duration::ZERO)));
    store.close();
    let until = begin + Duration::from_secs(60);
    let query = TopQuery { by: Vec::new(), since: begin, until, limit: 2, task: None };
    let top = Reader::open(&path).expect("a store").top(&query).expect("an answer");
    assert_eq!((top.runs, top.failed, top.availability), (100, 28, Some(0.72)));
    let found: Vec<_> = top.groups[0].codes.iter().map(|code| (code.code, code.count, code.share)).collect();
    assert_eq!(found, [(codes[6].number, 7, 0.25), (codes[5].number, 6, 6.0 / 28.0)]);
}
