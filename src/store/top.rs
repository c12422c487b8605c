//! The most frequent error codes for each combination of dimensions, over any range of time.
//!
//! Only runs that ended ok or failed count: what the agent did not begin or could not do says nothing of a target.

use std::collections::{BTreeMap, HashMap};
use std::time::SystemTime;

use probes::codes::{Book, Protocol};
use probes::outcome::Verdict;
use rusqlite::{Connection, OptionalExtension as _};
use serde::{Serialize, Serializer};

use super::cells::{self, Cell, DAY};
use super::range::{self, Part};
use super::{Error, Reader, stored};

/// What runs can be grouped by.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Dimension {
    /// The name of the task.
    Task,
    /// The target.
    Target,
    /// What was spoken.
    Protocol,
    /// The book of the codes.
    Book,
    /// The machine that probed.
    Host,
    /// The address that was tried last, without its port.
    Address,
    /// The value of a label.
    Label(String),
}

impl Dimension {
    /// The dimension of a word; what is none of the fixed ones is the key of a label.
    #[must_use]
    pub fn parse(word: &str) -> Self {
        match word {
            "task" => Self::Task,
            "target" => Self::Target,
            "protocol" => Self::Protocol,
            "book" => Self::Book,
            "host" => Self::Host,
            "address" => Self::Address,
            label => Self::Label(label.to_owned()),
        }
    }

    /// The word.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Task => "task",
            Self::Target => "target",
            Self::Protocol => "protocol",
            Self::Book => "book",
            Self::Host => "host",
            Self::Address => "address",
            Self::Label(label) => label,
        }
    }
}

/// What to count.
#[derive(Clone, Debug)]
pub struct TopQuery {
    /// One list for each combination of these; for all runs together if there are none.
    pub by: Vec<Dimension>,
    /// From then on.
    pub since: SystemTime,
    /// Until then, which is not counted any more.
    pub until: SystemTime,
    /// How many codes each combination has, at most.
    pub limit: usize,
    /// Only the runs of this task.
    pub task: Option<String>,
}

/// The most frequent error codes.
#[derive(Clone, Debug, Serialize)]
pub struct Top {
    /// From then on, RFC 3339 in UTC.
    #[serde(serialize_with = "wall_clock")]
    pub since: SystemTime,
    /// Until then.
    #[serde(serialize_with = "wall_clock")]
    pub until: SystemTime,
    /// The names of the dimensions.
    pub by: Vec<String>,
    /// Runs that ended ok or failed.
    pub runs: u64,
    /// Those that failed.
    pub failed: u64,
    /// The share of the runs that ended ok; null without any.
    pub availability: Option<f64>,
    /// Failed runs in the range of the same length before; null where the store does not reach back so far.
    pub failed_before: Option<u64>,
    /// Every combination with a failed run, the one with most of them first.
    pub groups: Vec<Group>,
}

/// One combination of dimensions.
#[derive(Clone, Debug, Serialize)]
pub struct Group {
    /// The values, in the order of [`Top::by`]; empty where a run has none.
    pub values: Vec<String>,
    /// Runs that ended ok or failed.
    pub runs: u64,
    /// Those that failed.
    pub failed: u64,
    /// The share of the runs that ended ok.
    pub availability: f64,
    /// The most frequent codes, the first one first.
    pub codes: Vec<TopCode>,
}

/// One code and how often it came.
#[derive(Clone, Debug, Serialize)]
pub struct TopCode {
    /// The book.
    pub book: Book,
    /// The protocol.
    pub protocol: Protocol,
    /// The number.
    pub code: i32,
    /// The name.
    pub name: String,
    /// The title in English.
    pub title: String,
    /// Runs that failed with it.
    pub count: u64,
    /// Their share of the combination's failed runs.
    pub share: f64,
    /// Their share of the combination's runs.
    pub share_of_runs: f64,
    /// Runs that failed with it in the range of the same length before; null where the store does not reach back so far.
    pub before: Option<u64>,
}

impl Reader {
    /// The most frequent error codes for each combination of dimensions.
    pub fn top(&self, query: &TopQuery) -> Result<Top, Error> {
        self.ask(|connection| {
            let (since, until) = (range::micros(query.since), range::micros(query.until));
            let earlier = since.saturating_sub(until.saturating_sub(since).max(0));
            let mut count = Count::new(connection, query)?;
            each_cell(connection, since, until, |series, cell| count.add(series, cell, Age::Now))?;
            let reaches_back = begins(connection)?.is_some_and(|begin| begin <= earlier);
            if reaches_back {
                each_cell(connection, earlier, since, |series, cell| count.add(series, cell, Age::Before))?;
            }
            count.finish(connection, query, reaches_back)
        })
    }
}

/// When the first hour or run began that the store still counts.
fn begins(connection: &Connection) -> Result<Option<i64>, Error> {
    // The sums of a day say that there was a run on it; the first run of all says when. Where the rows of that time were
    // removed, the day is all that is known.
    let day: Option<i64> = connection.query_row("SELECT min(start) FROM daily", (), |row| row.get(0))?;
    let run: Option<i64> =
        connection.query_row("SELECT started FROM run ORDER BY id LIMIT 1", (), |row| row.get(0)).optional()?;
    Ok(match (day, run) {
        (Some(day), Some(run)) if range::down(run, DAY) == day => Some(run),
        (day, _) => day,
    })
}

/// Hands over what adds up to a range, with the number of its series.
pub(super) fn each_cell(
    connection: &Connection,
    since: i64,
    until: i64,
    mut add: impl FnMut(i64, &Cell),
) -> Result<(), Error> {
    for part in range::parts(since, range::open_end(until)) {
        let (sql, from, to) = match part {
            Part::Days(from, to) => ("SELECT series, cells FROM daily WHERE start >= ? AND start < ?", from, to),
            Part::Hours(from, to) => ("SELECT series, cells FROM hourly WHERE start >= ? AND start < ?", from, to),
            Part::Runs(from, to) => {
                each_run(connection, from, to, &mut add)?;
                continue;
            }
        };
        let mut statement = connection.prepare_cached(sql)?;
        let mut rows = statement.query([from, to])?;
        while let Some(row) = rows.next()? {
            let series = row.get(0)?;
            let packed = row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
            cells::unpack(packed).for_each(|cell| add(series, &cell));
        }
    }
    Ok(())
}

/// The runs of an edge, each as a cell of its own.
fn each_run(connection: &Connection, from: i64, to: i64, add: &mut impl FnMut(i64, &Cell)) -> Result<(), Error> {
    let sql = "SELECT series, outcome, code, address, duration FROM run
               WHERE id >= ? AND id < ? AND started >= ? AND started < ?";
    let mut statement = connection.prepare_cached(sql)?;
    let ids = (range::least_id(from), range::least_id(to.saturating_add(1000)));
    let mut rows = statement.query((ids.0, ids.1, from, to))?;
    while let Some(row) = rows.next()? {
        let Some(verdict) = cells::verdict(row.get(1)?) else { continue };
        let code = row.get::<_, Option<i64>>(2)?.unwrap_or(0);
        let address = row.get::<_, Option<i64>>(3)?.unwrap_or(0);
        let duration = row.get(4)?;
        let key = cells::Key { verdict, code, address };
        add(row.get(0)?, &Cell { key, runs: 1, sum: duration, min: duration, max: duration });
    }
    Ok(())
}

/// Whether a cell is of the range asked for or of the one before.
#[derive(Clone, Copy)]
enum Age {
    Now,
    Before,
}

/// How often something came, now and before.
#[derive(Clone, Copy, Default)]
struct Tally {
    now: u64,
    before: u64,
}

impl Tally {
    const fn add(&mut self, runs: u64, age: Age) {
        match age {
            Age::Now => self.now += runs,
            Age::Before => self.before += runs,
        }
    }
}

/// The counts of one combination.
#[derive(Default)]
struct Counts {
    ok: Tally,
    failed: Tally,
    codes: HashMap<i64, Tally>,
}

/// Counts cells by combination.
struct Count {
    /// The values of each series, by its number; no entry for one that is not wanted.
    series: HashMap<i64, Vec<String>>,
    /// The place of the address among the dimensions.
    address: Vec<usize>,
    addresses: HashMap<i64, String>,
    /// The combination of a series and, where it matters, an address.
    known: HashMap<(i64, i64), usize>,
    groups: BTreeMap<Vec<String>, usize>,
    counts: Vec<Counts>,
}

impl Count {
    fn new(connection: &Connection, query: &TopQuery) -> Result<Self, Error> {
        let mut series = HashMap::new();
        let mut statement = connection.prepare_cached(
            "SELECT id, task, target, protocol, labels, host FROM series WHERE task = coalesce(?, task)",
        )?;
        let mut rows = statement.query([&query.task])?;
        while let Some(row) = rows.next()? {
            let labelled = query.by.iter().any(|by| matches!(by, Dimension::Label(_)));
            let labels: BTreeMap<String, String> = if labelled {
                serde_json::from_str(row.get_ref(4)?.as_str().map_err(rusqlite::Error::from)?).unwrap_or_default()
            } else {
                BTreeMap::new()
            };
            let value = |dimension: &Dimension| {
                Ok(match dimension {
                    Dimension::Task => row.get(1)?,
                    Dimension::Target => row.get(2)?,
                    Dimension::Protocol => row.get(3)?,
                    Dimension::Book => stored::protocol(&row.get::<_, String>(3)?)?.book().name().to_owned(),
                    Dimension::Host => row.get(5)?,
                    Dimension::Address => String::new(),
                    Dimension::Label(key) => labels.get(key).cloned().unwrap_or_default(),
                })
            };
            series.insert(row.get(0)?, query.by.iter().map(value).collect::<Result<Vec<_>, Error>>()?);
        }
        let is_address = |(place, by): (usize, &Dimension)| (*by == Dimension::Address).then_some(place);
        let address: Vec<_> = query.by.iter().enumerate().filter_map(is_address).collect();
        let mut addresses = HashMap::new();
        if !address.is_empty() {
            let mut statement = connection.prepare_cached("SELECT id, ip FROM address")?;
            let rows = statement.query_map((), |row| Ok((row.get(0)?, row.get(1)?)))?;
            addresses = rows.collect::<rusqlite::Result<_>>()?;
        }
        let (known, groups, counts) = (HashMap::new(), BTreeMap::new(), Vec::new());
        Ok(Self { series, address, addresses, known, groups, counts })
    }

    fn add(&mut self, series: i64, cell: &Cell, age: Age) {
        let failed = match cell.key.verdict {
            Verdict::Ok => false,
            Verdict::Failed => true,
            Verdict::Error | Verdict::Skipped | Verdict::Missed => return,
        };
        let address = if self.address.is_empty() { 0 } else { cell.key.address };
        let Some(group) = self.group(series, address) else { return };
        let counts = &mut self.counts[group];
        if failed {
            counts.failed.add(cell.runs, age);
            counts.codes.entry(cell.key.code).or_default().add(cell.runs, age);
        } else {
            counts.ok.add(cell.runs, age);
        }
    }

    /// The combination that a series and an address belong to.
    fn group(&mut self, series: i64, address: i64) -> Option<usize> {
        if let Some(known) = self.known.get(&(series, address)) {
            return Some(*known);
        }
        let mut values = self.series.get(&series)?.clone();
        for place in &self.address {
            values[*place] = self.addresses.get(&address).cloned().unwrap_or_default();
        }
        let next = self.groups.len();
        let group = *self.groups.entry(values).or_insert(next);
        if group == next {
            self.counts.push(Counts::default());
        }
        self.known.insert((series, address), group);
        Some(group)
    }

    fn finish(self, connection: &Connection, query: &TopQuery, reaches_back: bool) -> Result<Top, Error> {
        let codes = Codes::read(connection)?;
        let sum = |of: fn(&Counts) -> u64| self.counts.iter().map(of).sum::<u64>();
        let failed = sum(|counts| counts.failed.now);
        let runs = failed + sum(|counts| counts.ok.now);
        let failed_before = reaches_back.then(|| sum(|counts| counts.failed.before));
        let mut groups = Vec::new();
        for (values, place) in self.groups {
            let counts = &self.counts[place];
            if counts.failed.now > 0 {
                groups.push(group(values, counts, &codes, query.limit, reaches_back));
            }
        }
        groups.sort_by_key(|group| std::cmp::Reverse(group.failed));
        let by = query.by.iter().map(|by| by.name().to_owned()).collect();
        let availability = (runs > 0).then(|| share(runs - failed, runs));
        Ok(Top { since: query.since, until: query.until, by, runs, failed, availability, failed_before, groups })
    }
}

fn group(values: Vec<String>, counts: &Counts, codes: &Codes, limit: usize, reaches_back: bool) -> Group {
    let failed = counts.failed.now;
    let runs = failed + counts.ok.now;
    let mut came: Vec<_> = counts.codes.iter().filter(|(_, tally)| tally.now > 0).collect();
    came.sort_by_key(|(code, tally)| (std::cmp::Reverse(tally.now), codes.0.get(code).map(|known| known.code)));
    let code = |(code, tally): (&i64, &Tally)| {
        let known = codes.0.get(code)?.clone();
        let before = reaches_back.then_some(tally.before);
        let (share, share_of_runs) = (share(tally.now, failed), share(tally.now, runs));
        Some(TopCode { count: tally.now, share, share_of_runs, before, ..known })
    };
    let codes = came.into_iter().filter_map(code).take(limit).collect();
    Group { values, runs, failed, availability: share(counts.ok.now, runs), codes }
}

#[expect(clippy::cast_precision_loss, reason = "a share needs no more than 52 bits of a count")]
fn share(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}

/// The codes of the file by their number in it, with nothing counted yet.
pub(super) struct Codes(pub(super) HashMap<i64, TopCode>);

impl Codes {
    pub(super) fn read(connection: &Connection) -> Result<Self, Error> {
        let mut codes = HashMap::new();
        let mut statement = connection.prepare_cached("SELECT id, protocol, number, name, title FROM code")?;
        let mut rows = statement.query(())?;
        while let Some(row) = rows.next()? {
            let protocol = stored::protocol(&row.get::<_, String>(1)?)?;
            let (code, name, title) = (row.get(2)?, row.get(3)?, row.get(4)?);
            let (count, share, share_of_runs, before) = (0, 0.0, 0.0, None);
            let book = protocol.book();
            let code = TopCode { book, protocol, code, name, title, count, share, share_of_runs, before };
            codes.insert(row.get(0)?, code);
        }
        Ok(Self(codes))
    }
}

fn wall_clock<S: Serializer>(time: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    let text = jiff::Timestamp::try_from(*time).map_or_else(|_| String::new(), |time| format!("{time:.6}"));
    serializer.serialize_str(&text)
}
