//! Every task and target in a range: how available it was, how long it took hour by hour, and what came last.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, SystemTime};

use probes::codes::Protocol;
use probes::outcome::Verdict;
use rusqlite::Connection;

use super::cells::{Cell, HOUR};
use super::stored::{COLUMNS, Stored, TABLES, protocol, stored};
use super::top::each_cell;
use super::{Error, Reader, range};

/// One task and target in a range.
#[derive(Clone, Debug)]
pub struct Summary {
    /// The name of the task.
    pub task: String,
    /// The target.
    pub target: String,
    /// What is spoken.
    pub protocol: Protocol,
    /// Dimensions for analysis.
    pub labels: BTreeMap<String, String>,
    /// Runs that ended ok or failed.
    pub runs: u64,
    /// Those that failed.
    pub failed: u64,
    /// Those that ended in an error of the agent's own.
    pub errors: u64,
    /// Runs that were due and not begun.
    pub not_begun: u64,
    /// Each hour of the range with a run that ended ok or failed, in order; the first and last may be cut by the range.
    pub hours: Vec<Hour>,
    /// The last run of all, without its evidence; nothing where it was removed.
    pub last: Option<Stored>,
}

/// One hour of a task and target.
#[derive(Clone, Copy, Debug)]
pub struct Hour {
    /// When it began.
    pub start: SystemTime,
    /// Runs that ended ok or failed.
    pub runs: u64,
    /// Those that failed.
    pub failed: u64,
    /// The mean duration of those that ended ok; nothing without any.
    pub mean: Option<Duration>,
}

impl Reader {
    /// Every task and target that has runs in a range, in order of task and target.
    pub fn summaries(&self, since: SystemTime, until: SystemTime) -> Result<Vec<Summary>, Error> {
        self.ask(|connection| {
            let mut sums: HashMap<i64, BTreeMap<i64, Sum>> = HashMap::new();
            let (since, until) = (range::micros(since), range::micros(until));
            // Hour by hour, since each is shown.
            let mut from = since;
            while from < until {
                let to = (range::down(from, HOUR) + HOUR).min(until);
                each_cell(connection, from, to, |series, cell| {
                    let hour = range::down(from, HOUR);
                    sums.entry(series).or_default().entry(hour).or_default().add(cell);
                })?;
                from = to;
            }
            let mut found = Vec::with_capacity(sums.len());
            for (series, hours) in sums {
                found.extend(summary(connection, series, &hours)?);
            }
            found.sort_by(|one, other| (&one.task, &one.target).cmp(&(&other.task, &other.target)));
            Ok(found)
        })
    }
}

impl Reader {
    /// The keys of all labels, in order.
    pub fn labels(&self) -> Result<BTreeSet<String>, Error> {
        self.ask(|connection| {
            let mut statement = connection.prepare_cached("SELECT DISTINCT labels FROM series")?;
            let texts = statement.query_map((), |row| row.get::<_, String>(0))?;
            let mut keys = BTreeSet::new();
            for text in texts {
                let labels: BTreeMap<String, String> = serde_json::from_str(&text?).unwrap_or_default();
                keys.extend(labels.into_keys());
            }
            Ok(keys)
        })
    }

    /// Whether there are, or were, runs of a task.
    pub fn has_task(&self, task: &str) -> Result<bool, Error> {
        self.ask(|connection| {
            let mut statement = connection.prepare_cached("SELECT 1 FROM series WHERE task = ?")?;
            Ok(statement.exists([task])?)
        })
    }
}

/// What the cells of an hour add up to.
#[derive(Clone, Copy, Default)]
struct Sum {
    ok: u64,
    failed: u64,
    errors: u64,
    not_begun: u64,
    /// Of the durations of those that ended ok, in microseconds.
    spent: u64,
}

impl Sum {
    const fn add(&mut self, cell: &Cell) {
        match cell.key.verdict {
            Verdict::Ok => {
                self.ok += cell.runs;
                self.spent = self.spent.saturating_add(cell.sum);
            }
            Verdict::Failed => self.failed += cell.runs,
            Verdict::Error => self.errors += cell.runs,
            Verdict::Skipped | Verdict::Missed => self.not_begun += cell.runs,
        }
    }
}

fn summary(connection: &Connection, series: i64, hours: &BTreeMap<i64, Sum>) -> Result<Option<Summary>, Error> {
    let mut statement = connection.prepare_cached("SELECT task, target, protocol, labels FROM series WHERE id = ?")?;
    let mut rows = statement.query([series])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let labels: String = row.get(3)?;
    let total = |of: fn(&Sum) -> u64| hours.values().map(of).sum();
    let hour = |(start, sum): (&i64, &Sum)| Hour {
        start: range::time(*start),
        runs: sum.ok + sum.failed,
        failed: sum.failed,
        mean: sum.spent.checked_div(sum.ok).map(Duration::from_micros),
    };
    Ok(Some(Summary {
        task: row.get(0)?,
        target: row.get(1)?,
        protocol: protocol(&row.get::<_, String>(2)?)?,
        labels: serde_json::from_str(&labels).unwrap_or_default(),
        runs: total(|sum| sum.ok + sum.failed),
        failed: total(|sum| sum.failed),
        errors: total(|sum| sum.errors),
        not_begun: total(|sum| sum.not_begun),
        hours: hours.iter().filter(|(_, sum)| sum.ok + sum.failed > 0).map(hour).collect(),
        last: last(connection, series)?,
    }))
}

fn last(connection: &Connection, series: i64) -> Result<Option<Stored>, Error> {
    let sql = format!(
        "SELECT {COLUMNS} FROM run INDEXED BY run_of_series {TABLES} WHERE run.series = ? ORDER BY run.id DESC LIMIT 1"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query([series])?;
    rows.next()?.map(stored).transpose()
}
