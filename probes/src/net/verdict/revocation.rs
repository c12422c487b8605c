//! What a revocation list says of a certificate (RFC 5280 sections 5 and 6.3).

use std::collections::HashSet;
use std::sync::Arc;

use rustls::pki_types::CertificateRevocationListDer;
use x509_parser::asn1_rs::FromDer;
use x509_parser::extensions::{
    BasicConstraints, CRLDistributionPoints, DistributionPointName, GeneralName, KeyUsage, ParsedExtension,
    X509Extension,
};
use x509_parser::oid_registry::{
    OID_X509_EXT_BASIC_CONSTRAINTS, OID_X509_EXT_CRL_DISTRIBUTION_POINTS, OID_X509_EXT_KEY_USAGE,
};

use super::certificate::Certificate;
use super::der::{Value, Values, number, sequence, single, tag};
use super::status::{Finding, Said, Times};
use super::{describe, links};

/// A decoded revocation list; a clone shares it.
#[derive(Clone, Debug)]
pub struct RevocationList(Arc<List>);

#[derive(Debug)]
struct List {
    der: CertificateRevocationListDer<'static>,
    issuer: Vec<u8>,
    this_update: i64,
    next_update: Option<i64>,
    serials: HashSet<Box<[u8]>>,
    scope: Scope,
}

/// Which certificates a list speaks of, where that is not all of its issuer's.
#[derive(Debug, Default)]
struct Scope {
    /// A list that says less, or something else, than "these are revoked": a delta, indirect, or for some reasons only.
    special: bool,
    only_users: bool,
    only_authorities: bool,
    /// Of the certificates that name one of these places.
    urls: Vec<String>,
}

impl RevocationList {
    /// Decodes a list once, so that each handshake only looks up serials; `None`: it is no revocation list.
    #[must_use]
    pub fn decode(der: &[u8]) -> Option<Self> {
        let mut parts = sequence(der)?.next()?.inside();
        parts.next_if(|value| value.is(tag::INTEGER));
        let _algorithm = parts.next().filter(|value| value.is(tag::SEQUENCE))?;
        let issuer = parts.next().filter(|value| value.is(tag::SEQUENCE))?;
        let this_update = parts.next()?.time()?;
        let next_update = match parts.next_if(Value::is_time) {
            Some(value) => Some(value.time()?),
            None => None,
        };
        let revoked = parts.next_if(|value| value.is(tag::SEQUENCE));
        let entries = revoked.map(|revoked| revoked.inside()).into_iter().flatten();
        let serials = entries.map(|entry| entry.inside().next().map(|serial| number(serial.contents).into()));
        let serials = serials.collect::<Option<_>>()?;
        let scope = match parts.next() {
            Some(value) if value.is_context(0) => Scope::of(single(value.contents)?.inside())?,
            Some(_) => return None,
            None => Scope::default(),
        };
        let (issuer, der) = (issuer.raw.to_vec(), der.to_vec().into());
        Some(Self(Arc::new(List { der, issuer, this_update, next_update, serials, scope })))
    }

    /// Whether the issuer, given as DER, has the name of this list's.
    pub(super) fn is_of(&self, issuer: &[u8]) -> bool {
        self.0.issuer == issuer
    }

    /// What the list says of a certificate.
    pub(super) fn look_up(&self, certificate: &Certificate<'_>, issuer: Option<&Certificate<'_>>, now: i64) -> Finding {
        let list = &self.0;
        let times = Times { produced: None, this_update: Some(list.this_update), next_update: list.next_update };
        let (said, detail) = match list.objection(certificate, issuer, now) {
            None if list.revokes(certificate) => {
                (Said::Revoked, format!("{} is revoked by its issuer", certificate.label()))
            }
            None => (Said::Good, String::new()),
            Some(why) => (Said::Unusable, why),
        };
        Finding { said, detail, times }
    }
}

impl List {
    fn revokes(&self, certificate: &Certificate<'_>) -> bool {
        certificate.serial_contents().is_some_and(|serial| self.serials.contains(number(serial)))
    }

    /// Why the list says nothing of a certificate. What was revoked stays revoked, however old the list.
    fn objection(&self, certificate: &Certificate<'_>, issuer: Option<&Certificate<'_>>, now: i64) -> Option<String> {
        let name = describe::name(&self.issuer);
        let Some(issuer) = issuer else {
            return Some(format!("the key of \"{name}\", issuer of the revocation list, is not known"));
        };
        if !links::signed_by(&self.der, issuer.key) {
            return Some(format!("the revocation list of \"{name}\" is signed with another key than its issuer's"));
        }
        if issuer.read::<KeyUsage>(&OID_X509_EXT_KEY_USAGE).is_some_and(|usage| !usage.crl_sign()) {
            return Some(format!("\"{name}\" may not sign revocation lists (key usage)"));
        }
        if self.scope.special {
            return Some(format!("the revocation list of \"{name}\" is a partial or indirect one"));
        }
        if self.revokes(certificate) {
            return None;
        }
        if !self.scope.covers(certificate) {
            let label = certificate.label();
            return Some(format!("the revocation list of \"{name}\" is for others than {label}"));
        }
        self.untimely(now).map(|when| format!("the revocation list of \"{name}\" {when}"))
    }

    fn untimely(&self, now: i64) -> Option<String> {
        if let Some(end) = self.next_update.filter(|end| now > *end) {
            return Some(format!(
                "is stale: its next one was due {}, {} ago",
                describe::date(end),
                describe::span(now.saturating_sub(end))
            ));
        }
        (now < self.this_update).then(|| format!("is not valid before {}", describe::date(self.this_update)))
    }
}

impl Scope {
    fn of(extensions: Values<'_>) -> Option<Self> {
        let mut scope = Self::default();
        for value in extensions {
            let (_, extension) = X509Extension::from_der(value.raw).ok()?;
            match extension.parsed_extension() {
                ParsedExtension::IssuingDistributionPoint(point) => {
                    scope.special |=
                        point.indirect_crl || point.only_contains_attribute_certs || point.only_some_reasons.is_some();
                    scope.only_users = point.only_contains_user_certs;
                    scope.only_authorities = point.only_contains_ca_certs;
                    if let Some(point) = &point.distribution_point {
                        // A place that has no URL is one that nobody can compare.
                        scope.urls = urls(point);
                        scope.special |= scope.urls.is_empty();
                    }
                }
                _ => scope.special |= extension.critical,
            }
        }
        Some(scope)
    }

    fn covers(&self, certificate: &Certificate<'_>) -> bool {
        let constraints = certificate.read::<BasicConstraints>(&OID_X509_EXT_BASIC_CONSTRAINTS);
        let authority = constraints.is_some_and(|constraints| constraints.ca);
        let of_kind = !(self.only_users && authority || self.only_authorities && !authority);
        of_kind && (self.urls.is_empty() || list_urls(certificate).iter().any(|url| self.urls.contains(url)))
    }
}

/// The places of the lists that a certificate names.
pub(super) fn list_urls(certificate: &Certificate<'_>) -> Vec<String> {
    let points = certificate.read::<CRLDistributionPoints<'_>>(&OID_X509_EXT_CRL_DISTRIBUTION_POINTS);
    let points = points.iter().flat_map(|points| &points.points);
    points.filter_map(|point| point.distribution_point.as_ref()).flat_map(urls).collect()
}

/// The URLs of a distribution point.
fn urls(point: &DistributionPointName<'_>) -> Vec<String> {
    let DistributionPointName::FullName(names) = point else { return Vec::new() };
    let uri = |name: &GeneralName<'_>| match name {
        GeneralName::URI(uri) => Some((*uri).to_owned()),
        _ => None,
    };
    names.iter().filter_map(uri).collect()
}
