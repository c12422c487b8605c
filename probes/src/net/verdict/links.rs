//! One link of a chain at a time: a certificate and the key that is to have signed it.
//!
//! Whole paths are verified by webpki. What is here is for the cases it has no answer to: which link is broken, a
//! chain whose certificates were never valid at one time, and a list or an issuer outside the path.

use std::collections::HashMap;

use x509_parser::asn1_rs::{Any, FromDer};
use x509_parser::extensions::{BasicConstraints, ExtendedKeyUsage};
use x509_parser::oid_registry::{OID_X509_EXT_BASIC_CONSTRAINTS, OID_X509_EXT_EXTENDED_KEY_USAGE};

use super::Problem;
use super::certificate::{Certificate, contents};
use crate::fault::Certificate as Fault;

/// A signed structure of X.509: a certificate or a revocation list.
struct Signed<'a> {
    /// What is signed.
    data: &'a [u8],
    /// Contents of the algorithm identifier.
    algorithm: &'a [u8],
    signature: &'a [u8],
}

impl<'a> Signed<'a> {
    fn decode(der: &'a [u8]) -> Option<Self> {
        let body = contents(der)?;
        let (rest, _) = Any::from_der(body).ok()?;
        let data = &body[..body.len() - rest.len()];
        let (rest, algorithm) = Any::from_der(rest).ok()?;
        // A BIT STRING begins with the number of its unused bits.
        let signature = contents(rest)?.strip_prefix(&[0])?;
        Some(Self { data, algorithm: algorithm.data, signature })
    }
}

/// Whether the certificate or revocation list was signed with this key (`SubjectPublicKeyInfo`), in an accepted way.
pub(super) fn signed_by(der: &[u8], key: &[u8]) -> bool {
    verify(der, key).unwrap_or(false)
}

fn verify(der: &[u8], key: &[u8]) -> Option<bool> {
    let signed = Signed::decode(der)?;
    let (bits, algorithm) = Any::from_der(contents(key)?).ok()?;
    let bits = contents(bits)?.strip_prefix(&[0])?;
    let accepted = webpki::ALL_VERIFICATION_ALGS.iter().find(|accepted| {
        accepted.signature_alg_id().as_ref() == signed.algorithm
            && accepted.public_key_alg_id().as_ref() == algorithm.data
    })?;
    Some(accepted.verify_signature(bits, signed.data, signed.signature).is_ok())
}

/// How many certificates of a chain, the leaf first, are proven by the signatures of those before them.
pub(super) fn signed_prefix(chain: &[Certificate<'_>]) -> usize {
    1 + chain.windows(2).take_while(|link| signed_by(link[0].der, link[1].key)).count()
}

/// What is wrong with the links of a chain, dates and name constraints aside.
///
/// `issued` counts the certificates, the leaf first, that are to be checked; behind each stands its issuer, where it
/// has one.
pub(super) fn check(chain: &[Certificate<'_>], issued: usize) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (index, certificate) in chain.iter().enumerate().take(issued) {
        problems.extend(chain.get(index + 1).and_then(|issuer| signature(certificate, issuer)));
        problems.extend(index.checked_sub(1).and_then(|below| authority(certificate, below)));
        problems.extend(purpose(certificate));
    }
    problems
}

fn signature(certificate: &Certificate<'_>, issuer: &Certificate<'_>) -> Option<Problem> {
    let how = match verify(certificate.der, issuer.key) {
        Some(true) => return None,
        Some(false) => "does not fit",
        None => "is made in a way that is not accepted, or does not fit",
    };
    let detail = format!("the signature of {} {how} the key of its issuer {}", certificate.label(), issuer.label());
    Some(Problem::new(Fault::Signature, detail))
}

/// Whether an issuer may be one, and of a chain with so many CAs `below` it.
fn authority(certificate: &Certificate<'_>, below: usize) -> Option<Problem> {
    let constraints = certificate.read::<BasicConstraints>(&OID_X509_EXT_BASIC_CONSTRAINTS);
    let detail = match constraints {
        Some(BasicConstraints { ca: true, path_len_constraint: Some(most) }) if below > most as usize => {
            format!("{} allows {most} CAs below it, and {below} are there", certificate.label())
        }
        Some(BasicConstraints { ca: true, .. }) => return None,
        _ => format!("{} issued another certificate without being a CA", certificate.label()),
    };
    Some(Problem::new(Fault::Constraints, detail))
}

/// Whether the certificate may be used for servers, or for what issues their certificates.
pub(super) fn purpose(certificate: &Certificate<'_>) -> Option<Problem> {
    certificate.extension(&OID_X509_EXT_EXTENDED_KEY_USAGE)?;
    let usage = certificate.read::<ExtendedKeyUsage<'_>>(&OID_X509_EXT_EXTENDED_KEY_USAGE);
    if usage.as_ref().is_some_and(|usage| usage.server_auth) {
        return None;
    }
    let only = if usage.is_some_and(|usage| usage.client_auth) { " but for clients" } else { "" };
    let detail = format!("{} is not made for servers{only} (extended key usage)", certificate.label());
    Some(Problem::new(Fault::Purpose, detail))
}

/// Signature checks of one search: each link at most once, and not without end.
pub(super) struct Signatures {
    seen: HashMap<(*const u8, *const u8), bool>,
    left: usize,
}

impl Signatures {
    /// As many checks as webpki allows for one verification.
    pub(super) fn new() -> Self {
        Self { seen: HashMap::new(), left: 100 }
    }

    /// Whether the link holds; an unchecked one does not.
    pub(super) fn hold(&mut self, certificate: &Certificate<'_>, issuer: &Certificate<'_>) -> bool {
        let link = (certificate.der.as_ptr(), issuer.der.as_ptr());
        if let Some(&good) = self.seen.get(&link) {
            return good;
        }
        let good = self.left > 0 && signed_by(certificate.der, issuer.key);
        self.left = self.left.saturating_sub(1);
        self.seen.insert(link, good);
        good
    }
}
