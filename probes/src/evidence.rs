//! What a person needs to believe a verdict without repeating the probe: plain data, bounded, free of secrets.

mod bytes;
mod dns;
mod step;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::phases::{Phases, milliseconds};
pub use bytes::Bytes;
pub use dns::{Dns, Ignored, NameServer, Sections};
pub use step::{Object, Step};

/// Everything one run saw; each part is present where it applies.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Evidence {
    /// The addresses considered, in the order in which they were tried.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<Address>,
    /// The requests of a redirect chain, one a hop.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hops: Vec<Hop>,
    /// The parts of a run that has several, in their order, whether they were run or not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Step>,
    /// What an object store said of the operation that decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<Object>,
    /// The TLS session, also when its verification failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// The final HTTP response.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http: Option<Http>,
    /// How much was transferred, and how fast.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transfer: Option<Transfer>,
    /// The connections that shared a download.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub connections: Vec<Connection>,
    /// The MD5 of what was downloaded, in lower-case hex.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub md5: Option<String>,
    /// The conversation of a dialogue, one line an exchange.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dialogue: Vec<Exchange>,
    /// What the name servers said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dns: Option<Dns>,
    /// What ICMP said of what was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub icmp: Option<Icmp>,
    /// Bytes over the probe's connections, TLS included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<Bytes>,
    /// The kernel's error number behind the verdict.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub errno: Option<Errno>,
    /// Whether something was left out to keep the evidence small.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
}

/// One address of the target and what came of it.
#[derive(Clone, Debug, Serialize)]
pub struct Address {
    /// The address.
    pub ip: IpAddr,
    /// The fault that ended the attempt; null for the address that was connected to.
    pub cause: Option<&'static str>,
    /// The time it took.
    pub phases: Phases,
}

/// One request of a redirect chain.
#[derive(Clone, Debug, Serialize)]
pub struct Hop {
    /// The address asked for, without credentials.
    pub url: String,
    /// The peer, once connected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote: Option<String>,
    /// The status of the response, once its head was complete.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Where the response sent us.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// The time this hop took.
    pub phases: Phases,
}

/// A TLS session, or what was seen of one.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Tls {
    /// `TLSv1.2` or `TLSv1.3`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The cipher suite by its IANA name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cipher: Option<String>,
    /// The application protocol agreed on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alpn: Option<String>,
    /// The alert the peer sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alert: Option<String>,
    /// The certificates as presented, the leaf first.
    pub chain: Vec<CertificateSummary>,
    /// Every fault found in them, not only the one that decided.
    pub problems: Vec<CertificateProblem>,
    /// What each source that was asked says about revocation.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub revocation: Vec<RevocationSource>,
}

/// What one source says about the revocation of one certificate.
#[derive(Clone, Debug, Serialize)]
pub struct RevocationSource {
    /// The subject of the certificate.
    pub certificate: String,
    /// `staple`, `crl_file`, `ocsp` or `crl`.
    pub source: &'static str,
    /// Where the source is, if it was fetched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// `good`, `revoked`, `unknown`, `unusable` or `unreachable`.
    pub status: &'static str,
    /// Why it is not good.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// When an OCSP response was signed, RFC 3339 in UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub produced: Option<String>,
    /// From when on the source speaks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub this_update: Option<String>,
    /// When newer information is due.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_update: Option<String>,
}

/// One presented certificate.
#[derive(Clone, Debug, Serialize)]
pub struct CertificateSummary {
    /// The subject as a distinguished name.
    pub subject: String,
    /// The issuer as a distinguished name.
    pub issuer: String,
    /// The subject alternative names: DNS names and addresses.
    pub names: Vec<String>,
    /// Start of the validity, RFC 3339 in UTC.
    pub not_before: String,
    /// End of the validity, RFC 3339 in UTC.
    pub not_after: String,
    /// SHA-256 of the certificate, in lower-case hex.
    pub sha256: String,
}

/// One fault found in a certificate chain.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct CertificateProblem {
    /// The fault's name.
    pub fault: &'static str,
    /// The facts.
    pub detail: String,
}

/// The final HTTP response.
#[derive(Clone, Debug, Serialize)]
pub struct Http {
    /// The status.
    pub status: u16,
    /// `1.0`, `1.1` or `2`.
    pub version: &'static str,
    /// The response headers, in order of name.
    pub headers: BTreeMap<String, Vec<String>>,
    /// The beginning of the body, where a rule on it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// Bytes of the decoded body, where it was read to its end.
    #[serde(skip)]
    pub length: Option<u64>,
}

/// One exchange of a dialogue.
#[derive(Clone, Debug, Serialize)]
pub struct Exchange {
    /// What the agent said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sent: Option<String>,
    /// What it heard.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub received: Option<String>,
}

/// What ICMP said.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Icmp {
    /// Of a series of echo requests.
    #[serde(flatten)]
    pub echoes: Option<Echoes>,
    /// ICMP errors, and errors of the kernel while sending.
    pub errors: Vec<IcmpError>,
}

/// What came of a series of echo requests.
#[derive(Clone, Debug, Serialize)]
pub struct Echoes {
    /// Requests that left the host.
    pub sent: usize,
    /// Requests that could not be sent.
    #[serde(skip_serializing_if = "is_zero")]
    pub unsent: usize,
    /// Requests that got a reply in time.
    pub received: usize,
    /// The share of requests without a reply, whether they left the host or not.
    pub loss: f64,
    /// The times of the replies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rtt: Option<Rtt>,
    /// The mean difference between the time of one reply and the next.
    #[serde(serialize_with = "as_milliseconds_if_any", skip_serializing_if = "Option::is_none")]
    pub jitter: Option<Duration>,
    /// Further replies to requests that had theirs.
    #[serde(skip_serializing_if = "is_zero")]
    pub duplicates: u32,
    /// Replies that came too late.
    #[serde(skip_serializing_if = "is_zero")]
    pub late: u32,
    /// Replies with other data than was sent, or with a wrong checksum.
    #[serde(skip_serializing_if = "is_zero")]
    pub corrupted: u32,
    /// Replies from other addresses than the target.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub other_addresses: BTreeMap<IpAddr, u32>,
}

/// The times of the replies.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Rtt {
    /// The shortest.
    #[serde(serialize_with = "as_milliseconds")]
    pub min: Duration,
    /// The mean.
    #[serde(serialize_with = "as_milliseconds")]
    pub avg: Duration,
    /// The longest.
    #[serde(serialize_with = "as_milliseconds")]
    pub max: Duration,
    /// The standard deviation.
    #[serde(serialize_with = "as_milliseconds")]
    pub stddev: Duration,
}

/// One kind of error and how often it came.
#[derive(Clone, Debug, Serialize)]
pub struct IcmpError {
    /// The error in words.
    pub name: String,
    /// The ICMP type.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<u8>,
    /// The ICMP code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<u8>,
    /// The router or host that says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<IpAddr>,
    /// The size that would go through.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u32>,
    /// The kernel's error number, if the request did not leave the host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub errno: Option<i32>,
    /// How often.
    pub count: u32,
}

/// How much was transferred, and how fast.
#[derive(Clone, Debug, Serialize)]
pub struct Transfer {
    /// Bytes of the file, as far as they came or went.
    pub bytes: u64,
    /// On average, from the first byte of the body to the last; of an upload as the kernel took them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_per_second: Option<u64>,
    /// In each second of that time.
    pub each_second: Vec<u64>,
    /// From the beginning of the run to the first byte of the final response.
    #[serde(
        serialize_with = "as_milliseconds_if_any",
        rename = "first_byte_ms",
        skip_serializing_if = "Option::is_none"
    )]
    pub first_byte: Option<Duration>,
}

impl Transfer {
    /// Works the average out.
    #[must_use]
    pub fn new(bytes: u64, spent: Duration, each_second: Vec<u64>, first_byte: Option<Duration>) -> Self {
        let average = u128::from(bytes).saturating_mul(1_000_000_000).checked_div(spent.as_nanos());
        let bytes_per_second = average.and_then(|average| u64::try_from(average).ok());
        Self { bytes, bytes_per_second, each_second, first_byte }
    }
}

/// One of several connections of a download.
#[derive(Clone, Debug, Serialize)]
pub struct Connection {
    /// Counted from 0; the first one decides.
    pub number: usize,
    /// The peer.
    pub remote: String,
    /// How many parts it brought.
    pub pieces: u64,
    /// How many bytes these were.
    pub bytes: u64,
    /// Why it was dropped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<&'static str>,
    /// The time it took.
    pub phases: Phases,
}

impl Connection {
    pub(crate) fn new(number: usize, remote: std::net::SocketAddr) -> Self {
        Self { number, remote: remote.to_string(), pieces: 0, bytes: 0, cause: None, phases: Phases::default() }
    }
}

/// A kernel error.
#[derive(Clone, Debug, Serialize)]
pub struct Errno {
    /// The number.
    pub number: i32,
    /// The kernel's words for it.
    pub text: String,
}

impl Evidence {
    /// Hands every text that a peer could have written to `edit`.
    pub fn each_text(&mut self, edit: &mut impl FnMut(&mut String)) {
        for hop in &mut self.hops {
            edit(&mut hop.url);
            hop.location.iter_mut().for_each(&mut *edit);
        }
        self.steps.iter_mut().for_each(|step| step.each_text(edit));
        self.object.iter_mut().filter_map(|object| object.message.as_mut()).for_each(&mut *edit);
        for exchange in &mut self.dialogue {
            exchange.sent.iter_mut().chain(&mut exchange.received).for_each(&mut *edit);
        }
        if let Some(http) = &mut self.http {
            for (mut name, mut values) in std::mem::take(&mut http.headers) {
                edit(&mut name);
                values.iter_mut().for_each(&mut *edit);
                http.headers.entry(name).or_default().append(&mut values);
            }
            http.body.iter_mut().for_each(&mut *edit);
        }
        if let Some(dns) = &mut self.dns {
            edit(&mut dns.name);
            for server in &mut dns.servers {
                edit(&mut server.server);
                edit(&mut server.result);
            }
            dns.answers.iter_mut().chain(&mut dns.authorities).chain(&mut dns.errors).for_each(&mut *edit);
        }
        if let Some(tls) = &mut self.tls {
            tls.problems.iter_mut().for_each(|problem| edit(&mut problem.detail));
            for source in &mut tls.revocation {
                edit(&mut source.certificate);
                source.url.iter_mut().chain(&mut source.detail).for_each(&mut *edit);
            }
            for certificate in &mut tls.chain {
                edit(&mut certificate.subject);
                edit(&mut certificate.issuer);
                certificate.names.iter_mut().for_each(&mut *edit);
            }
        }
    }
}

fn is_zero(count: &(impl PartialEq + Default)) -> bool {
    *count == Default::default()
}

fn as_milliseconds<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(milliseconds(*time))
}

#[expect(clippy::ref_option, reason = "serde hands the field over by reference")]
fn as_milliseconds_if_any<S: Serializer>(time: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    time.map(milliseconds).serialize(serializer)
}
