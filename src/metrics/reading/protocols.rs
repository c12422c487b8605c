//! What only one protocol has.

use jiff::fmt::rfc2822;
use probes::evidence::{Dns, Http, Sections};
use probes::outcome::Outcome;
use probes::phases::Phase;

use super::super::text::{count, length};
use super::{Family, Label, Reading, seconds};

/// HTTP: status, lengths, redirects, phases.
pub(super) fn http(reading: &mut Reading, outcome: &Outcome) {
    durations(
        reading,
        outcome,
        Family::HttpDuration,
        &[
            ("phase=\"resolve\"", &[Phase::Resolve]),
            ("phase=\"connect\"", &[Phase::Connect]),
            ("phase=\"tls\"", &[Phase::Tls]),
            ("phase=\"processing\"", &[Phase::Send, Phase::Wait]),
            ("phase=\"transfer\"", &[Phase::Receive]),
        ],
    );
    let Some(http) = &outcome.evidence.http else { return };
    content(reading, outcome);
    reading.add(Family::HttpStatus, f64::from(http.status));
    reading.add_if_known(Family::HttpVersion, http.version.parse().ok());
    let hops = &outcome.evidence.hops;
    reading.add(Family::HttpRedirects, length(hops.len().saturating_sub(1)));
    let last = hops.last().map_or(outcome.target.as_str(), |hop| &hop.url);
    let secure = last.get(..8).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https://"));
    reading.add(Family::HttpSsl, f64::from(u8::from(secure)));
    let said = field(http, "content-length").and_then(|text| text.trim().parse::<u64>().ok());
    reading.add_if_known(Family::HttpContentLength, said.map(count));
    reading.add_if_known(Family::HttpBodyLength, http.length.map(count));
    let modified = field(http, "last-modified").and_then(|text| rfc2822::parse(text).ok());
    let modified = modified.map(|time| time.timestamp().as_duration().as_secs_f64());
    reading.add_if_known(Family::HttpLastModified, modified);
}

/// A field that is there once.
fn field<'h>(http: &'h Http, name: &str) -> Option<&'h str> {
    match http.headers.get(name)?.as_slice() {
        [only] => Some(only),
        _ => None,
    }
}

/// Whether rules on the content were broken, once they could be.
pub(super) fn content(reading: &mut Reading, outcome: &Outcome) {
    const RULES: [&str; 6] = [
        "http.content.regex",
        "http.content.header",
        "http.content.absent",
        "http.content.present",
        "http.content.json",
        "tcp.content.absent",
    ];
    let broken = outcome.fault.is_some_and(|fault| RULES.contains(&fault));
    if outcome.ok || broken || outcome.evidence.http.is_some() {
        reading.add(Family::RegexFailed, f64::from(u8::from(broken)));
    }
}

/// PING: the mean of the replies, and how many requests had none.
pub(super) fn ping(reading: &mut Reading, outcome: &Outcome) {
    durations(reading, outcome, Family::IcmpDuration, &[("phase=\"resolve\"", &[Phase::Resolve])]);
    let Some(echoes) = outcome.evidence.icmp.as_ref().and_then(|icmp| icmp.echoes.as_ref()) else { return };
    if let Some(rtt) = &echoes.rtt {
        reading.push(Family::IcmpDuration, Label::Fixed("phase=\"rtt\""), rtt.avg.as_secs_f64());
    }
    reading.add(Family::IcmpLoss, echoes.loss);
}

/// DNS: what the sections had, and the serial number of a zone.
pub(super) fn dns(reading: &mut Reading, outcome: &Outcome) {
    durations(
        reading,
        outcome,
        Family::DnsDuration,
        &[
            ("phase=\"resolve\"", &[Phase::Resolve]),
            ("phase=\"connect\"", &[Phase::Connect, Phase::Tls]),
            ("phase=\"request\"", &[Phase::Send, Phase::Wait, Phase::Receive]),
        ],
    );
    let dns = outcome.evidence.dns.as_ref().filter(|dns| dns.record_type.is_some());
    let answered = dns.is_some_and(|dns| dns.rcode.is_some());
    if outcome.ok || !outcome.phases.is_empty() {
        reading.add(Family::DnsSucceeded, f64::from(u8::from(answered)));
    }
    let Some(dns) = dns else { return };
    if let Some(Sections { answer, authority, additional }) = dns.counts {
        reading.add(Family::DnsAnswers, length(answer));
        reading.add(Family::DnsAuthorities, length(authority));
        reading.add(Family::DnsAdditionals, length(additional));
    }
    reading.add_if_known(Family::DnsSerial, serial(dns));
}

/// The serial number in a line such as `a.test. 60 IN SOA ns.a.test admin.a.test 7 3600 900 86400 60`.
fn serial(dns: &Dns) -> Option<f64> {
    let soa = |line: &String| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        if fields.get(3) != Some(&"SOA") {
            return None;
        }
        fields.get(6)?.parse::<u32>().ok().map(f64::from)
    };
    dns.answers.iter().find_map(soa)
}

/// Adds phases of ours under the names that they have there; one that was not begun is absent.
fn durations(reading: &mut Reading, outcome: &Outcome, family: Family, names: &[(&'static str, &[Phase])]) {
    for (label, phases) in names {
        let spent = phases.iter().filter_map(|phase| seconds(outcome, *phase)).reduce(|one, other| one + other);
        if let Some(spent) = spent {
            reading.push(family, Label::Fixed(label), spent);
        }
    }
}
