//! What `debug=true` shows: the run line by line, the metrics that would have been returned, and the module.

use std::fmt::Write as _;

use jiff::Timestamp;
use probes::outcome::Outcome;
use probes::phases::milliseconds;

use super::Question;
use crate::reader::{Problems, printable};
use crate::task::Probe;

/// What a policy that says no may be changed by.
const POLICY_HINT: &str = "the address policy of the agent denies internal addresses to targets that come over the network; \
                           [policy] internal = \"allow\" in its settings (config/agent.toml) allows them all, [policy] allow \
                           = [\"10.1.0.0/16:443\"] some";

/// Of a probe that was run.
pub(super) fn of_run(question: &Question, probe: &Probe, outcome: &Outcome, metrics: &str) -> String {
    let mut log = Log::begin(question);
    let timeout = probe.conditions.limits.timeout.as_secs_f64();
    log.line("info", &format!("Beginning probe, protocol {}, timeout {timeout} s", outcome.protocol.name()));
    for address in &outcome.evidence.addresses {
        let cause = address.cause.unwrap_or("connected");
        log.line("info", &format!("Address {}: {cause}", address.ip));
    }
    for hop in &outcome.evidence.hops {
        let status = hop.status.map_or_else(|| "no response".to_owned(), |status| format!("status {status}"));
        log.line("info", &format!("Request to {}: {status}", hop.url));
    }
    if let Some(http) = &outcome.evidence.http {
        log.line("info", &format!("HTTP {} response, status {}", http.version, http.status));
    }
    if let Some(tls) = &outcome.evidence.tls {
        let version = tls.version.as_deref().unwrap_or("not agreed on");
        log.line("info", &format!("TLS {version}, cipher {}", tls.cipher.as_deref().unwrap_or("none")));
        for problem in &tls.problems {
            log.line("error", &format!("Certificate: {}, {}", problem.fault, problem.detail));
        }
    }
    for exchange in &outcome.evidence.dialogue {
        for (mark, text) in [('>', &exchange.sent), ('<', &exchange.received)] {
            if let Some(text) = text {
                log.line("info", &format!("{mark} {text}"));
            }
        }
    }
    for (phase, time) in outcome.phases.iter() {
        log.line("info", &format!("Phase {} took {} ms", phase.name(), milliseconds(time)));
    }
    log.verdict(outcome);
    let definition = &probe.definition;
    sections(log, metrics, definition)
}

/// Of a target that the module cannot probe.
pub(super) fn of_problems(question: &Question, problems: &Problems, metrics: &str) -> String {
    let mut log = Log::begin(question);
    problems.to_string().lines().for_each(|line| log.line("error", line));
    log.line("error", "Probe failed: this is no target of the module");
    sections(log, metrics, "")
}

fn sections(log: Log, metrics: &str, module: &str) -> String {
    let log = log.text;
    format!(
        "Logs for the probe:\n{log}\n\n\nMetrics that would have been returned:\n{metrics}\n\n\nModule configuration:\n{module}"
    )
}

/// Lines with time, level, module and target.
struct Log {
    text: String,
    around: String,
}

impl Log {
    fn begin(question: &Question) -> Self {
        let target = probes::secret::mask_url(&question.target);
        Self { text: String::new(), around: format!("module={} target={}", quoted(&question.module), quoted(&target)) }
    }

    fn line(&mut self, level: &str, message: &str) {
        let (now, around, message) = (Timestamp::now(), &self.around, quoted(message));
        let _ = writeln!(self.text, "ts={now:.3} {around} level={level} msg={message}");
    }

    fn verdict(&mut self, outcome: &Outcome) {
        let took = milliseconds(outcome.duration);
        if outcome.ok {
            return self.line("info", &format!("Probe succeeded in {took} ms"));
        }
        let code = outcome.code.map_or_else(String::new, |code| {
            let book = outcome.book.map_or("", probes::codes::Book::name);
            format!(", code {} {} ({book}/{})", code.number(), code.name(), outcome.protocol.name())
        });
        let (fault, detail) = (outcome.fault.unwrap_or_default(), outcome.detail.as_deref().unwrap_or_default());
        self.line("error", &format!("Probe failed in {took} ms{code}, fault {fault}: {detail}"));
        if fault.contains("policy") {
            self.line("error", POLICY_HINT);
        }
    }
}

/// A text in quotes, in one line, and without what disturbs a terminal.
fn quoted(text: &str) -> String {
    format!("{:?}", printable(text))
}
