//! Compares what the agent said, and what its peers heard, with what the case expects.

use std::collections::BTreeSet;
use std::sync::PoisonError;
use std::time::Duration;

use serde_json::Value;

use super::agent::Ended;
use super::case::Expect;
use super::catalogue;
use super::peer::{Log, Peers};
use super::script::fits;

const PHASES: [&str; 10] =
    ["resolve", "connect", "tls", "send", "wait", "receive", "greeting", "login", "transfer", "rtt"];
const SIDES: [&str; 5] = ["target", "path", "resolver", "agent", "task"];

/// How long peers are given to finish reading what the agent sent before it ended.
const SETTLE: Duration = Duration::from_secs(2);

/// Everything that is not as expected, in sentences.
#[derive(Debug, Default)]
pub struct Complaints(pub Vec<String>);

impl Complaints {
    fn add(&mut self, what: &str, expected: impl std::fmt::Debug, got: impl std::fmt::Debug) {
        self.0.push(format!("{what}: expected {expected:?}, got {got:?}"));
    }

    fn same<T: PartialEq + std::fmt::Debug>(&mut self, what: &str, expected: T, got: T) {
        if expected != got {
            self.add(what, expected, got);
        }
    }

    /// What the agent printed and how it ended; `success` is the default of `ok`.
    pub fn on_output(&mut self, expect: &Expect, ended: &Ended, protocol: &str, success: bool) {
        let ok = expect.ok.unwrap_or(success);
        if ended.killed {
            self.0.push(format!("the agent hung and was killed after {:?}", ended.took));
            return;
        }
        self.same("exit status", Some(expect.exit.unwrap_or(i32::from(!ok))), ended.status);
        self.on_limits(expect, ended);
        if expect.exit == Some(2) {
            self.same("standard output", "", ended.stdout.trim());
            return;
        }
        let lines: Vec<&str> = ended.stdout.lines().collect();
        let [line] = lines.as_slice() else {
            self.add("lines on standard output", 1, lines.len());
            return;
        };
        match serde_json::from_str::<Value>(line) {
            Ok(result) => self.on_result(expect, &result, protocol, ok),
            Err(error) => self.0.push(format!("standard output is no JSON: {error}")),
        }
    }

    fn on_limits(&mut self, expect: &Expect, ended: &Ended) {
        if let Some(limit) = expect.ends_within
            && ended.took > limit.0
        {
            self.add("time until the end", format!("at most {:?}", limit.0), ended.took);
        }
        if let Some(limit) = expect.max_rss_mib
            && ended.peak_mib > limit
        {
            self.add("memory in MiB", format!("at most {limit}"), ended.peak_mib);
        }
        for secret in &expect.secrets {
            for (stream, text) in [("output", &ended.stdout), ("error output", &ended.stderr)] {
                if text.contains(secret.as_str()) {
                    self.0.push(format!("the secret {secret:?} stands in the standard {stream}"));
                }
            }
        }
        if let Some(text) = &expect.stderr_contains
            && !ended.stderr.to_lowercase().contains(&text.to_lowercase())
        {
            self.add("standard error output", format!("…{text}…"), &ended.stderr);
        }
    }

    fn on_result(&mut self, expect: &Expect, result: &Value, protocol: &str, ok: bool) {
        self.same("ok", Some(ok), result["ok"].as_bool());
        let outcome = expect.outcome.as_deref().unwrap_or(if ok { "ok" } else { "failed" });
        self.same("outcome", Some(outcome), result["outcome"].as_str());
        self.same("protocol", Some(protocol), result["protocol"].as_str());
        self.same("task", Some("case"), result["task"].as_str());
        self.same("code", expect.code, result["code"].as_i64());
        if let Some(code) = expect.code.filter(|_| !ok) {
            match expect.name.clone().map_or_else(|| catalogue::name_of(protocol, code), Ok) {
                Ok(name) => self.same("name", Some(name.as_str()), result["name"].as_str()),
                Err(error) => self.0.push(error),
            }
        }
        let null_is_none = |value: &Value| value.as_str().unwrap_or("none").to_owned();
        let fault = expect.fault.as_deref().or(ok.then_some("none"));
        if let Some(fault) = fault {
            self.same("fault", fault, &null_is_none(&result["fault"]));
        }
        let phase = expect.phase.as_deref().or(ok.then_some("none"));
        if let Some(phase) = phase {
            self.same("phase", phase, &null_is_none(&result["phase"]));
        }
        if let Some(side) = &expect.side {
            self.same("side", Some(side.as_str()), result["side"].as_str());
        }
        if let Some(text) = &expect.detail_contains
            && !result["detail"].as_str().unwrap_or_default().to_lowercase().contains(&text.to_lowercase())
        {
            self.add("detail", format!("…{text}…"), &result["detail"]);
        }
        self.on_phases(expect, result);
        self.on_values(expect, result);
        self.on_every_result(result, ok);
    }

    fn on_phases(&mut self, expect: &Expect, result: &Value) {
        let empty = serde_json::Map::new();
        let phases = result["phases"].as_object().unwrap_or(&empty);
        if let Some(expected) = &expect.phases {
            let expected: BTreeSet<&str> = expected.iter().map(String::as_str).collect();
            self.same("phases", expected, phases.keys().map(String::as_str).collect());
        }
        let spent = |phase: &str| {
            phases.get(phase).and_then(Value::as_f64).map_or(Duration::ZERO, |ms| Duration::from_secs_f64(ms / 1e3))
        };
        for (phase, least) in &expect.phase_at_least {
            if spent(phase) < least.0 {
                self.add(&format!("time in {phase}"), format!("at least {:?}", least.0), spent(phase));
            }
        }
        for (phase, most) in &expect.phase_below {
            if spent(phase) >= most.0 {
                self.add(&format!("time in {phase}"), format!("below {:?}", most.0), spent(phase));
            }
        }
    }

    fn on_values(&mut self, expect: &Expect, result: &Value) {
        let evidence = &result["evidence"];
        let rows = expect.evidence.iter().map(|(pointer, expected)| ("evidence", evidence, pointer, expected));
        let rows = rows.chain(expect.result.iter().map(|(pointer, expected)| ("result", result, pointer, expected)));
        for (tree, value, pointer, expected) in rows {
            let got = value.pointer(pointer).unwrap_or(&Value::Null);
            if !equal(expected, got) {
                self.add(&format!("{tree} {pointer}"), expected, got);
            }
        }
        for (pointer, expected) in &expect.evidence_count {
            let got = evidence.pointer(pointer).and_then(Value::as_array).map(Vec::len);
            self.same(&format!("length of evidence {pointer}"), Some(*expected), got);
        }
        for pointer in &expect.evidence_absent {
            if let Some(got) = evidence.pointer(pointer) {
                self.add(&format!("evidence {pointer}"), "nothing", got);
            }
        }
    }

    /// What holds for every result, whatever the case.
    fn on_every_result(&mut self, result: &Value, ok: bool) {
        if let Some(phases) = result["phases"].as_object() {
            for (phase, spent) in phases {
                let fine = PHASES.contains(&phase.as_str()) && spent.as_f64().is_some_and(|ms| ms >= 0.0);
                if !fine {
                    self.add("a phase", "one of the ten, with a time", format!("{phase}: {spent}"));
                }
            }
            let sum: f64 = phases.values().filter_map(Value::as_f64).sum();
            if result["duration_ms"].as_f64().is_none_or(|whole| sum > whole + 1.0) {
                self.add("duration_ms", format!("at least the phases' {sum}"), &result["duration_ms"]);
            }
            if let Some(phase) = result["phase"].as_str()
                && !phases.contains_key(phase)
            {
                self.add("phase", "one of those begun", phase);
            }
        } else {
            self.add("phases", "an object", &result["phases"]);
        }
        if !ok {
            let side = result["side"].as_str().is_some_and(|side| SIDES.contains(&side));
            if !side {
                self.add("side", SIDES, &result["side"]);
            }
            let error = result["outcome"] == "error";
            if error && !(result["code"].is_null() && result["book"].is_null() && result["name"].is_null()) {
                self.add("an error of the agent", "no code, book and name", result);
            }
            for key in ["fault", "detail", "title"].into_iter().filter(|key| !error || *key != "title") {
                if result[key].as_str().is_none_or(str::is_empty) {
                    self.add(key, "words", &result[key]);
                }
            }
        }
    }

    /// What the peers heard.
    pub async fn on_peers(&mut self, expect: &Expect, peers: &Peers) {
        for (peer, patterns) in &expect.heard {
            for pattern in patterns {
                let came = match peers.log(peer) {
                    Ok(log) => settles(|| heard_line(&log, pattern)).await,
                    Err(error) => return self.0.push(error),
                };
                if !came {
                    let heard = peers.log(peer).map(|log| all_heard(&log)).unwrap_or_default();
                    self.add(&format!("what {peer} heard"), pattern, heard);
                }
            }
        }
        for (peer, expected) in &expect.connections {
            let Ok(log) = peers.log(peer) else { return self.0.push(format!("no peer {peer}")) };
            settles(|| count(&log) == *expected).await;
            self.same(&format!("connections of {peer}"), *expected, count(&log));
        }
        for (peer, patterns) in &expect.stored {
            match peers.stored(peer) {
                Ok(lines) if patterns.len() == lines.len() && patterns.iter().zip(&lines).all(|(a, b)| fits(a, b)) => {}
                Ok(lines) => self.add(&format!("what {peer} keeps"), patterns, lines),
                Err(error) => self.0.push(error),
            }
        }
        for (peer, patterns) in &expect.heard_not {
            let Ok(log) = peers.log(peer) else { return self.0.push(format!("no peer {peer}")) };
            for pattern in patterns.iter().filter(|pattern| heard_line(&log, pattern)) {
                self.0.push(format!("{peer} heard {pattern:?}, which it must not: {}", all_heard(&log)));
            }
        }
        self.0.extend(peers.troubles());
    }
}

/// Waits a moment for something that may be on its way.
async fn settles(condition: impl Fn() -> bool) -> bool {
    let began = std::time::Instant::now();
    while !condition() {
        if began.elapsed() > SETTLE {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    true
}

fn count(log: &Log) -> usize {
    log.lock().unwrap_or_else(PoisonError::into_inner).len()
}

fn all_heard(log: &Log) -> String {
    let log = log.lock().unwrap_or_else(PoisonError::into_inner);
    let texts = log.iter().map(|record| {
        let record = record.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&record.bytes).into_owned()
    });
    texts.collect::<Vec<_>>().join("\n-- next connection --\n")
}

fn heard_line(log: &Log, pattern: &str) -> bool {
    all_heard(log).lines().any(|line| fits(pattern, line.trim_end_matches('\r')))
}

fn equal(expected: &toml::Value, got: &Value) -> bool {
    match (expected, got) {
        (toml::Value::String(pattern), Value::String(text)) => fits(pattern, text),
        (toml::Value::String(word), Value::Null) => word == "none",
        (toml::Value::Integer(number), Value::Number(got)) => got.as_i64() == Some(*number),
        (toml::Value::Float(number), Value::Number(got)) => got.as_f64().is_some_and(|got| (got - number).abs() < 1e-9),
        (toml::Value::Boolean(expected), Value::Bool(got)) => expected == got,
        (toml::Value::Array(expected), Value::Array(got)) => {
            expected.len() == got.len() && expected.iter().zip(got).all(|(expected, got)| equal(expected, got))
        }
        _ => false,
    }
}
