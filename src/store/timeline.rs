//! One task and target over time: its phases and its codes in equal steps.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use probes::outcome::Verdict;
use probes::phases::Phase;
use rusqlite::params;

use super::top::{Codes, TopCode};
use super::{Error, Reader, cells, pack, range};

/// What to show.
#[derive(Clone, Debug)]
pub struct TimelineQuery {
    /// The task.
    pub task: String,
    /// One of its targets; all of them together if there is none.
    pub target: Option<String>,
    /// From then on.
    pub since: SystemTime,
    /// Until then.
    pub until: SystemTime,
    /// In so many equal steps, at most 10,000.
    pub steps: usize,
}

/// One step.
#[derive(Clone, Debug)]
pub struct Bucket {
    /// When it began.
    pub start: SystemTime,
    /// Runs that ended ok or failed.
    pub runs: u64,
    /// Those that failed.
    pub failed: u64,
    /// Runs that ended in an error of the agent's own, or were due and not begun.
    pub others: u64,
    /// The durations of the runs that ended ok; nothing without any.
    pub duration: Option<PhaseTimes>,
    /// The times of the phases that runs began that ended ok, in order.
    pub phases: Vec<(Phase, PhaseTimes)>,
    /// How often each code came, the most frequent first; the success codes, too.
    pub codes: Vec<CodeCount>,
}

/// Times of several runs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PhaseTimes {
    /// The mean.
    pub mean: Duration,
    /// Half of them are not longer.
    pub p50: Duration,
    /// 95 of a hundred are not longer.
    pub p95: Duration,
}

/// One code and how often it came.
#[derive(Clone, Debug)]
pub struct CodeCount {
    /// The number.
    pub code: i32,
    /// The name.
    pub name: String,
    /// The title in English.
    pub title: String,
    /// Whether it stands for a failure.
    pub failed: bool,
    /// How often it came.
    pub count: u64,
}

impl Reader {
    /// Phases and codes in equal steps; every step is there, also one without a run.
    pub fn timeline(&self, query: &TimelineQuery) -> Result<Vec<Bucket>, Error> {
        self.ask(|connection| {
            let (since, until) = (range::micros(query.since), range::micros(query.until));
            let steps = i64::try_from(query.steps.clamp(1, 10_000)).unwrap_or(1);
            let step = (until.saturating_sub(since) / steps).max(1);
            let mut collected: Vec<Collected> = Vec::new();
            collected.resize_with(usize::try_from(steps).unwrap_or(1), Collected::default);
            let sql = "SELECT started, duration, phases, outcome, code FROM run INDEXED BY run_of_series
                 WHERE series IN (SELECT id FROM series WHERE task = ? AND target = coalesce(?, target))
                 AND id >= ? AND id < ? AND started >= ? AND started < ?";
            let mut statement = connection.prepare_cached(sql)?;
            let ids = (range::least_id(since), range::least_id(until.saturating_add(1000)));
            let mut rows = statement.query(params![query.task, query.target, ids.0, ids.1, since, until])?;
            while let Some(row) = rows.next()? {
                let place = usize::try_from((row.get::<_, i64>(0)? - since) / step).unwrap_or(0);
                let place = place.min(collected.len() - 1);
                let Some(verdict) = cells::verdict(row.get(3)?) else { continue };
                let phases = row.get_ref(2)?.as_blob().map_err(rusqlite::Error::from)?;
                collected[place].add(verdict, row.get(4)?, row.get(1)?, phases);
            }
            let codes = Codes::read(connection)?;
            let start = |place: usize| range::time(since + step * i64::try_from(place).unwrap_or(0));
            let buckets = collected.into_iter().enumerate();
            Ok(buckets.map(|(place, collected)| collected.finish(start(place), &codes)).collect())
        })
    }
}

/// The runs of one step.
#[derive(Default)]
struct Collected {
    ok: u64,
    failed: u64,
    others: u64,
    durations: Vec<u64>,
    phases: [Vec<u64>; Phase::ALL.len()],
    codes: HashMap<(i64, bool), u64>,
}

impl Collected {
    fn add(&mut self, verdict: Verdict, code: Option<i64>, duration: u64, phases: &[u8]) {
        let failed = match verdict {
            Verdict::Ok => {
                self.ok += 1;
                self.durations.push(duration);
                for (phase, time) in pack::unpack_phases(phases).iter() {
                    self.phases[phase as usize].push(pack::micros(time));
                }
                false
            }
            Verdict::Failed => {
                self.failed += 1;
                true
            }
            Verdict::Error | Verdict::Skipped | Verdict::Missed => {
                self.others += 1;
                return;
            }
        };
        if let Some(code) = code {
            *self.codes.entry((code, failed)).or_default() += 1;
        }
    }

    fn finish(self, start: SystemTime, known: &Codes) -> Bucket {
        let count = |((code, failed), count): ((i64, bool), u64)| {
            let TopCode { code, name, title, .. } = known.0.get(&code)?.clone();
            Some(CodeCount { code, name, title, failed, count })
        };
        let mut codes: Vec<_> = self.codes.into_iter().filter_map(count).collect();
        codes.sort_by_key(|code| (std::cmp::Reverse(code.count), code.code));
        let times = Phase::ALL.into_iter().zip(self.phases);
        Bucket {
            start,
            runs: self.ok + self.failed,
            failed: self.failed,
            others: self.others,
            duration: PhaseTimes::of(self.durations),
            phases: times.filter_map(|(phase, times)| Some((phase, PhaseTimes::of(times)?))).collect(),
            codes,
        }
    }
}

impl PhaseTimes {
    /// Of microseconds; nothing if there are none.
    fn of(mut times: Vec<u64>) -> Option<Self> {
        times.sort_unstable();
        let count = u64::try_from(times.len()).ok().filter(|count| *count > 0)?;
        // The least one that so many of a hundred are not longer than.
        let nearest = |percent: usize| Duration::from_micros(times[(times.len() * percent).div_ceil(100) - 1]);
        let mean = Duration::from_micros(times.iter().sum::<u64>() / count);
        Some(Self { mean, p50: nearest(50), p95: nearest(95) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_mean_and_a_rank() {
        let micros = Duration::from_micros;
        let wanted = PhaseTimes { mean: micros(50), p50: micros(50), p95: micros(95) };
        assert_eq!(PhaseTimes::of((1..=100).rev().collect()), Some(wanted));
        assert_eq!(PhaseTimes::of(vec![7]), Some(PhaseTimes { mean: micros(7), p50: micros(7), p95: micros(7) }));
        assert_eq!(PhaseTimes::of(Vec::new()), None);
    }
}
