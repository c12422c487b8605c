//! What people read of a certificate: bounded, and free of what could disturb a terminal or a page.

use std::net::IpAddr;

use jiff::SignedDuration;
use jiff::civil::DateTime;
use rustls::pki_types::CertificateDer;
use sha2::{Digest, Sha256};
use x509_parser::asn1_rs::FromDer;
use x509_parser::extensions::{GeneralName, SubjectAlternativeName};
use x509_parser::oid_registry::OID_X509_EXT_SUBJECT_ALT_NAME;
use x509_parser::x509::X509Name;

use super::certificate::Certificate;
use crate::evidence::CertificateSummary;

/// Certificates of a chain that are described.
const MAX_CERTIFICATES: usize = 16;

/// Names of one certificate that are listed.
const MAX_NAMES: usize = 100;

/// Characters of one text.
const MAX_TEXT: usize = 256;

/// Describes the presented certificates, the leaf first; of one that cannot be decoded there is only the hash.
#[must_use]
pub fn describe(presented: &[CertificateDer<'_>]) -> Vec<CertificateSummary> {
    presented.iter().take(MAX_CERTIFICATES).map(summary).collect()
}

fn summary(der: &CertificateDer<'_>) -> CertificateSummary {
    let sha256 = hex(&Sha256::digest(der));
    let Some(certificate) = Certificate::decode(der) else {
        let [subject, issuer, not_before, not_after] = [const { String::new() }; 4];
        return CertificateSummary { subject, issuer, names: Vec::new(), not_before, not_after, sha256 };
    };
    let names = certificate.read::<SubjectAlternativeName<'_>>(&OID_X509_EXT_SUBJECT_ALT_NAME);
    let names = names.iter().flat_map(|names| &names.general_names);
    CertificateSummary {
        subject: name(certificate.subject),
        issuer: name(certificate.issuer),
        names: names.filter_map(host).take(MAX_NAMES).collect(),
        not_before: date(certificate.not_before),
        not_after: date(certificate.not_after),
        sha256,
    }
}

/// A distinguished name given as DER.
pub(super) fn name(der: &[u8]) -> String {
    X509Name::from_der(der).map_or_else(|_| String::new(), |(_, name)| clean(&name.to_string()))
}

/// The text of a DNS name or an address; nothing for other kinds of names.
pub(super) fn host(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some(clean(name)),
        GeneralName::IPAddress(bytes) => address(bytes).map(|address| address.to_string()),
        _ => None,
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}

/// A text of the peer's, cut to size; what moves the cursor or turns the direction of writing is replaced.
pub(super) fn clean(text: &str) -> String {
    let invisible = |char: char| {
        char.is_control()
            || matches!(char, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    text.chars().take(MAX_TEXT).map(|char| if invisible(char) { char::REPLACEMENT_CHARACTER } else { char }).collect()
}

/// RFC 3339 in UTC, for every date a certificate can have: up to the end of 9999, which ends `jiff::Timestamp` early.
pub(super) fn date(seconds: i64) -> String {
    let epoch = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);
    epoch.checked_add(SignedDuration::from_secs(seconds)).map_or_else(|_| String::new(), |date| format!("{date}Z"))
}

/// A length of time in its largest fitting unit: `3 days`.
pub(super) fn span(seconds: i64) -> String {
    let (number, unit) = match seconds {
        86_400.. => (seconds / 86_400, "day"),
        3_600.. => (seconds / 3_600, "hour"),
        60.. => (seconds / 60, "minute"),
        _ => (seconds, "second"),
    };
    format!("{number} {unit}{}", if number == 1 { "" } else { "s" })
}

/// Lower-case hex.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}
