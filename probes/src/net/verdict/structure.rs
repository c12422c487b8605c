//! What is wrong with a path apart from dates and names: signatures, purposes, constraints, keys.
//!
//! webpki verifies the path, and nothing but the path: its anchor and its intermediates, at an instant at which all of
//! them are valid. It stops at its first fault, which is enough, since faults of the structure are of one kind.

use rustls::pki_types::{CertificateDer, TrustAnchor, UnixTime};
use webpki::{EndEntityCert, Error, KeyUsage};

use super::certificate::Certificate;
use super::path::{End, Path};
use super::{Problem, describe, links};
use crate::fault::{Certificate as Fault, Named};

/// The shortest RSA key accepted, in bits.
const MIN_RSA_BITS: usize = 2048;

/// Checks the structure of a path; one that leads nowhere is checked as far as its own last certificate.
pub(super) fn check(path: &Path<'_>) -> Vec<Problem> {
    let mut problems: Vec<_> = path.all().filter_map(weak_key).collect();
    let weak = !problems.is_empty();
    let faults = match path.end {
        End::Leaf => leaf_alone(&path.certificates[0]),
        End::Anchor(..) | End::SelfSigned | End::Missing => whole(path),
    };
    // A signature by a short key is refused as if it were wrong: the key is the reason.
    problems.extend(faults.into_iter().filter(|problem| !(weak && problem.fault == Fault::Signature)));
    problems
}

fn weak_key(certificate: &Certificate<'_>) -> Option<Problem> {
    let bits = certificate.rsa_bits().filter(|bits| *bits < MIN_RSA_BITS)?;
    let detail = format!("{} has an RSA key of {bits} bits, fewer than {MIN_RSA_BITS}", certificate.label());
    Some(Problem::new(Fault::WeakKey, detail))
}

/// A trusted leaf needs nobody's signature, only to be readable and fit for servers.
fn leaf_alone(leaf: &Certificate<'_>) -> Vec<Problem> {
    match EndEntityCert::try_from(&CertificateDer::from(leaf.der)) {
        Ok(_) => links::purpose(leaf).into_iter().collect(),
        Err(error) => vec![Problem::new(fault_of(&error), sentence(&error, leaf))],
    }
}

fn whole(path: &Path<'_>) -> Vec<Problem> {
    let Some(instant) = common_instant(&path.certificates) else {
        return link_by_link(path);
    };
    match verify(path, instant) {
        Ok(()) => Vec::new(),
        // Nothing was left to check the signature of a single certificate with.
        Err(Error::UnknownIssuer) if !path.is_trusted() => Vec::new(),
        // The usual self-made certificate is a CA; it is not trusted, and that is all that is wrong with it. But
        // webpki looked no further.
        Err(Error::CaUsedAsEndEntity) if !path.is_trusted() => checked_links(path),
        Err(error) => vec![explain(&error, path)],
    }
}

/// An instant at which all of them are valid.
fn common_instant(certificates: &[Certificate<'_>]) -> Option<UnixTime> {
    let start = certificates.iter().map(|certificate| certificate.not_before).max()?;
    let end = certificates.iter().map(|certificate| certificate.not_after).min()?;
    (start <= end).then(|| instant(start))
}

fn instant(seconds: i64) -> UnixTime {
    UnixTime::since_unix_epoch(std::time::Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
}

fn verify(path: &Path<'_>, time: UnixTime) -> Result<(), Error> {
    let presented: Vec<_> = path.certificates.iter().map(|certificate| CertificateDer::from(certificate.der)).collect();
    let leaf = EndEntityCert::try_from(&presented[0])?;
    if let End::Anchor(_, anchor) = path.end {
        return verify_with(&leaf, &presented[1..], anchor, time);
    }
    let intermediates = presented.get(1..presented.len() - 1).unwrap_or_default();
    let last = webpki::anchor_from_trusted_cert(&presented[presented.len() - 1])?;
    verify_with(&leaf, intermediates, &last, time)
}

fn verify_with(
    leaf: &EndEntityCert<'_>,
    intermediates: &[CertificateDer<'_>],
    anchor: &TrustAnchor<'_>,
    time: UnixTime,
) -> Result<(), Error> {
    let anchors = std::slice::from_ref(anchor);
    let usage = KeyUsage::server_auth();
    leaf.verify_for_usage(webpki::ALL_VERIFICATION_ALGS, anchors, intermediates, time, usage, None, None).map(drop)
}

/// Checks a chain whose certificates were never valid at one time: each link at a date of its own.
fn link_by_link(path: &Path<'_>) -> Vec<Problem> {
    let mut problems = checked_links(path);
    if problems.is_empty() {
        problems.extend(leaf_at_its_date(path).err().map(|error| explain(&error, path)));
    }
    problems
}

fn checked_links(path: &Path<'_>) -> Vec<Problem> {
    let mut chain: Vec<_> = path.all().copied().collect();
    let issued = match path.end {
        // The end is checked no further than an anchor would be; only a leaf that is its own issuer has to be one.
        _ if chain.len() > 1 => chain.len() - 1,
        End::SelfSigned => {
            chain.push(chain[0]);
            1
        }
        End::Anchor(..) | End::Leaf | End::Missing => 1,
    };
    links::check(&chain, issued)
}

/// Verifies the leaf against its issuer, under the name constraints of every certificate above it.
fn leaf_at_its_date(path: &Path<'_>) -> Result<(), Error> {
    let chain: Vec<_> = path.all().map(|certificate| CertificateDer::from(certificate.der)).collect();
    let leaf = EndEntityCert::try_from(&chain[0])?;
    let above: Vec<_> = chain[1..].iter().map(webpki::anchor_from_trusted_cert).collect::<Result<_, _>>()?;
    let Some(issuer) = above.first().filter(|_| path.certificates[0].not_before <= path.certificates[0].not_after)
    else {
        return Ok(());
    };
    let time = instant(path.certificates[0].not_before);
    for name_constraints in above.iter().map(|anchor| anchor.name_constraints.clone()) {
        match verify_with(&leaf, &[], &TrustAnchor { name_constraints, ..issuer.clone() }, time) {
            Err(Error::CaUsedAsEndEntity) if !path.is_trusted() => {}
            result => result?,
        }
    }
    Ok(())
}

/// Names the certificate behind a fault of webpki's, which has no word for that.
fn explain(error: &Error, path: &Path<'_>) -> Problem {
    let fault = fault_of(error);
    if let Some(problem) = checked_links(path).into_iter().find(|problem| problem.fault == fault) {
        return problem;
    }
    let undecodable =
        |certificate: &&Certificate<'_>| EndEntityCert::try_from(&CertificateDer::from(certificate.der)).is_err();
    let culprit = path.certificates.iter().find(undecodable).unwrap_or(&path.certificates[0]);
    Problem::new(fault, sentence(error, culprit))
}

fn sentence(error: &Error, culprit: &Certificate<'_>) -> String {
    let label = culprit.label();
    match error {
        Error::CaUsedAsEndEntity => format!("{label} is that of a CA and is used for a server"),
        Error::NameConstraintViolation => format!("the name constraints of an issuer forbid the names of {label}"),
        Error::UnsupportedCriticalExtension => format!("{label} has a critical extension that is not known"),
        Error::UnsupportedCertVersion => format!("{label} is not of version 3"),
        Error::CertDistrusted => format!("the chain of {label} has a key that is known to be misused"),
        other => format!("{label}: {} ({})", fault_of(other).meaning(), describe::clean(&format!("{other:?}"))),
    }
}

/// What webpki's errors mean here.
///
/// Its type is open: the last line takes what can only come of undecodable parts, and what cannot come of a path
/// that is verified within its dates, without names and without revocation lists.
fn fault_of(error: &Error) -> Fault {
    match error {
        Error::InvalidSignatureForPublicKey
        | Error::SignatureAlgorithmMismatch
        | Error::UnsupportedSignatureAlgorithmContext(_)
        | Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_)
        | Error::CertDistrusted
        | Error::MaximumSignatureChecksExceeded => Fault::Signature,
        Error::EmptyEkuExtension | Error::RequiredEkuNotFoundContext(_) => Fault::Purpose,
        Error::CaUsedAsEndEntity
        | Error::EndEntityUsedAsCa
        | Error::PathLenConstraintViolated
        | Error::NameConstraintViolation
        | Error::MaximumNameConstraintComparisonsExceeded
        | Error::MaximumPathDepthExceeded
        | Error::MaximumPathBuildCallsExceeded => Fault::Constraints,
        Error::UnsupportedCriticalExtension => Fault::CriticalExtension,
        _ => Fault::Encoding,
    }
}
