//! Single runs: the history, one run with its evidence, and the task file that made it.

use std::time::SystemTime;

use rusqlite::{Connection, OptionalExtension as _, params};
use ulid::Ulid;

use super::stored::{self, COLUMNS, Stored, TABLES};
use super::{Error, Reader, range};

/// Which runs to list.
#[derive(Clone, Debug)]
pub struct HistoryQuery {
    /// Only those of this task.
    pub task: Option<String>,
    /// Only those of this target.
    pub target: Option<String>,
    /// Only those that began then or later.
    pub since: Option<SystemTime>,
    /// Only those that began before.
    pub until: Option<SystemTime>,
    /// Only those that failed.
    pub failed: bool,
    /// Only those before this run: the last one of the page before.
    pub before: Option<Ulid>,
    /// At most so many.
    pub limit: usize,
}

impl Default for HistoryQuery {
    fn default() -> Self {
        Self { task: None, target: None, since: None, until: None, failed: false, before: None, limit: 50 }
    }
}

impl Reader {
    /// Past runs without their evidence, the newest first.
    pub fn history(&self, query: &HistoryQuery) -> Result<Vec<Stored>, Error> {
        self.ask(|connection| history(connection, query))
    }

    /// One run with its evidence.
    pub fn run(&self, id: Ulid) -> Result<Option<Stored>, Error> {
        self.ask(|connection| {
            let sql = format!("SELECT {COLUMNS}, failure.evidence FROM run {TABLES} WHERE run.id = ?");
            let mut statement = connection.prepare_cached(&sql)?;
            let mut rows = statement.query([id.to_bytes()])?;
            let Some(row) = rows.next()? else { return Ok(None) };
            let mut run = stored::stored(row)?;
            let packed: Option<Vec<u8>> = row.get(22)?;
            run.evidence = match packed {
                Some(packed) => Some(stored::evidence(&packed)?),
                None => run.ok.then(stored::no_evidence),
            };
            Ok(Some(run))
        })
    }

    /// The task file that made a run, without its secrets.
    pub fn definition(&self, id: Ulid) -> Result<Option<String>, Error> {
        self.ask(|connection| {
            let sql = "SELECT text FROM run JOIN definition ON definition.id = run.definition WHERE run.id = ?";
            Ok(connection.prepare_cached(sql)?.query_row([id.to_bytes()], |row| row.get(0)).optional()?)
        })
    }
}

fn history(connection: &Connection, query: &HistoryQuery) -> Result<Vec<Stored>, Error> {
    let since = query.since.map_or(i64::MIN, range::micros);
    let until = query.until.map_or(i64::MAX, range::micros);
    let first = range::least_id(since);
    let end = match query.before {
        Some(before) => before.to_bytes().min(range::least_id(until.saturating_add(1000))),
        None if query.until.is_none() => [0xff; 16],
        None => range::least_id(until.saturating_add(1000)),
    };
    let mut found = Vec::new();
    let only = query.task.is_some() || query.target.is_some();
    let wanted = if only { series(connection, query)?.into_iter().map(Some).collect() } else { vec![None] };
    for series in wanted {
        let (index, outcome) = match (query.failed, series.is_some()) {
            (true, true) => ("INDEXED BY failed_run_of_series", "AND run.outcome = 1"),
            (true, false) => ("INDEXED BY failed_run", "AND run.outcome = 1"),
            (false, true) => ("INDEXED BY run_of_series", ""),
            (false, false) => ("", ""),
        };
        let of_series = if series.is_some() { "AND run.series = ?" } else { "AND ? IS NULL" };
        let sql = format!(
            "SELECT {COLUMNS} FROM run {index} {TABLES} WHERE run.id >= ? AND run.id < ? {outcome} {of_series}
             AND run.started >= ? AND run.started < ? ORDER BY run.id DESC LIMIT ?"
        );
        let mut statement = connection.prepare_cached(&sql)?;
        let limit = i64::try_from(query.limit).unwrap_or(i64::MAX);
        let mut rows = statement.query(params![first, end, series, since, until, limit])?;
        while let Some(row) = rows.next()? {
            found.push(stored::stored(row)?);
        }
    }
    found.sort_by(|one, other| other.id.cmp(&one.id));
    found.truncate(query.limit);
    Ok(found)
}

/// The series of a task and target: several where its labels have changed, or it has several targets.
fn series(connection: &Connection, query: &HistoryQuery) -> Result<Vec<i64>, Error> {
    let sql = "SELECT id FROM series WHERE task = coalesce(?1, task) AND target = coalesce(?2, target)";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map(params![query.task, query.target], |row| row.get(0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}
