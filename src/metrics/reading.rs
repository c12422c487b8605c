//! What one run says, as samples: nothing that was not measured, and nothing that was not reached.

mod certificates;
mod protocols;

use std::net::{IpAddr, SocketAddr};

use probes::codes::Protocol;
use probes::outcome::Outcome;
use probes::phases::Phase;

use super::family::Family;
use super::text::{Kind, begin, label, sample};

/// One sample, without the labels of its series.
#[derive(Debug)]
struct Sample {
    family: Family,
    label: Label,
    value: f64,
}

/// The labels of a sample beside those of its series.
#[derive(Debug)]
enum Label {
    None,
    Fixed(&'static str),
    Own(Box<str>),
}

/// The samples of one run.
#[derive(Debug, Default)]
pub(super) struct Reading {
    samples: Vec<Sample>,
    /// A bit for each family that has samples.
    families: u64,
}

impl Reading {
    /// Of a run.
    pub(super) fn of(outcome: &Outcome) -> Self {
        let mut reading = Self::default();
        reading.add(Family::Success, f64::from(u8::from(outcome.ok)));
        reading.add(Family::Duration, outcome.duration.as_secs_f64());
        reading.verdict(outcome);
        reading.address(outcome);
        match outcome.protocol {
            Protocol::Http => protocols::http(&mut reading, outcome),
            Protocol::Ping => protocols::ping(&mut reading, outcome),
            Protocol::Dns => protocols::dns(&mut reading, outcome),
            Protocol::Tcp => protocols::content(&mut reading, outcome),
            Protocol::Udp
            | Protocol::Smtp
            | Protocol::Pop3
            | Protocol::Ftp
            | Protocol::Transfer
            | Protocol::Api
            | Protocol::Object => {}
        }
        if let Some(tls) = &outcome.evidence.tls {
            certificates::read(&mut reading, tls);
        }
        reading.samples.shrink_to_fit();
        reading
    }

    /// Of a run that could not be begun.
    pub(super) fn of_nothing() -> Self {
        let mut reading = Self::default();
        reading.add(Family::Success, 0.0);
        reading.add(Family::Duration, 0.0);
        reading
    }

    /// Whether there are samples of a family.
    pub(super) const fn has(&self, family: Family) -> bool {
        self.families & (1 << family as u64) != 0
    }

    /// Writes the samples of a family.
    pub(super) fn write(&self, page: &mut String, family: Family, labels: &str) {
        for one in self.samples.iter().filter(|sample| sample.family == family) {
            let own = match &one.label {
                Label::None => "",
                Label::Fixed(text) => text,
                Label::Own(text) => text,
            };
            sample(page, family.name(), (labels, own), one.value);
        }
    }

    /// A page of its own.
    pub(super) fn text(&self) -> String {
        let mut page = String::with_capacity(4096);
        for family in Family::ALL.iter().filter(|family| self.has(**family)) {
            begin(&mut page, family.name(), family.help(), Kind::Gauge);
            self.write(&mut page, *family, "");
        }
        page
    }

    fn push(&mut self, family: Family, label: Label, value: f64) {
        self.families |= 1 << family as u64;
        self.samples.push(Sample { family, label, value });
    }

    fn add(&mut self, family: Family, value: f64) {
        self.push(family, Label::None, value);
    }

    fn add_if_known(&mut self, family: Family, value: Option<f64>) {
        if let Some(value) = value {
            self.add(family, value);
        }
    }

    fn add_with(&mut self, family: Family, labels: &[(&str, &str)], value: f64) {
        let mut text = String::new();
        for (name, value) in labels {
            label(&mut text, name, value);
        }
        self.push(family, Label::Own(text.into()), value);
    }

    fn verdict(&mut self, outcome: &Outcome) {
        let code = if outcome.ok { Some(0) } else { outcome.code.map(probes::codes::Code::number) };
        if let (Some(code), Some(book)) = (code, outcome.book) {
            let labels = [("book", book.name()), ("protocol", outcome.protocol.name())];
            self.add_with(Family::ErrorCode, &labels, f64::from(code));
        }
        if let (false, Some(fault), Some(side)) = (outcome.ok, outcome.fault, outcome.side) {
            let phase = outcome.phase.map_or("", Phase::name);
            let labels = [("phase", phase), ("fault", fault), ("side", side.name())];
            self.add_with(Family::FailureInfo, &labels, 1.0);
        }
    }

    fn address(&mut self, outcome: &Outcome) {
        self.add_if_known(Family::Lookup, seconds(outcome, Phase::Resolve));
        let remote = outcome.remote.as_deref().and_then(address);
        let tried = || outcome.evidence.addresses.last().map(|address| address.ip);
        if let Some(ip) = remote.or_else(tried) {
            self.add(Family::IpProtocol, if ip.is_ipv4() { 4.0 } else { 6.0 });
            self.add(Family::IpHash, f64::from(hash(ip)));
        }
    }
}

/// How long a phase took, if it was begun.
fn seconds(outcome: &Outcome, phase: Phase) -> Option<f64> {
    outcome.phases.get(phase).map(|time| time.as_secs_f64())
}

/// The address of a peer as results have it: with a port, or without one where there is none.
fn address(remote: &str) -> Option<IpAddr> {
    remote.parse::<SocketAddr>().map(|socket| socket.ip()).or_else(|_| remote.parse()).ok()
}

/// FNV-1a over the bytes of the address, as `blackbox_exporter` has it.
fn hash(ip: IpAddr) -> u32 {
    let add = |hash: u32, byte: &u8| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
    match ip {
        IpAddr::V4(ip) => ip.octets().iter().fold(0x811c_9dc5, add),
        IpAddr::V6(ip) => ip.octets().iter().fold(0x811c_9dc5, add),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_hashed_by_their_bytes() {
        assert_eq!(hash(IpAddr::from([0, 0, 0, 0])), 0x4b95_f515);
        assert_eq!(address("127.0.0.1:80"), address("127.0.0.1"));
        assert_eq!(address("[::1]:80"), address("::1"));
        assert_eq!(address("a.test:80"), None);
    }
}
