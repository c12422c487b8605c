//! Makes room: what is older than the retention goes, and the oldest when the file is as large as it may be.
//!
//! A slice takes a few milliseconds, so that runs never wait for it.

use std::time::{Duration, Instant, SystemTime};

use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};

use super::cells::{DAY, HOUR};
use super::{Limits, range};

/// Rows that one slice removes, at most.
const SLICE: i64 = 1000;

/// How often it is looked whether there is something to do.
const EVERY: Duration = Duration::from_secs(5);

/// What a store may keep, and when that was last looked at.
#[derive(Debug)]
pub(super) struct Trim {
    limits: Limits,
    idle_since: Option<Instant>,
    /// No run up to this one has evidence any more.
    bare: Vec<u8>,
}

impl Trim {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, idle_since: None, bare: Vec::new() }
    }

    /// Makes a little room; whether there may be more to make.
    pub(super) fn slice(&mut self, connection: &mut Connection) -> rusqlite::Result<bool> {
        if self.idle_since.is_some_and(|since| since.elapsed() < EVERY) {
            return Ok(false);
        }
        let more = self.age(connection)? || self.size(connection)?;
        self.idle_since = (!more).then(Instant::now);
        Ok(more)
    }

    /// Removes what is older than the retention.
    fn age(&self, connection: &mut Connection) -> rusqlite::Result<bool> {
        let retention = i64::try_from(self.limits.retention.as_micros()).unwrap_or(i64::MAX);
        let oldest = range::micros(SystemTime::now()).saturating_sub(retention);
        if remove_runs(connection, Some(range::least_id(oldest)))? {
            return Ok(true);
        }
        let sums = connection.execute(
            "DELETE FROM hourly WHERE (start, series) IN
               (SELECT start, series FROM hourly WHERE start < ? ORDER BY start LIMIT ?)",
            [oldest.saturating_sub(HOUR), SLICE],
        )? + connection.execute(
            "DELETE FROM daily WHERE (start, series) IN
               (SELECT start, series FROM daily WHERE start < ? ORDER BY start LIMIT ?)",
            [oldest.saturating_sub(DAY), SLICE],
        )?;
        // Twice a day more than the rows can be old, since `seen` is told once a day.
        let unseen = oldest.saturating_sub(2 * DAY);
        connection.execute("DELETE FROM definition WHERE seen < ?", [unseen])?;
        connection.execute("DELETE FROM series WHERE seen < ?", [unseen])?;
        Ok(sums > 0)
    }

    /// Removes the oldest while the file is larger than it may be: evidence first, as long as there is some of the older
    /// half of the runs, then runs.
    fn size(&mut self, connection: &mut Connection) -> rusqlite::Result<bool> {
        let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, u64>(0));
        let (pages, free, page) = (pragma("page_count")?, pragma("freelist_count")?, pragma("page_size")?);
        // The log beside the file takes room too.
        let most = self.limits.max_size - self.limits.max_size / 16;
        if (pages - free) * page > most {
            return Ok(self.remove_evidence(connection)? || remove_runs(connection, None)?);
        }
        if free > 0 && pages * page > most {
            connection.execute_batch("PRAGMA incremental_vacuum(256)")?;
            return Ok(true);
        }
        Ok(false)
    }

    /// Removes a slice of the oldest evidence, if it belongs to the older half of the time that the runs cover.
    fn remove_evidence(&mut self, connection: &Connection) -> rusqlite::Result<bool> {
        let end = |sql| connection.prepare_cached(sql)?.query_row((), |row| row.get::<_, i64>(0)).optional();
        let (Some(first), Some(last)) = (
            end("SELECT started FROM run ORDER BY id LIMIT 1")?,
            end("SELECT started FROM run ORDER BY id DESC LIMIT 1")?,
        ) else {
            return Ok(false);
        };
        let middle = range::least_id(i64::midpoint(first, last));
        let sql = "SELECT max(run) FROM (SELECT run FROM failure WHERE run > ? AND run < ? ORDER BY run LIMIT ?)";
        let slice = params![self.bare, middle, SLICE];
        let end: Option<Vec<u8>> = connection.prepare_cached(sql)?.query_row(slice, |row| row.get(0))?;
        let Some(end) = end else { return Ok(false) };
        let sql = "UPDATE failure SET evidence = NULL WHERE run > ? AND run <= ? AND evidence IS NOT NULL";
        connection.prepare_cached(sql)?.execute(params![self.bare, end])?;
        self.bare = end;
        Ok(true)
    }
}

/// Removes a slice of the oldest runs, or of those below an id; whether there were any.
fn remove_runs(connection: &mut Connection, below: Option<[u8; 16]>) -> rusqlite::Result<bool> {
    let below = below.unwrap_or([0xff; 16]);
    let sql = "SELECT max(id) FROM (SELECT id FROM run WHERE id < ? ORDER BY id LIMIT ?)";
    let last: Option<Vec<u8>> = connection.prepare_cached(sql)?.query_row(params![below, SLICE], |row| row.get(0))?;
    let Some(last) = last else { return Ok(false) };
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.prepare_cached("DELETE FROM run WHERE id <= ?")?.execute([&last])?;
    transaction.prepare_cached("DELETE FROM failure WHERE run <= ?")?.execute([&last])?;
    transaction.commit()?;
    Ok(true)
}
