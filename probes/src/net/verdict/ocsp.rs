//! What an OCSP responder says of one certificate, and how it is asked (RFC 6960), stapled or fetched.
//!
//! A response counts if it is signed by the issuer of the certificate, or by a responder to which that very issuer gave a
//! certificate for this use (section 4.2.2.2). Whether such a certificate is itself revoked is not asked, with or without
//! `id-pkix-ocsp-nocheck`. There is no leeway in time: `thisUpdate` must have come, and `nextUpdate` not be over. Where
//! there is no `nextUpdate`, newer information is always to be had (section 4.2.2.1), so that a response is good for a day.
//! A nonce is not sent: responders that sign in advance have none (RFC 9654).

use rustls::pki_types::CertificateDer;
use sha1::{Digest as _, Sha1};
use sha2::Sha256;
use x509_parser::extensions::ExtendedKeyUsage;
use x509_parser::oid_registry::OID_X509_EXT_EXTENDED_KEY_USAGE;

use super::certificate::Certificate;
use super::der::{Value, Values, number, sequence, single, tag, write};
use super::status::{Finding, Said, Times};
use super::{describe, links};

/// Certificates of a response that are looked at; a responder needs one.
const MOST_CERTIFICATES: usize = 8;

/// Statuses of a response that are looked at; one was asked for.
const MOST_STATUSES: usize = 256;

/// How long a response without `nextUpdate` counts, in seconds.
const FRESH: i64 = 24 * 60 * 60;

/// The contents of the object identifiers of SHA-1 and SHA-256.
const SHA1: &[u8] = &[0x2b, 0x0e, 0x03, 0x02, 0x1a];
const SHA256: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01];

/// The contents of `id-pkix-ocsp-basic`.
const BASIC: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x01];

/// The request for the status of one certificate, by SHA-1, which every responder knows (RFC 5019 section 2.1.1).
pub(super) fn request(certificate: &Certificate<'_>, issuer: &Certificate<'_>) -> Option<Vec<u8>> {
    let algorithm = write(tag::SEQUENCE, &[&write(tag::OBJECT_IDENTIFIER, &[SHA1]), &write(tag::NULL, &[])]);
    let id = write(
        tag::SEQUENCE,
        &[
            &algorithm,
            &write(tag::OCTET_STRING, &[&Sha1::digest(issuer.subject)]),
            &write(tag::OCTET_STRING, &[&Sha1::digest(issuer.key_bits()?)]),
            &write(tag::INTEGER, &[certificate.serial_contents()?]),
        ],
    );
    let list = write(tag::SEQUENCE, &[&write(tag::SEQUENCE, &[&id])]);
    Some(write(tag::SEQUENCE, &[&write(tag::SEQUENCE, &[&list])]))
}

/// What a response says of a certificate.
pub(super) fn read(response: &[u8], certificate: &Certificate<'_>, issuer: &Certificate<'_>, now: i64) -> Finding {
    judge(response, certificate, issuer, now).unwrap_or_else(Finding::unusable)
}

/// Whether a response calls any certificate revoked, whoever signed it: a glance that says whether to look closer.
pub(super) fn speaks_of_revocation(response: &[u8]) -> bool {
    let basic = successful(response).ok().and_then(Basic::decode);
    basic.is_some_and(|basic| basic.statuses().any(|single| single.is_revoked()))
}

fn judge(
    response: &[u8],
    certificate: &Certificate<'_>,
    issuer: &Certificate<'_>,
    now: i64,
) -> Result<Finding, String> {
    let basic = Basic::decode(successful(response)?).ok_or("the OCSP response cannot be decoded")?;
    basic.check_signature(issuer, now)?;
    let wanted = Wanted::of(certificate, issuer).ok_or("the certificate has no serial number to look for")?;
    let findings = basic.statuses().filter(|single| single.is_about(&wanted)).map(|single| {
        let finding = single.finding(certificate, now);
        Finding { times: Times { produced: basic.produced, ..finding.times }, ..finding }
    });
    // Several about one certificate: what speaks against it counts, then what is usable.
    findings.min_by_key(|finding| finding.said).ok_or_else(|| {
        let other = "the OCSP response is about another certificate than";
        format!("{other} {}", certificate.label())
    })
}

/// The basic response inside a successful one (section 4.2.1).
fn successful(response: &[u8]) -> Result<&[u8], String> {
    let garbled = || "the OCSP response cannot be decoded".to_owned();
    let mut parts = sequence(response).ok_or_else(garbled)?;
    let status = parts.next().filter(|value| value.is(tag::ENUMERATED)).ok_or_else(garbled)?;
    let word = match *status.contents {
        [0] => {
            let bytes = parts.next().filter(|value| value.is_context(0));
            let mut bytes = bytes.and_then(|value| sequence(value.contents)).ok_or_else(garbled)?;
            let basic = bytes.next().is_some_and(|kind| kind.contents == BASIC);
            let response = bytes.next().filter(|value| basic && value.is(tag::OCTET_STRING));
            return response.map(|value| value.contents).ok_or_else(garbled);
        }
        [1] => "malformedRequest",
        [2] => "internalError",
        [3] => "tryLater",
        [5] => "sigRequired",
        [6] => "unauthorized",
        _ => return Err(garbled()),
    };
    Err(format!("the OCSP responder answered {word}"))
}

/// `BasicOCSPResponse`.
struct Basic<'a> {
    der: &'a [u8],
    responder: Value<'a>,
    produced: Option<i64>,
    statuses: Values<'a>,
    certificates: Vec<CertificateDer<'a>>,
}

impl<'a> Basic<'a> {
    fn decode(der: &'a [u8]) -> Option<Self> {
        let mut parts = sequence(der)?;
        let mut data = parts.next()?.inside();
        // The version, if it is not the first one.
        data.next_if(|value| value.is_context(0));
        let responder = data.next()?;
        let produced = data.next()?.time();
        let statuses = data.next().filter(|value| value.is(tag::SEQUENCE))?.inside();
        let [_algorithm, _signature] = [parts.next()?, parts.next()?];
        let certificates = parts.next().filter(|value| value.is_context(0));
        let certificates = certificates.and_then(|value| sequence(value.contents));
        let certificates = certificates.into_iter().flatten().take(MOST_CERTIFICATES);
        let certificates = certificates.map(|value| CertificateDer::from(value.raw)).collect();
        Some(Self { der, responder, produced, statuses, certificates })
    }

    fn statuses(&self) -> impl Iterator<Item = Single<'a>> {
        self.statuses.clone().take(MOST_STATUSES).filter_map(|value| Single::decode(&value))
    }

    /// Whether the one whom the response names has signed it, and may.
    fn check_signature(&self, issuer: &Certificate<'_>, now: i64) -> Result<(), String> {
        if self.names(issuer) {
            let good = links::signed_by(self.der, issuer.key);
            return good.then_some(()).ok_or_else(|| "the signature of the OCSP response is wrong".to_owned());
        }
        let delegates = self.certificates.iter().filter_map(|der| Certificate::decode(der));
        let mut why = "the OCSP response is signed by neither the issuer nor its delegate".to_owned();
        for delegate in delegates.filter(|delegate| self.names(delegate)) {
            match self.check_delegate(&delegate, issuer, now) {
                Ok(()) => return Ok(()),
                Err(reason) => why = reason,
            }
        }
        Err(why)
    }

    fn check_delegate(&self, delegate: &Certificate<'_>, issuer: &Certificate<'_>, now: i64) -> Result<(), String> {
        let label = delegate.label();
        if !delegate.may_be_issued_by(issuer) || !links::signed_by(delegate.der, issuer.key) {
            return Err(format!("the OCSP response is signed by {label}, to which the issuer gave no certificate"));
        }
        let usage = delegate.read::<ExtendedKeyUsage<'_>>(&OID_X509_EXT_EXTENDED_KEY_USAGE);
        if !usage.is_some_and(|usage| usage.ocsp_signing) {
            return Err(format!("the OCSP response is signed by {label}, which is not made for that"));
        }
        if now < delegate.not_before || now > delegate.not_after {
            return Err(format!("the OCSP response is signed by {label}, which is outside its dates"));
        }
        let good = links::signed_by(self.der, delegate.key);
        good.then_some(()).ok_or_else(|| "the signature of the OCSP response is wrong".to_owned())
    }

    /// Whether the responder is this one, by name or by key.
    fn names(&self, signer: &Certificate<'_>) -> bool {
        if self.responder.is_context(1) {
            return self.responder.contents == signer.subject;
        }
        let key = single(self.responder.contents).filter(|_| self.responder.is_context(2));
        let hash = signer.key_bits().map(Sha1::digest);
        key.zip(hash).is_some_and(|(key, hash)| key.contents == &hash[..])
    }
}

/// The certificate that was asked about, as responses name it.
struct Wanted<'a> {
    issuer: &'a Certificate<'a>,
    key: &'a [u8],
    serial: &'a [u8],
}

impl<'a> Wanted<'a> {
    fn of(certificate: &Certificate<'a>, issuer: &'a Certificate<'a>) -> Option<Self> {
        Some(Self { issuer, key: issuer.key_bits()?, serial: number(certificate.serial_contents()?) })
    }
}

/// `SingleResponse`.
struct Single<'a> {
    id: Value<'a>,
    status: Value<'a>,
    this_update: Option<i64>,
    next_update: Option<i64>,
}

impl<'a> Single<'a> {
    fn decode(value: &Value<'a>) -> Option<Self> {
        let mut parts = value.inside();
        let (id, status) = (parts.next()?, parts.next()?);
        let this_update = parts.next()?.time();
        let next_update = parts.next_if(|value| value.is_context(0)).and_then(|value| single(value.contents)?.time());
        Some(Self { id, status, this_update, next_update })
    }

    fn is_revoked(&self) -> bool {
        self.status.is_context(1)
    }

    fn is_about(&self, wanted: &Wanted<'_>) -> bool {
        let mut parts = self.id.inside();
        let algorithm = parts.next().and_then(|value| value.inside().next());
        let [Some(algorithm), Some(name), Some(key), Some(serial)] =
            [algorithm, parts.next(), parts.next(), parts.next()]
        else {
            return false;
        };
        let same = match algorithm.contents {
            SHA1 => {
                name.contents == &Sha1::digest(wanted.issuer.subject)[..]
                    && key.contents == &Sha1::digest(wanted.key)[..]
            }
            SHA256 => {
                name.contents == &Sha256::digest(wanted.issuer.subject)[..]
                    && key.contents == &Sha256::digest(wanted.key)[..]
            }
            _ => false,
        };
        same && number(serial.contents) == wanted.serial
    }

    fn finding(&self, certificate: &Certificate<'_>, now: i64) -> Finding {
        let times = Times { produced: None, this_update: self.this_update, next_update: self.next_update };
        let label = certificate.label();
        // What was revoked stays revoked, however old the response.
        let (said, detail) = if self.is_revoked() {
            (Said::Revoked, format!("{label} is revoked, says OCSP"))
        } else if let Some(why) = self.untimely(now) {
            (Said::Unusable, format!("the OCSP response for {label} {why}"))
        } else if self.status.is_context(0) {
            (Said::Good, String::new())
        } else {
            (Said::Unknown, format!("the OCSP responder does not know {label}"))
        };
        Finding { said, detail, times }
    }

    fn untimely(&self, now: i64) -> Option<String> {
        let Some(from) = self.this_update else { return Some("has no date".to_owned()) };
        if now < from {
            return Some(format!("is not valid before {}", describe::date(from)));
        }
        let end = self.next_update.unwrap_or_else(|| from.saturating_add(FRESH));
        (now > end).then(|| {
            let ago = describe::span(now.saturating_sub(end));
            format!("is stale: it was good until {}, {ago} ago", describe::date(end))
        })
    }
}

/// Whether a certificate says that its server staples (RFC 7633): the extension names `status_request`.
pub(super) fn must_be_stapled(certificate: &Certificate<'_>) -> bool {
    const STATUS_REQUEST: &[u8] = &[5];
    let features = certificate.features.and_then(single);
    features.is_some_and(|features| features.inside().any(|feature| number(feature.contents) == STATUS_REQUEST))
}
