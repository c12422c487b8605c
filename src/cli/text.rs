//! A result for people: the verdict, the phases as a waterfall, the evidence, and what to do next.

use std::time::Duration;

use anstyle::{AnsiColor, Style};
use probes::evidence::{Dns, Echoes, Evidence, Icmp, IcmpError, Transfer};
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
    text.push_str(&evidence(&outcome.evidence));
    if let Some(entry) = outcome.code.and_then(probes::codes::Code::entry).filter(|_| !outcome.ok) {
        text.push_str(&paragraph("to do", own_trouble(outcome.fault).unwrap_or(entry.action)));
    }
    text.push('\n');
    text
}

/// How many seconds of a transfer are shown.
const MOST_SECONDS: usize = 20;

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

/// What was asked, what the server said to it in one line, and how often it was asked if that was not once.
fn question(dns: &Dns) -> String {
    let rcode = dns.rcode.as_deref().unwrap_or("no answer");
    let record_type = dns.record_type.as_ref().map(|it| format!(" {it}")).unwrap_or_default();
    let mut text = format!("{}{record_type}: {rcode}", dns.name);
    if dns.record_type.is_some() && !dns.flags.is_empty() {
        text.push_str(&format!(" ({})", dns.flags.join(" ")));
    }
    if dns.truncated {
        text.push_str(", truncated over UDP");
    }
    if let Some(queries) = dns.queries.filter(|queries| *queries > 1) {
        text.push_str(&format!(", after {queries} queries"));
    }
    if let Some(ignored) = dns.ignored {
        let count = ignored.id.saturating_add(ignored.question).saturating_add(ignored.query);
        text.push_str(&format!(", {count} foreign messages passed over"));
    }
    text
}

fn evidence(evidence: &Evidence) -> String {
    let mut lines = Vec::new();
    for address in &evidence.addresses {
        lines.push(("address", format!("{}  {}", address.ip, address.cause.unwrap_or("connected"))));
    }
    if let Some(dns) = &evidence.dns {
        lines.push(("dns", question(dns)));
        lines.extend(dns.answers.iter().chain(&dns.authorities).map(|record| ("dns", record.clone())));
        lines.extend(dns.errors.iter().map(|error| ("dns error", error.clone())));
        lines.extend(dns.servers.iter().map(|server| ("server", format!("{}  {}", server.server, server.result))));
    }
    for (index, hop) in evidence.hops.iter().enumerate() {
        let status = hop.status.map_or_else(|| "no answer".to_owned(), |status| status.to_string());
        lines.push(("hop", format!("{} {}  {status}", index + 1, hop.url)));
    }
    if let Some(tls) = &evidence.tls {
        let session = [&tls.version, &tls.cipher, &tls.alpn, &tls.alert];
        let session: Vec<_> = session.into_iter().flatten().map(String::as_str).collect();
        if !session.is_empty() {
            lines.push(("tls", session.join(", ")));
        }
        for certificate in &tls.chain {
            lines.push(("cert", format!("{}  (issuer {})", certificate.subject, certificate.issuer)));
            let names = certificate.names.join(", ");
            let names = if names.is_empty() { String::new() } else { format!("  for {names}") };
            lines.push(("", format!("{} to {}{names}", certificate.not_before, certificate.not_after)));
        }
        lines.extend(tls.problems.iter().map(|problem| ("problem", format!("{}: {}", problem.fault, problem.detail))));
    }
    if let Some(http) = &evidence.http {
        lines.push(("http", format!("HTTP/{} {}", http.version, http.status)));
        for (name, values) in &http.headers {
            lines.extend(values.iter().map(|value| ("", format!("{name}: {value}"))));
        }
        lines.extend(http.body.iter().map(|body| ("body", body.clone())));
    }
    lines.extend(evidence.transfer.iter().flat_map(transfer));
    for connection in &evidence.connections {
        let parts = format!("{} parts, {} bytes", connection.pieces, connection.bytes);
        let cause = connection.cause.map(|cause| format!(", dropped: {cause}")).unwrap_or_default();
        lines.push(("connection", format!("{} {}  {parts}{cause}", connection.number, connection.remote)));
    }
    lines.extend(evidence.md5.iter().map(|md5| ("md5", md5.clone())));
    for exchange in &evidence.dialogue {
        for (label, text) in [("sent", &exchange.sent), ("received", &exchange.received)] {
            lines.extend(text.iter().flat_map(|text| text.lines()).map(|line| (label, line.to_owned())));
        }
    }
    lines.extend(evidence.icmp.iter().flat_map(icmp));
    if let Some(bytes) = &evidence.bytes {
        let counts = format!("{} sent, {} acknowledged, {} received", bytes.sent, bytes.acked, bytes.received);
        lines.push(("bytes", counts));
    }
    if let Some(errno) = &evidence.errno {
        lines.push(("errno", format!("{} {}", errno.number, errno.text)));
    }
    let mut text = String::new();
    let mut last = "";
    for (label, words) in lines {
        text.push_str(&paragraph(if label == last { "" } else { label }, &printable(&words)));
        last = label;
    }
    text
}

/// How much, how fast, and how soon it began.
fn transfer(transfer: &Transfer) -> Vec<(&'static str, String)> {
    let mut words = format!("{} bytes", transfer.bytes);
    if let Some(speed) = transfer.bytes_per_second {
        words.push_str(&format!(", {} a second", in_mebibytes(speed)));
    }
    if let Some(first) = transfer.first_byte {
        words.push_str(&format!(", the first after {} ms", milliseconds(first)));
    }
    let mut lines = vec![("transfer", words)];
    if transfer.each_second.len() > 1 {
        let seconds: Vec<_> =
            transfer.each_second.iter().take(MOST_SECONDS).map(|bytes| in_mebibytes(*bytes)).collect();
        let more = if transfer.each_second.len() > MOST_SECONDS { ", …" } else { "" };
        lines.push(("seconds", format!("{}{more}", seconds.join(", "))));
    }
    lines
}

fn in_mebibytes(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "for people, to a hundredth")]
    let mebibytes = bytes as f64 / f64::from(1 << 20);
    if mebibytes < 0.1 { format!("{bytes} B") } else { format!("{mebibytes:.2} MiB") }
}

/// A series of echo requests, as ping(8) sums it up.
fn icmp(icmp: &Icmp) -> Vec<(&'static str, String)> {
    let mut lines: Vec<_> = icmp.echoes.iter().flat_map(echoes).collect();
    lines.extend(icmp.errors.iter().map(|error| ("error", icmp_error(error))));
    lines
}

fn echoes(echoes: &Echoes) -> Vec<(&'static str, String)> {
    let Echoes { sent, received, .. } = echoes;
    let loss = (echoes.loss * 10_000.0).round() / 100.0;
    let mut counts = format!("{sent} sent, {received} received, {loss} % loss");
    let more = [
        (echoes.unsent, "could not be sent"),
        (echoes.duplicates as usize, "duplicates"),
        (echoes.late as usize, "late"),
        (echoes.corrupted as usize, "corrupted"),
    ];
    for (count, words) in more.iter().filter(|(count, _)| *count > 0) {
        counts.push_str(&format!(", {count} {words}"));
    }
    let mut lines = vec![("icmp", counts)];
    if let Some(rtt) = &echoes.rtt {
        let [min, avg, max, stddev] = [rtt.min, rtt.avg, rtt.max, rtt.stddev].map(milliseconds);
        let jitter = echoes.jitter.map(|jitter| format!(", jitter {} ms", milliseconds(jitter))).unwrap_or_default();
        lines.push(("times", format!("min {min} ms, avg {avg} ms, max {max} ms, stddev {stddev} ms{jitter}")));
    }
    let others = echoes.other_addresses.iter();
    lines.extend(others.map(|(address, count)| ("other", format!("{count} replies from {address}"))));
    lines
}

/// `host unreachable (type 3 code 1) from 192.0.2.1, 10 times`
fn icmp_error(error: &IcmpError) -> String {
    let mut words = error.name.trim_end_matches('.').to_owned();
    if let (Some(kind), Some(code), Some(from)) = (error.kind, error.code, error.from) {
        words.push_str(&format!(" (type {kind} code {code}) from {from}"));
    }
    words.extend(error.mtu.map(|mtu| format!(", MTU {mtu}")));
    words.extend(error.errno.map(|errno| format!(" (errno {errno})")));
    if error.count > 1 {
        words.push_str(&format!(", {} times", error.count));
    }
    words
}
