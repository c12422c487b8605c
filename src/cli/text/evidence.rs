//! The evidence of a result, for people.

use std::time::Duration;

use probes::evidence::{Dns, Echoes, Evidence, Http, Icmp, IcmpError, Object, Step, Tls, Transfer};
use probes::phases::milliseconds;

use super::paragraph;
use crate::reader::printable;

/// A label, and what stands beside it.
type Line = (&'static str, String);

/// How many seconds of a transfer are shown.
const MOST_SECONDS: usize = 20;

/// Everything that was seen, a label and words a line.
pub(super) fn show(evidence: &Evidence) -> String {
    let mut text = String::new();
    let mut last = "";
    for (label, words) in lines(evidence) {
        text.push_str(&paragraph(if label == last { "" } else { label }, &printable(&words)));
        last = label;
    }
    text
}

fn lines(evidence: &Evidence) -> Vec<Line> {
    let mut lines: Vec<_> = evidence.steps.iter().enumerate().map(step).collect();
    for address in &evidence.addresses {
        lines.push(("address", format!("{}  {}", address.ip, address.cause.unwrap_or("connected"))));
    }
    lines.extend(evidence.dns.iter().flat_map(dns));
    for (index, hop) in evidence.hops.iter().enumerate() {
        let status = hop.status.map_or_else(|| "no answer".to_owned(), |status| status.to_string());
        lines.push(("hop", format!("{} {}  {status}", index + 1, hop.url)));
    }
    lines.extend(evidence.object.iter().flat_map(object));
    lines.extend(evidence.tls.iter().flat_map(tls));
    lines.extend(evidence.http.iter().flat_map(http));
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
    lines
}

/// A step in one line: its name, what came of it, how long it took, and why it failed or was skipped.
fn step((index, step): (usize, &Step)) -> Line {
    let mut words = format!("{} {}  ", index + 1, step.name);
    words.push_str(&match (step.skipped, step.ok) {
        (true, _) => "skipped".to_owned(),
        (false, true) => "ok".to_owned(),
        (false, false) => {
            let code = step.code.map_or_else(|| "failed".to_owned(), |code| code.to_string());
            format!("{code} {}", step.fault.unwrap_or_default())
        }
    });
    let spent: Duration = step.phases.iter().map(|(_, time)| time).sum();
    if !step.skipped && !spent.is_zero() {
        words.push_str(&format!(" after {} ms", milliseconds(spent)));
    }
    if let Some(rounds) = step.rounds.filter(|rounds| *rounds > 1) {
        words.push_str(&format!(" in {rounds} rounds"));
    }
    if let (Some(protocol), Some(target)) = (step.protocol, &step.target) {
        words.push_str(&format!("  {protocol} {target}"));
    }
    words.extend(step.detail.iter().map(|detail| format!(": {detail}")));
    ("step", words)
}

/// The question with what the server said, and the records of the answer.
fn dns(dns: &Dns) -> Vec<Line> {
    let mut lines = vec![("dns", question(dns))];
    lines.extend(dns.answers.iter().chain(&dns.authorities).map(|record| ("dns", record.clone())));
    lines.extend(dns.errors.iter().map(|error| ("dns error", error.clone())));
    lines.extend(dns.servers.iter().map(|server| ("server", format!("{}  {}", server.server, server.result))));
    lines
}

/// The session, the chain of certificates, and what is wrong with them.
fn tls(tls: &Tls) -> Vec<Line> {
    let session = [&tls.version, &tls.cipher, &tls.alpn, &tls.alert];
    let session: Vec<_> = session.into_iter().flatten().map(String::as_str).collect();
    let mut lines = Vec::new();
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
    lines
}

/// The head of the response, and the beginning of a body that broke a rule.
fn http(http: &Http) -> Vec<Line> {
    let mut lines = vec![("http", format!("HTTP/{} {}", http.version, http.status))];
    for (name, values) in &http.headers {
        lines.extend(values.iter().map(|value| ("", format!("{name}: {value}"))));
    }
    lines.extend(http.body.iter().map(|body| ("body", body.clone())));
    lines
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

/// Who made the code of an object store, and what came beside it.
fn object(object: &Object) -> Vec<Line> {
    let made: Vec<_> = object.layer.into_iter().chain(object.symbol).collect();
    let mut lines = vec![("object", made.join(" "))];
    lines.extend(object.message.iter().map(|message| ("message", message.clone())));
    if let Some(entries) = object.entries {
        let more = if object.has_more == Some(true) { ", and there are more" } else { "" };
        lines.push(("listed", format!("{entries} entries{more}")));
    }
    lines.extend(object.sha1.iter().map(|sha1| ("sha1", sha1.clone())));
    lines
}

/// How much, how fast, and how soon it began.
fn transfer(transfer: &Transfer) -> Vec<Line> {
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
fn icmp(icmp: &Icmp) -> Vec<Line> {
    let mut lines: Vec<_> = icmp.echoes.iter().flat_map(echoes).collect();
    lines.extend(icmp.errors.iter().map(|error| ("error", icmp_error(error))));
    lines
}

fn echoes(echoes: &Echoes) -> Vec<Line> {
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
