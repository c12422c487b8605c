//! What a person needs to believe a verdict without repeating the probe: plain data, bounded, free of secrets.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Serialize;

use crate::phases::Phases;

/// Everything one run saw; each part is present where it applies.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Evidence {
    /// The addresses considered, in the order in which they were tried.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<Address>,
    /// The requests of a redirect chain, one a hop.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hops: Vec<Hop>,
    /// The TLS session, also when its verification failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// The final HTTP response.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http: Option<Http>,
    /// The conversation of a dialogue, one line an exchange.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dialogue: Vec<Exchange>,
    /// What the name servers said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dns: Option<Dns>,
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

/// What the name servers said of the target's name.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Dns {
    /// The name asked for.
    pub name: String,
    /// The rcode of the answer that decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rcode: Option<String>,
    /// Header flags of that answer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<&'static str>,
    /// The records of that answer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub answers: Vec<String>,
    /// What came of each name server that was asked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub servers: Vec<NameServer>,
}

/// One name server and what came of asking it.
#[derive(Clone, Debug, Serialize)]
pub struct NameServer {
    /// The server as configured.
    pub server: String,
    /// `answered`, or the fault.
    pub result: String,
}

/// Bytes over the probe's connection.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Bytes {
    /// Handed to the kernel.
    pub sent: u64,
    /// Acknowledged by the peer's TCP (`tcpi_bytes_acked` without the SYN).
    pub acked: u64,
    /// Received.
    pub received: u64,
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
            dns.answers.iter_mut().for_each(&mut *edit);
        }
        if let Some(tls) = &mut self.tls {
            tls.problems.iter_mut().for_each(|problem| edit(&mut problem.detail));
            for certificate in &mut tls.chain {
                edit(&mut certificate.subject);
                edit(&mut certificate.issuer);
                certificate.names.iter_mut().for_each(&mut *edit);
            }
        }
    }
}
