//! A batch of runs into the file: the rows, what they add up to, and what they have in common, in one transaction.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use flate2::Compression;
use flate2::write::DeflateEncoder;
use jiff::Timestamp;
use probes::codes::{Book, Protocol};
use probes::outcome::{Outcome, Verdict};
use rusqlite::{Connection, Transaction, TransactionBehavior, params};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use ulid::Ulid;

use super::cells::{self, Cell, DAY, HOUR, Key};
use super::{pack, range};
use crate::run::Run;

/// The evidence of one run takes at most so many bytes in the file.
const MOST_EVIDENCE: usize = 64 << 10;

/// Above so many hours and days in memory, those go that are over.
const MOST_CELLS: usize = 50_000;

/// What the writer remembers of the file, so that it need not read it again.
#[derive(Debug)]
pub(super) struct Memory {
    host: String,
    /// The day on which the rest was begun; with each day it is forgotten, so that `seen` is told anew.
    day: i64,
    series: HashMap<String, i64>,
    codes: HashMap<(Protocol, i32), Vec<(String, i64)>>,
    addresses: HashMap<IpAddr, i64>,
    definitions: HashMap<Arc<str>, i64>,
    cells: HashMap<Sum, Vec<Cell>>,
}

/// An hour or day of a task and target.
type Sum = (Unit, i64, i64);

#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
enum Unit {
    Hour,
    Day,
}

impl Memory {
    pub(super) fn new() -> Self {
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned();
        Self {
            host,
            day: 0,
            series: HashMap::new(),
            codes: HashMap::new(),
            addresses: HashMap::new(),
            definitions: HashMap::new(),
            cells: HashMap::new(),
        }
    }

    /// Forgets everything, since the file may not have it.
    pub(super) fn forget(&mut self) {
        *self = Self { host: std::mem::take(&mut self.host), ..Self::new() };
    }

    /// Forgets what is not needed any more.
    fn age(&mut self, now: i64) {
        let today = range::down(now, DAY);
        if today != self.day {
            self.forget();
            self.day = today;
        }
        if self.cells.len() > MOST_CELLS {
            self.cells.retain(|(unit, start, _), _| match unit {
                Unit::Hour => *start >= range::down(now, HOUR) - HOUR,
                Unit::Day => *start >= today - DAY,
            });
        }
    }
}

/// What came of a batch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Written {
    /// How many of the runs, from the first on, are in the file now.
    pub(super) done: usize,
    /// How many of those were not there before.
    pub(super) new: u64,
}

/// Writes a batch in one transaction, as far as it gets within the time.
pub(super) fn write(
    connection: &mut Connection,
    memory: &mut Memory,
    runs: &[Box<Run>],
    time: Duration,
) -> rusqlite::Result<Written> {
    memory.age(range::micros(SystemTime::now()));
    let written = write_some(connection, memory, runs, time);
    if written.is_err() {
        memory.forget();
    }
    written
}

fn write_some(
    connection: &mut Connection,
    memory: &mut Memory,
    runs: &[Box<Run>],
    time: Duration,
) -> rusqlite::Result<Written> {
    let begun = Instant::now();
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut batch = Batch { transaction: &transaction, memory, touched: BTreeSet::new(), written: 0 };
    let mut done = 0;
    for run in runs {
        batch.add(run)?;
        done += 1;
        if begun.elapsed() > time {
            break;
        }
    }
    batch.add_up()?;
    let new = batch.written;
    transaction.commit()?;
    Ok(Written { done, new })
}

struct Batch<'b> {
    transaction: &'b Transaction<'b>,
    memory: &'b mut Memory,
    touched: BTreeSet<Sum>,
    written: u64,
}

impl Batch<'_> {
    fn add(&mut self, run: &Run) -> rusqlite::Result<()> {
        let outcome = &run.outcome;
        let started = outcome.started_at.parse::<Timestamp>().map(Timestamp::as_microsecond);
        let (Ok(id), Ok(started)) = (Ulid::from_string(&outcome.id), started) else {
            unreachable!("an outcome has an id and a start of its own making");
        };
        let id = id.to_bytes();
        let series = self.series(outcome)?;
        let code = self.code(outcome)?;
        let remote = outcome.remote.as_deref().and_then(remote);
        let address = remote.map(|(ip, _)| self.address(ip)).transpose()?;
        let definition = self.definition(&run.definition)?;
        let duration = pack::micros(outcome.duration);
        let warning = (!outcome.warning.is_empty()).then(|| Value::from(outcome.warning.clone()).to_string());
        let inserted = self
            .transaction
            .prepare_cached("INSERT INTO run VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT DO NOTHING")?
            .execute(params![
                id,
                series,
                started,
                range::micros(run.due),
                whole(pack::micros(run.late)),
                whole(duration),
                pack::phases(&outcome.phases),
                cells::number(outcome.verdict),
                code,
                outcome.attempt,
                address,
                remote.and_then(|(_, port)| port),
                definition,
                warning,
            ])?;
        // Written before, by a batch whose end was not known.
        if inserted == 0 {
            return Ok(());
        }
        self.written += 1;
        if !outcome.ok {
            self.add_failure(id, outcome)?;
        }
        let key = Key { verdict: outcome.verdict, code: code.unwrap_or(0), address: address.unwrap_or(0) };
        for (unit, start) in [(Unit::Hour, range::down(started, HOUR)), (Unit::Day, range::down(started, DAY))] {
            cells::add(self.cells((unit, start, series))?, key, duration);
        }
        Ok(())
    }

    fn add_failure(&self, id: [u8; 16], outcome: &Outcome) -> rusqlite::Result<()> {
        let phase = outcome.phase.map(probes::phases::Phase::name);
        let side = outcome.side.and_then(|side| Some(serde_json::to_value(side).ok()?.as_str()?.to_owned()));
        let mut statement = self.transaction.prepare_cached("INSERT INTO failure VALUES (?,?,?,?,?,?)")?;
        statement.execute(params![id, outcome.fault, phase, side, outcome.detail, evidence(outcome)])?;
        Ok(())
    }

    /// The number of a task and target.
    fn series(&mut self, outcome: &Outcome) -> rusqlite::Result<i64> {
        let key = series_key(outcome);
        if let Some(known) = self.memory.series.get(&key) {
            return Ok(*known);
        }
        let labels = serde_json::to_string(&outcome.labels).unwrap_or_default();
        let host = outcome.labels.get("host").unwrap_or(&self.memory.host);
        let sql = "INSERT INTO series (task, target, protocol, labels, host, seen) VALUES (?,?,?,?,?,?)
                   ON CONFLICT DO UPDATE SET seen = excluded.seen RETURNING id";
        let row = params![outcome.task, outcome.target, outcome.protocol.name(), labels, host, self.memory.day];
        let number = self.transaction.prepare_cached(sql)?.query_row(row, |row| row.get(0))?;
        self.memory.series.insert(key, number);
        Ok(number)
    }

    /// The number of a code; nothing where there is none.
    fn code(&mut self, outcome: &Outcome) -> rusqlite::Result<Option<i64>> {
        let (Some(code), Some(name), Some(title)) = (outcome.code, &outcome.name, &outcome.title) else {
            return Ok(None);
        };
        let book = outcome.book.unwrap_or(outcome.protocol.book());
        let known = self.memory.codes.entry((outcome.protocol, code.number())).or_default();
        if let Some((_, number)) = known.iter().find(|(other, _)| other == name) {
            return Ok(Some(*number));
        }
        let sql = "INSERT INTO code (book, protocol, number, name, title) VALUES (?,?,?,?,?)
                   ON CONFLICT DO UPDATE SET title = excluded.title RETURNING id";
        let row = params![Book::name(book), outcome.protocol.name(), code.number(), name, title];
        let number = self.transaction.prepare_cached(sql)?.query_row(row, |row| row.get(0))?;
        known.push((name.clone(), number));
        Ok(Some(number))
    }

    fn address(&mut self, ip: IpAddr) -> rusqlite::Result<i64> {
        if let Some(known) = self.memory.addresses.get(&ip) {
            return Ok(*known);
        }
        let sql = "INSERT INTO address (ip) VALUES (?) ON CONFLICT DO UPDATE SET ip = excluded.ip RETURNING id";
        let number = self.transaction.prepare_cached(sql)?.query_row([ip.to_string()], |row| row.get(0))?;
        self.memory.addresses.insert(ip, number);
        Ok(number)
    }

    fn definition(&mut self, text: &Arc<str>) -> rusqlite::Result<i64> {
        if let Some(known) = self.memory.definitions.get(text) {
            return Ok(*known);
        }
        let sql = "INSERT INTO definition (hash, text, seen) VALUES (?,?,?)
                   ON CONFLICT DO UPDATE SET seen = excluded.seen RETURNING id";
        let hash = Sha256::digest(text.as_bytes());
        let row = params![hash.as_slice(), text, self.memory.day];
        let number = self.transaction.prepare_cached(sql)?.query_row(row, |row| row.get(0))?;
        self.memory.definitions.insert(Arc::clone(text), number);
        Ok(number)
    }

    /// The cells of a sum, which will be written with the batch.
    fn cells(&mut self, sum: Sum) -> rusqlite::Result<&mut Vec<Cell>> {
        self.touched.insert(sum);
        if !self.memory.cells.contains_key(&sum) {
            let (unit, start, series) = sum;
            let sql = match unit {
                Unit::Hour => "SELECT cells FROM hourly WHERE start = ? AND series = ?",
                Unit::Day => "SELECT cells FROM daily WHERE start = ? AND series = ?",
            };
            let mut statement = self.transaction.prepare_cached(sql)?;
            let mut rows = statement.query([start, series])?;
            let stored = match rows.next()? {
                Some(row) => cells::unpack(row.get_ref(0)?.as_blob()?).collect(),
                None => Vec::new(),
            };
            self.memory.cells.insert(sum, stored);
        }
        Ok(self.memory.cells.entry(sum).or_default())
    }

    /// Writes the sums that the batch changed.
    fn add_up(&mut self) -> rusqlite::Result<()> {
        for sum in std::mem::take(&mut self.touched) {
            let (unit, start, series) = sum;
            let sql = match unit {
                Unit::Hour => "INSERT OR REPLACE INTO hourly VALUES (?,?,?)",
                Unit::Day => "INSERT OR REPLACE INTO daily VALUES (?,?,?)",
            };
            let packed = self.memory.cells.get(&sum).map(|cells| cells::pack(cells));
            self.transaction.prepare_cached(sql)?.execute(params![start, series, packed])?;
        }
        Ok(())
    }
}

/// A number as SQLite has them.
fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// All that makes a series, in one text.
fn series_key(outcome: &Outcome) -> String {
    let mut key = String::with_capacity(128);
    let pairs = |labels: &BTreeMap<String, String>, key: &mut String| {
        for (name, value) in labels {
            for part in [name, value] {
                key.push('\0');
                key.push_str(part);
            }
        }
    };
    key.push_str(outcome.protocol.name());
    for part in [&outcome.task, &outcome.target] {
        key.push('\0');
        key.push_str(part);
    }
    pairs(&outcome.labels, &mut key);
    key
}

/// The address and port of a peer as results write it.
fn remote(text: &str) -> Option<(IpAddr, Option<u16>)> {
    let with_port = text.parse::<SocketAddr>().ok().map(|address| (address.ip(), Some(address.port())));
    with_port.or_else(|| Some((text.parse().ok()?, None)))
}

/// The evidence as the file keeps it; nothing of a run that was not begun.
fn evidence(outcome: &Outcome) -> Option<Vec<u8>> {
    if matches!(outcome.verdict, Verdict::Skipped | Verdict::Missed) {
        return None;
    }
    let json = serde_json::to_vec(&outcome.evidence).ok()?;
    let packed = deflate(&json)?;
    if packed.len() <= MOST_EVIDENCE { Some(packed) } else { cut(&json) }
}

/// Leaves the largest parts out until the rest fits, and says so.
fn cut(json: &[u8]) -> Option<Vec<u8>> {
    let Ok(Value::Object(mut parts)) = serde_json::from_slice(json) else { return None };
    parts.insert("truncated".to_owned(), Value::from(true));
    loop {
        let largest = parts.iter().max_by_key(|(_, part)| part.to_string().len()).map(|(name, _)| name.clone())?;
        parts.remove(&largest);
        let packed = deflate(&serde_json::to_vec(&parts).ok()?)?;
        if packed.len() <= MOST_EVIDENCE {
            return Some(packed);
        }
    }
}

fn deflate(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).ok()?;
    encoder.finish().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_that_is_too_large_loses_its_largest_part() {
        // A text that does not compress.
        let digests = (0..4000_u32).flat_map(|number| Sha256::digest(number.to_be_bytes()).to_vec());
        let noise = digests.fold(String::new(), |noise, byte| noise + &format!("{byte:02x}"));
        let json = serde_json::json!({ "md5": "abc", "dialogue": [{ "sent": noise }] }).to_string();
        let packed = cut(json.as_bytes()).expect("a part remains");
        let mut text = String::new();
        std::io::Read::read_to_string(&mut flate2::read::DeflateDecoder::new(packed.as_slice()), &mut text)
            .expect("it was deflated here");
        assert_eq!(text, r#"{"md5":"abc","truncated":true}"#);
    }

    #[test]
    fn peers_have_an_address_and_mostly_a_port() {
        let rows = [
            ("192.0.2.7:443", "192.0.2.7", Some(443)),
            ("[2001:db8::7]:25", "2001:db8::7", Some(25)),
            ("::1", "::1", None),
        ];
        for (text, ip, port) in rows {
            assert_eq!(remote(text), Some((ip.parse().expect("an address"), port)), "{text}");
        }
    }
}
