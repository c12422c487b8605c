//! A run as the store gives it back: with the fields of a result, and when it was due.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::time::{Duration, SystemTime};

use flate2::read::DeflateDecoder;
use jiff::Timestamp;
use probes::codes::{Book, Protocol};
use probes::outcome::Verdict;
use probes::phases::Phases;
use rusqlite::Row;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use ulid::Ulid;

use super::{Error, cells, pack, range};

/// A run that was kept.
#[derive(Clone, Debug, Serialize)]
pub struct Stored {
    /// Unique, and in the order of time (ULID).
    pub id: String,
    /// The name of the task.
    pub task: String,
    /// The target, without credentials.
    pub target: String,
    /// What was spoken.
    pub protocol: Protocol,
    /// The book of the code; null where there is none.
    pub book: Option<Book>,
    /// How it ended.
    #[serde(rename = "outcome")]
    pub verdict: Verdict,
    /// Whether the target was as the task wants it.
    pub ok: bool,
    /// The documented number; null where the agent itself failed or the run was not begun.
    pub code: Option<i32>,
    /// The code's name.
    pub name: Option<String>,
    /// The code's title.
    pub title: Option<String>,
    /// What happened, from the closed list.
    pub fault: Option<String>,
    /// The phase in which the run failed.
    pub phase: Option<String>,
    /// Whose fault it was.
    pub side: Option<String>,
    /// What happened, for people.
    pub detail: Option<String>,
    /// The wall clock at the start.
    #[serde(rename = "started_at", serialize_with = "wall_clock")]
    pub started: SystemTime,
    /// How long the run took.
    #[serde(rename = "duration_ms", serialize_with = "milliseconds")]
    pub duration: Duration,
    /// The phases that were begun.
    pub phases: Phases,
    /// The peer that was tried last.
    pub remote: Option<String>,
    /// Counts the attempts of one due time.
    pub attempt: u32,
    /// Dimensions for analysis.
    pub labels: BTreeMap<String, String>,
    /// Limits of the task that a successful run was over.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warning: Vec<String>,
    /// What a person needs to believe it, as JSON; empty of a successful run, and absent where only the rest was asked for
    /// or it had to make room.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Box<RawValue>>,
    /// When it was due.
    #[serde(rename = "due_at", serialize_with = "wall_clock")]
    pub due: SystemTime,
    /// How much later than due it began.
    #[serde(rename = "late_ms", serialize_with = "milliseconds")]
    pub late: Duration,
}

/// The columns of [`stored`], from the tables that [`TABLES`] joins.
pub(super) const COLUMNS: &str = "run.id, run.started, run.due, run.late, run.duration, run.phases, run.outcome, \
     run.attempt, run.port, run.warning, series.task, series.target, series.protocol, series.labels, code.number, \
     code.name, code.title, address.ip, failure.fault, failure.phase, failure.side, failure.detail";

/// What stands around a run.
pub(super) const TABLES: &str = "JOIN series ON series.id = run.series LEFT JOIN code ON code.id = run.code \
     LEFT JOIN address ON address.id = run.address LEFT JOIN failure ON failure.run = run.id";

/// A row of [`COLUMNS`], without its evidence.
pub(super) fn stored(row: &Row<'_>) -> Result<Stored, Error> {
    let protocol = protocol(&row.get::<_, String>(12)?)?;
    let verdict =
        cells::verdict(row.get(6)?).ok_or_else(|| Error::new("it has an outcome that this agent does not know"))?;
    let labels: String = row.get(13)?;
    let warning: Option<String> = row.get(9)?;
    let (ip, port): (Option<String>, Option<u16>) = (row.get(17)?, row.get(8)?);
    Ok(Stored {
        id: Ulid::from_bytes(row.get(0)?).to_string(),
        task: row.get(10)?,
        target: row.get(11)?,
        protocol,
        book: matches!(verdict, Verdict::Ok | Verdict::Failed).then(|| protocol.book()),
        verdict,
        ok: verdict == Verdict::Ok,
        code: row.get(14)?,
        name: row.get(15)?,
        title: row.get(16)?,
        fault: row.get(18)?,
        phase: row.get(19)?,
        side: row.get(20)?,
        detail: row.get(21)?,
        started: range::time(row.get(1)?),
        duration: Duration::from_micros(row.get(4)?),
        phases: pack::unpack_phases(row.get_ref(5)?.as_blob().map_err(rusqlite::Error::from)?),
        remote: ip.map(|ip| remote(&ip, port)),
        attempt: row.get(7)?,
        labels: serde_json::from_str(&labels).unwrap_or_default(),
        warning: warning.and_then(|list| serde_json::from_str(&list).ok()).unwrap_or_default(),
        evidence: None,
        due: range::time(row.get(2)?),
        late: Duration::from_micros(row.get(3)?),
    })
}

/// The protocol of a name.
pub(super) fn protocol(name: &str) -> Result<Protocol, Error> {
    let found = Protocol::ALL.into_iter().find(|protocol| protocol.name() == name);
    found.ok_or_else(|| Error::new(format!("it has the protocol {name}, which this agent does not know")))
}

/// A peer as results write it.
fn remote(ip: &str, port: Option<u16>) -> String {
    match port {
        None => ip.to_owned(),
        Some(port) if ip.contains(':') => format!("[{ip}]:{port}"),
        Some(port) => format!("{ip}:{port}"),
    }
}

/// Evidence as it was before it was packed.
pub(super) fn evidence(packed: &[u8]) -> Result<Box<RawValue>, Error> {
    let mut json = String::new();
    DeflateDecoder::new(packed)
        .read_to_string(&mut json)
        .map_err(|error| Error::new(format!("the evidence is damaged: {error}")))?;
    RawValue::from_string(json).map_err(|error| Error::new(format!("the evidence is damaged: {error}")))
}

/// No evidence.
pub(super) fn no_evidence() -> Box<RawValue> {
    RawValue::from_string("{}".to_owned()).unwrap_or_else(|error| unreachable!("an empty object is JSON: {error}"))
}

fn wall_clock<S: Serializer>(time: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    let text = Timestamp::try_from(*time).map_or_else(|_| String::new(), |time| format!("{time:.6}"));
    serializer.serialize_str(&text)
}

fn milliseconds<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(probes::phases::milliseconds(*time))
}
