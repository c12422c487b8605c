//! Whether a revocation list of the task revokes a certificate of the chain (RFC 5280 section 5).

use std::collections::HashSet;
use std::sync::Arc;

use x509_parser::asn1_rs::FromDer;
use x509_parser::extensions::{KeyUsage, ParsedExtension, X509Extension};
use x509_parser::oid_registry::OID_X509_EXT_KEY_USAGE;
use x509_parser::revocation_list::CertificateRevocationList;

use super::certificate::Certificate;
use super::{Problem, describe, links};
use crate::fault::Certificate as Fault;

/// A decoded revocation list; a clone shares it.
#[derive(Clone, Debug)]
pub struct RevocationList(Arc<List>);

#[derive(Debug)]
struct List {
    der: Vec<u8>,
    issuer: Vec<u8>,
    this_update: i64,
    next_update: Option<i64>,
    serials: HashSet<Vec<u8>>,
    /// Of a kind that says less, or something else, than "these are revoked".
    special: bool,
}

impl RevocationList {
    /// Decodes a list once, so that each handshake only looks up serials; `None`: it is no revocation list.
    #[must_use]
    pub fn decode(der: &[u8]) -> Option<Self> {
        let (rest, list) = CertificateRevocationList::from_der(der).ok()?;
        rest.is_empty().then(|| {
            Self(Arc::new(List {
                der: der.to_vec(),
                issuer: list.tbs_cert_list.issuer.as_raw().to_vec(),
                this_update: list.last_update().timestamp(),
                next_update: list.next_update().map(|update| update.timestamp()),
                serials: list.iter_revoked_certificates().map(|entry| entry.serial().to_bytes_be()).collect(),
                special: list.extensions().iter().any(is_special),
            }))
        })
    }
}

/// Delta and indirect lists, and those for some reasons only.
fn is_special(extension: &X509Extension<'_>) -> bool {
    match extension.parsed_extension() {
        ParsedExtension::IssuingDistributionPoint(scope) => {
            scope.indirect_crl || scope.only_contains_attribute_certs || scope.only_some_reasons.is_some()
        }
        _ => extension.critical,
    }
}

/// What a list says of one certificate.
enum Finding {
    Revoked,
    Good,
    Unusable(String),
}

/// Looks for each certificate of a proven chain, the leaf first, in the lists of its issuer.
pub(super) fn check(chain: &[Certificate<'_>], lists: &[RevocationList], now: i64) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (index, certificate) in chain.iter().enumerate() {
        let is_leaf = index == 0;
        let issuer = match chain.get(index + 1) {
            None if is_leaf && certificate.is_self_issued() => Some(certificate),
            next => next,
        };
        // Nobody revokes a root; of a last certificate that is none, nothing can be known.
        if is_leaf || issuer.is_some() {
            let named = lists.iter().filter(|list| list.0.issuer == certificate.issuer);
            let findings = named.map(|list| look_up(certificate, issuer, &list.0, now)).collect();
            problems.extend(conclude(certificate, is_leaf, findings));
        }
    }
    problems
}

/// One good list is enough, unless another revokes; no list at all is bad only for the leaf.
fn conclude(certificate: &Certificate<'_>, is_leaf: bool, findings: Vec<Finding>) -> Option<Problem> {
    if findings.iter().any(|finding| matches!(finding, Finding::Revoked)) {
        return Some(Problem::new(Fault::Revoked, format!("{} is revoked by its issuer", certificate.label())));
    }
    if findings.iter().any(|finding| matches!(finding, Finding::Good)) {
        return None;
    }
    let why = findings.into_iter().find_map(|finding| match finding {
        Finding::Unusable(why) => Some(why),
        Finding::Revoked | Finding::Good => None,
    });
    let none = || is_leaf.then(|| format!("no revocation list is of the issuer of {}", certificate.label()));
    why.or_else(none).map(|why| Problem::new(Fault::RevocationUnusable, why))
}

fn look_up(certificate: &Certificate<'_>, issuer: Option<&Certificate<'_>>, list: &List, now: i64) -> Finding {
    let name = describe::name(&list.issuer);
    let Some(issuer) = issuer else {
        return Finding::Unusable(format!("the key of \"{name}\", issuer of the revocation list, is not known"));
    };
    if !links::signed_by(&list.der, issuer.key) {
        return Finding::Unusable(format!(
            "the revocation list of \"{name}\" is signed with another key than its issuer's"
        ));
    }
    if issuer.read::<KeyUsage>(&OID_X509_EXT_KEY_USAGE).is_some_and(|usage| !usage.crl_sign()) {
        return Finding::Unusable(format!("\"{name}\" may not sign revocation lists (key usage)"));
    }
    if list.special {
        return Finding::Unusable(format!("the revocation list of \"{name}\" is a partial or indirect one"));
    }
    // What was revoked stays revoked, however old the list.
    if list.serials.contains(&certificate.serial()) {
        return Finding::Revoked;
    }
    stale(list, now)
        .map_or(Finding::Good, |when| Finding::Unusable(format!("the revocation list of \"{name}\" {when}")))
}

fn stale(list: &List, now: i64) -> Option<String> {
    if let Some(end) = list.next_update.filter(|end| now > *end) {
        return Some(format!(
            "is stale: its next one was due {}, {} ago",
            describe::date(end),
            describe::span(now.saturating_sub(end))
        ));
    }
    (now < list.this_update).then(|| format!("is not valid before {}", describe::date(list.this_update)))
}
