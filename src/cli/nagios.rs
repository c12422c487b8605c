//! One line for Nagios and its kin, after the Monitoring Plugins development guidelines.

use probes::outcome::{Outcome, Verdict};
use probes::phases::{Phase, milliseconds};

use super::Status;
use crate::reader::{Problems, printable};

/// Their exit statuses happen to be ours by number, with other meanings: 1 WARNING, 2 CRITICAL, 3 UNKNOWN.
pub(super) fn status(outcome: &Outcome) -> Status {
    match outcome.verdict {
        Verdict::Ok if outcome.warning.is_empty() => Status::Ok,
        Verdict::Ok => Status::Failed,
        Verdict::Failed => Status::Usage,
        Verdict::Error | Verdict::Skipped | Verdict::Missed => Status::Error,
    }
}

/// A wrong call is UNKNOWN, on standard output, where Nagios looks.
pub(super) fn unknown(problems: &Problems) -> Status {
    let first = problems.0.first().map(ToString::to_string).unwrap_or_default();
    let first = first.lines().next().unwrap_or_default().trim_start_matches("error: ").replace('|', "/");
    super::print(&format!("UNKNOWN - {first}\n"));
    Status::Error
}

/// `CRITICAL - shop 611 http_other_failure: detail | time=0.012s;;;0 …`
pub(super) fn line(outcome: &Outcome) -> String {
    let word = match status(outcome) {
        Status::Ok => "OK",
        Status::Failed => "WARNING",
        Status::Usage => "CRITICAL",
        Status::Error => "UNKNOWN",
    };
    let code = outcome
        .code
        .map_or_else(|| outcome.fault.unwrap_or_default().to_owned(), |code| format!("{code} {}", code.name()));
    let words = outcome.detail.clone().or_else(|| outcome.warning.first().cloned());
    let words = words.map(|words| format!(": {words}")).unwrap_or_default();
    // A bar would begin the performance data.
    let text = printable(&format!("{word} - {} {code}{words}", outcome.task)).replace('|', "/");
    let mut data = vec![format!("time={:.6}s;;;0", outcome.duration.as_secs_f64())];
    // The time of a whole series would look like that of a reply, which is `rta`.
    let phases = outcome.phases.iter().filter(|(phase, _)| *phase != Phase::Rtt);
    data.extend(phases.map(|(phase, time)| format!("{}={}ms;;;0", phase.name(), milliseconds(time))));
    if let Some(echoes) = outcome.evidence.icmp.as_ref().and_then(|icmp| icmp.echoes.as_ref()) {
        data.extend(echoes.rtt.map(|rtt| format!("rta={}ms;;;0", milliseconds(rtt.avg))));
        data.push(format!("pl={:.2}%;;;0;100", echoes.loss * 100.0));
    }
    format!("{text} | {}\n", data.join(" "))
}
