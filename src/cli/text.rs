//! A result for people: the verdict, the phases as a waterfall, the evidence, and what to do next.

mod evidence;

use std::time::Duration;

use anstyle::{AnsiColor, Style};
use probes::outcome::{Outcome, Verdict};
use probes::phases::{Phases, milliseconds};

use crate::reader::printable;

/// Text is folded at this column.
const WIDTH: usize = 100;
/// Labels stand in a column of this width.
const LABEL: usize = 11;
/// The waterfall is this wide.
const WATERFALL: usize = 48;

/// One result.
pub(super) fn outcome(outcome: &Outcome, coloured: bool) -> String {
    let (word, colour) = match outcome.verdict {
        Verdict::Ok if outcome.warning.is_empty() => ("OK", AnsiColor::Green),
        Verdict::Ok => ("OK, with a warning", AnsiColor::Yellow),
        Verdict::Failed => ("FAILED", AnsiColor::Red),
        Verdict::Error => ("ERROR", AnsiColor::Magenta),
        Verdict::Skipped => ("SKIPPED", AnsiColor::Magenta),
        Verdict::Missed => ("MISSED", AnsiColor::Magenta),
    };
    let paint = |style: Style, text: &str| if coloured { format!("{style}{text}{style:#}") } else { text.to_owned() };
    let bold = Style::new().bold();
    let mut text = format!(
        "{}  {}  {}\n",
        paint(colour.on_default().bold(), word),
        paint(bold, &printable(&outcome.task)),
        printable(&outcome.target)
    );
    if let Some(code) = outcome.code {
        let book = outcome.book.map(|book| format!("{}/{}", book.name(), outcome.protocol.name())).unwrap_or_default();
        text.push_str(&row("code", &format!("{} {} ({book}): {}", code.number(), code.name(), code.title())));
    }
    if let Some(fault) = outcome.fault {
        let phase = outcome.phase.map(|phase| format!(", in the phase {}", phase.name())).unwrap_or_default();
        let side = outcome.side.map(|side| format!("{side:?}").to_lowercase()).unwrap_or_default();
        text.push_str(&row("fault", &format!("{fault} (side: {side}){phase}")));
    }
    if let Some(detail) = &outcome.detail {
        text.push_str(&paragraph("detail", &printable(detail)));
    }
    for warning in &outcome.warning {
        text.push_str(&paragraph("warning", &printable(warning)));
    }
    if let Some(remote) = &outcome.remote {
        text.push_str(&row("peer", remote));
    }
    text.push_str(&waterfall(&outcome.phases, outcome.duration));
    text.push_str(&evidence::show(&outcome.evidence));
    if let Some(entry) = outcome.code.and_then(probes::codes::Code::entry).filter(|_| !outcome.ok) {
        text.push_str(&paragraph("to do", own_trouble(outcome.fault).unwrap_or(entry.action)));
    }
    text.push('\n');
    text
}

/// What to do about a source that the agent cannot send from: it has nothing to do with what the code is about elsewhere.
fn own_trouble(fault: Option<&str>) -> Option<&'static str> {
    matches!(fault?, "connect.bind" | "udp.bind" | "ping.unsent.source").then_some(
        "Look with `ip addr` whether the agent's host has the address of `source_ip` or [network] and its interface, \
         and give a source of the target's family.",
    )
}

fn row(label: &str, words: &str) -> String {
    format!("  {label:<LABEL$}{words}\n")
}

/// A label and words folded beside it.
pub(super) fn paragraph(label: &str, words: &str) -> String {
    let room = WIDTH - LABEL - 2;
    let mut text = String::new();
    let mut line = String::new();
    let mut label = label;
    for word in words.split(' ') {
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > room {
            text.push_str(&row(label, &line));
            label = "";
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    text.push_str(&row(label, &line));
    text
}

/// Every phase that was begun, as a bar where it lies in the run.
fn waterfall(phases: &Phases, whole: Duration) -> String {
    let mut text = String::new();
    let mut begin = Duration::ZERO;
    let all: Duration = phases.iter().map(|(_, time)| time).sum();
    let scale = whole.max(all).as_secs_f64().max(f64::MIN_POSITIVE);
    for (phase, time) in phases.iter() {
        let column = |at: Duration| cells(at.as_secs_f64() / scale);
        let (from, to) = (column(begin).min(WATERFALL - 1), column(begin + time));
        let bar = format!("{}{}", " ".repeat(from), "█".repeat(to.saturating_sub(from).max(1)));
        text.push_str(&row(phase.name(), &format!("{:>10.3} ms  {bar}", milliseconds(time))));
        begin += time;
    }
    text.push_str(&row("total", &format!("{:>10.3} ms", milliseconds(whole))));
    text
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a share of 48"
)]
fn cells(share: f64) -> usize {
    (share.clamp(0.0, 1.0) * WATERFALL as f64).round() as usize
}
