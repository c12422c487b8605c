//! The page of one run: what it came to, its waterfall, and the evidence.
//!
//! A run comes as the JSON that every output of the agent has; what of it has no table here is shown as it is.

use askama::Template;
use probes::codes::{Entry, entries};
use probes::phases::Phase;
use serde_json::Value;

use super::plot::{Piece, bar};
use super::words::{Language, Words};
use super::{Frame, State, milliseconds};

/// The page of one run.
#[derive(Debug, Template)]
#[template(path = "run.html")]
pub struct RunPage {
    frame: Frame,
    words: &'static Words,
    title: String,
    heading: String,
    task_link: String,
    id: String,
    task: String,
    target: String,
    started: String,
    state: State,
    code: String,
    facts: Vec<Fact>,
    advice: Vec<Fact>,
    falls: Vec<Fall>,
    /// What the colours of the waterfall are.
    phases: Vec<&'static str>,
    tables: Vec<Table>,
    talk: Vec<Line>,
    json: String,
}

/// A name and what it is.
#[derive(Debug)]
struct Fact {
    name: String,
    value: String,
}

/// One waterfall: of the run, or of a part of it.
#[derive(Debug)]
struct Fall {
    title: String,
    bars: Vec<Bar>,
}

#[derive(Debug)]
struct Bar {
    phase: String,
    time: String,
    drawing: String,
}

#[derive(Debug)]
struct Table {
    title: String,
    head: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

/// The columns of a table: what stands above each, and its key.
type Columns<'c> = &'c [(&'static str, &'c str)];

/// One line of a dialogue.
#[derive(Debug)]
struct Line {
    sent: bool,
    text: String,
}

impl RunPage {
    /// The page of a run, given as its JSON.
    #[must_use]
    pub fn new(frame: Frame, run: &Value) -> Self {
        let words = frame.words();
        let text = |key: &str| written(&run[key]);
        let entry = entry_of(run);
        let (state, code) = state_and_code(run, words);
        let heading = match (entry, run["title"].as_str()) {
            (Some(entry), _) => title_of(entry, frame.language).to_owned(),
            (None, Some(title)) => title.to_owned(),
            (None, None) => text("fault"),
        };
        let evidence = &run["evidence"];
        Self {
            title: format!("{} {code}", text("task")),
            task_link: frame.link("/task", &[("name", &text("task")), ("target", &text("target"))]),
            heading,
            id: text("id"),
            task: text("task"),
            target: text("target"),
            started: text("started_at"),
            state,
            code,
            facts: facts(run, words),
            advice: entry.map(|entry| advice(entry, words)).unwrap_or_default(),
            falls: falls(run, words),
            phases: spent(&run["phases"]).into_iter().map(|(phase, _)| phase).collect(),
            tables: tables(evidence, words),
            talk: talk(&evidence["dialogue"]),
            json: serde_json::to_string_pretty(run).unwrap_or_default(),
            words,
            frame,
        }
    }
}

/// The row of the catalogue that a run ended with.
fn entry_of(run: &Value) -> Option<&'static Entry> {
    // A status is of a book of its own, which results do not name.
    let (protocol, name) = (run["protocol"].as_str()?, run["name"].as_str()?);
    let number = run["code"].as_i64()?;
    entries()
        .iter()
        .find(|entry| entry.protocol.name() == protocol && i64::from(entry.number) == number && entry.name == name)
}

/// The title of a row in a language.
#[must_use]
pub fn title_of(entry: &Entry, language: Language) -> &'static str {
    match language {
        Language::English => entry.title_en,
        Language::Chinese => entry.title_zh,
    }
}

/// How a run is shown at a glance: its code, or its outcome where it has none.
#[must_use]
pub fn state_and_code(run: &Value, words: &Words) -> (State, String) {
    let code = run["code"].as_i64().map(|code| code.to_string());
    match run["outcome"].as_str() {
        Some("ok") => (State::Good, code.filter(|code| code != "0").unwrap_or_else(|| words.ok.to_owned())),
        Some("failed") => (State::Bad, code.unwrap_or_else(|| words.failed.to_owned())),
        Some("skipped") => (State::Odd, words.skipped.to_owned()),
        Some("missed") => (State::Odd, words.missed.to_owned()),
        // Only the agent's own errors are left.
        Some(_) | None => (State::Odd, words.error.to_owned()),
    }
}

fn facts(run: &Value, words: &Words) -> Vec<Fact> {
    let book = format!("{}/{} {}", written(&run["book"]), written(&run["protocol"]), written(&run["name"]));
    let labels = run["labels"].as_object().into_iter().flatten();
    let labels: Vec<_> = labels.map(|(key, value)| format!("{key}={}", written(value))).collect();
    let warnings: Vec<_> = run["warning"].as_array().into_iter().flatten().map(written).collect();
    let time = |key: &str| run[key].as_f64().map(milliseconds).unwrap_or_default();
    let attempt = run["attempt"].as_u64().filter(|attempt| *attempt > 1).map(|attempt| attempt.to_string());
    let rows = [
        (words.code, if run["code"].is_null() { String::new() } else { book }),
        (words.fault, written(&run["fault"])),
        (words.side, written(&run["side"])),
        (words.phase, written(&run["phase"])),
        (words.detail, written(&run["detail"])),
        (words.warning, warnings.join("; ")),
        (words.duration, time("duration_ms")),
        (words.remote, written(&run["remote"])),
        (words.due, written(&run["due_at"])),
        (words.late, time("late_ms")),
        (words.attempt, attempt.unwrap_or_default()),
        (words.labels, labels.join(" ")),
    ];
    rows.into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| Fact { name: name.to_owned(), value })
        .collect()
}

fn advice(entry: &Entry, words: &Words) -> Vec<Fact> {
    let rows = [(words.meaning, entry.meaning), (words.trigger, entry.trigger), (words.to_do, entry.action)];
    rows.into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| Fact { name: name.to_owned(), value: value.to_owned() })
        .collect()
}

/// The waterfall of the run, and one for its parts of each kind, on one axis each.
fn falls(run: &Value, words: &'static Words) -> Vec<Fall> {
    let evidence = &run["evidence"];
    let spent = spent(&run["phases"]);
    let whole = total(&spent);
    let mut begin = 0.0;
    let mut bars = Vec::new();
    for (phase, time) in spent {
        let drawing = bar(&[(phase, begin / whole, time / whole)]);
        bars.push(Bar { phase: phase.to_owned(), time: milliseconds(time), drawing });
        begin += time;
    }
    let mut falls = vec![Fall { title: String::new(), bars }];
    for (key, title, name, one_by_one) in [
        ("hops", "HTTP", "url", true),
        ("steps", words.step, "name", true),
        ("addresses", words.address, "ip", true),
        ("connections", words.connections, "remote", false),
    ] {
        let several = evidence[key].as_array().filter(|list| list.len() > 1);
        falls.extend(several.map(|parts| Fall { title: title.to_owned(), bars: parts_of(parts, name, one_by_one) }));
    }
    falls.retain(|fall| !fall.bars.is_empty());
    falls
}

/// A line for each part; what is done one by one begins where the part before ended.
fn parts_of(parts: &[Value], name: &str, one_by_one: bool) -> Vec<Bar> {
    let times: Vec<Vec<_>> = parts.iter().map(|part| spent(&part["phases"])).collect();
    let lengths = times.iter().map(|times| total(times));
    let whole = if one_by_one { lengths.sum() } else { lengths.fold(f64::MIN_POSITIVE, f64::max) };
    let mut begin = 0.0;
    let mut bars = Vec::new();
    for (part, times) in parts.iter().zip(&times) {
        let mut at = begin;
        let mut pieces: Vec<Piece> = Vec::new();
        for (phase, time) in times {
            pieces.push((phase, at / whole, time / whole));
            at += time;
        }
        bars.push(Bar { phase: written(&part[name]), time: milliseconds(at - begin), drawing: bar(&pieces) });
        begin = if one_by_one { at } else { 0.0 };
    }
    bars
}

/// The phases in their order, which a map of JSON has forgotten, with the milliseconds of each.
fn spent(phases: &Value) -> Vec<(&'static str, f64)> {
    let known = Phase::ALL.iter().map(|phase| phase.name());
    known.filter_map(|phase| Some((phase, phases[phase].as_f64()?.max(0.0)))).collect()
}

/// Something to divide by.
fn total(spent: &[(&'static str, f64)]) -> f64 {
    spent.iter().map(|(_, time)| time).sum::<f64>().max(f64::MIN_POSITIVE)
}

fn tables(evidence: &Value, words: &'static Words) -> Vec<Table> {
    let columns: [(&str, &str, Columns<'_>); 6] = [
        ("addresses", words.address, &[("IP", "ip"), (words.fault, "cause")]),
        ("hops", "HTTP", &[("URL", "url"), ("status", "status"), ("location", "location"), (words.remote, "remote")]),
        ("steps", words.step, &[(words.name, "name"), (words.code, "code"), (words.detail, "detail")]),
        ("tls", "TLS", &[("version", "version"), ("cipher", "cipher"), ("ALPN", "alpn"), ("alert", "alert")]),
        ("http", "HTTP", &[("status", "status"), ("version", "version")]),
        ("bytes", "bytes", &[(words.sent, "sent"), ("acknowledged", "acked"), (words.received, "received")]),
    ];
    let mut tables: Vec<Table> =
        columns.into_iter().filter_map(|(key, title, columns)| table(&evidence[key], title, columns)).collect();
    let chain: &[_] = &[
        (words.certificate, "subject"),
        (words.issuer, "issuer"),
        (words.valid_until, "not_after"),
        (words.name, "names"),
    ];
    tables.extend(table(&evidence["tls"]["chain"], words.certificate, chain));
    tables.extend(table(
        &evidence["tls"]["problems"],
        words.fault,
        &[(words.fault, "fault"), (words.detail, "detail")],
    ));
    let headers = evidence["http"]["headers"].as_object().filter(|headers| !headers.is_empty());
    tables.extend(headers.map(|headers| Table {
        title: "HTTP headers".to_owned(),
        head: vec![words.name, words.value],
        rows: headers.iter().map(|(name, value)| vec![name.clone(), written(value)]).collect(),
    }));
    tables
}

/// A list of objects, or one of them, as a table; what is absent everywhere has no column.
fn table(value: &Value, title: &str, columns: Columns<'_>) -> Option<Table> {
    let rows: Vec<&Value> = match value {
        Value::Array(list) => list.iter().collect(),
        Value::Object(_) => vec![value],
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return None,
    };
    let used: Vec<_> = columns.iter().filter(|(_, key)| rows.iter().any(|row| !row[*key].is_null())).collect();
    if used.is_empty() {
        return None;
    }
    Some(Table {
        title: title.to_owned(),
        head: used.iter().map(|(name, _)| *name).collect(),
        rows: rows.iter().map(|row| used.iter().map(|(_, key)| written(&row[*key])).collect()).collect(),
    })
}

fn talk(dialogue: &Value) -> Vec<Line> {
    let mut lines = Vec::new();
    for exchange in dialogue.as_array().into_iter().flatten() {
        for (key, sent) in [("sent", true), ("received", false)] {
            lines.extend(exchange[key].as_str().map(|text| Line { sent, text: text.to_owned() }));
        }
    }
    lines
}

/// A value for people: a text without its quotes, a list with commas.
fn written(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(list) => list.iter().map(written).collect::<Vec<_>>().join(", "),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
    }
}
