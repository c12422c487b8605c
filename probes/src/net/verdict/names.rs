//! Whether the leaf is for the host that was asked for (RFC 6125; the common name is never looked at).

use rustls::pki_types::{CertificateDer, ServerName};
use webpki::EndEntityCert;
use x509_parser::extensions::{GeneralName, SubjectAlternativeName};
use x509_parser::oid_registry::OID_X509_EXT_SUBJECT_ALT_NAME;

use super::certificate::Certificate;
use super::{Problem, describe};
use crate::fault::Certificate as Fault;

/// Names shown in a sentence; the rest is counted.
const SHOWN: usize = 3;

/// Compares the leaf's subject alternative names of the asked kind with the host.
pub(super) fn check(leaf: &Certificate<'_>, host: &ServerName<'_>) -> Option<Problem> {
    match matches(leaf, host) {
        Ok(()) => None,
        Err(webpki::Error::CertNotValidForName(_)) => Some(mismatch(leaf, host)),
        Err(_) => {
            let detail = format!("the subject alternative names of {} cannot be decoded", leaf.label());
            Some(Problem::new(Fault::Encoding, detail))
        }
    }
}

fn matches(leaf: &Certificate<'_>, host: &ServerName<'_>) -> Result<(), webpki::Error> {
    let whole = CertificateDer::from(leaf.der);
    if let Ok(leaf) = EndEntityCert::try_from(&whole) {
        return leaf.verify_is_valid_for_subject_name(host);
    }
    let names = names_only(leaf.extension(&OID_X509_EXT_SUBJECT_ALT_NAME));
    EndEntityCert::try_from(&names)?.verify_is_valid_for_subject_name(host)
}

/// A certificate that has nothing but these names.
///
/// webpki refuses to decode a leaf with, say, an unknown critical extension. That is one fault, and a wrong name is
/// another: so the names are put where webpki can read them, and there remains one way of matching names.
fn names_only(names: Option<&[u8]>) -> CertificateDer<'static> {
    const VERSION_3_SERIAL_1: &[u8] = &[0xa0, 0x03, 0x02, 0x01, 0x02, 0x02, 0x01, 0x01];
    const ALGORITHM_ISSUER_VALIDITY_SUBJECT_KEY: &[u8] = &[0x30, 0, 0x30, 0, 0x30, 0, 0x30, 0, 0x30, 0];
    const SUBJECT_ALT_NAME: &[u8] = &[0x06, 0x03, 0x55, 0x1d, 0x11];
    const ALGORITHM_SIGNATURE: &[u8] = &[0x30, 0, 0x03, 0x01, 0];
    const SEQUENCE: u8 = 0x30;
    const OCTET_STRING: u8 = 0x04;
    const EXTENSIONS: u8 = 0xa3;

    let extensions = names.map_or_else(Vec::new, |names| {
        let extension = wrap(SEQUENCE, &[SUBJECT_ALT_NAME, &wrap(OCTET_STRING, &[names])]);
        wrap(EXTENSIONS, &[&wrap(SEQUENCE, &[&extension])])
    });
    let body = wrap(SEQUENCE, &[VERSION_3_SERIAL_1, ALGORITHM_ISSUER_VALIDITY_SUBJECT_KEY, &extensions]);
    CertificateDer::from(wrap(SEQUENCE, &[&body, ALGORITHM_SIGNATURE]))
}

/// A DER value of these contents; one beyond 64 KiB is left out, since webpki reads none.
fn wrap(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let contents = parts.concat();
    let header = match u16::try_from(contents.len()).map(u16::to_be_bytes) {
        Ok([0, length @ ..0x80]) => vec![tag, length],
        Ok([0, length]) => vec![tag, 0x81, length],
        Ok([high, low]) => vec![tag, 0x82, high, low],
        Err(_) => return Vec::new(),
    };
    [header, contents].concat()
}

fn mismatch(leaf: &Certificate<'_>, host: &ServerName<'_>) -> Problem {
    let names = leaf.read::<SubjectAlternativeName<'_>>(&OID_X509_EXT_SUBJECT_ALT_NAME);
    let names = names.map(|names| names.general_names).unwrap_or_default();
    let (kind, asked): (_, Vec<_>) = match host {
        ServerName::DnsName(_) => ("DNS name", names.iter().filter(|name| is_dns(name)).collect()),
        _ => ("IP address", names.iter().filter(|name| is_ip(name)).collect()),
    };
    let host = host.to_str();
    if asked.is_empty() {
        let others = list(&names.iter().collect::<Vec<_>>());
        let but = if others.is_empty() { String::new() } else { format!(", but {others}") };
        return Problem::new(Fault::NoName, format!("{} has no {kind}{but}; asked for was {host}", leaf.label()));
    }
    Problem::new(Fault::NameMismatch, format!("certificate is for {}, not for {host}", list(&asked)))
}

fn is_dns(name: &GeneralName<'_>) -> bool {
    matches!(name, GeneralName::DNSName(_))
}

fn is_ip(name: &GeneralName<'_>) -> bool {
    matches!(name, GeneralName::IPAddress(_))
}

/// `a.test, b.test (and 3 more)`.
fn list(names: &[&GeneralName<'_>]) -> String {
    let shown: Vec<_> = names.iter().filter_map(|name| describe::host(name)).take(SHOWN).collect();
    let more = names.len() - shown.len();
    if more > 0 && !shown.is_empty() { format!("{} (and {more} more)", shown.join(", ")) } else { shown.join(", ") }
}
