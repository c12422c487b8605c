//! Says what is wrong with the certificates a server presented: every fault, and the one that decides.
//!
//! The rules are those of RFC 5280 section 6 and RFC 6125, with one difference: all checks run and none stops the
//! others, so that "expired", "wrong name" and "unknown issuer" are three faults where a verifier names the first.
//! One defect is one fault, which takes some order:
//!
//! 1. The path comes first: issuers are matched by name and key id, dates and signatures aside (`path`). So a
//!    broken signature is never reported as an unknown issuer as well.
//! 2. The structure of that path (signatures, purposes, constraints) is checked at an instant at which all its
//!    certificates are valid, so that an old date hides nothing (`structure`).
//! 3. Dates, names and what the task demands are then looked at one by one.
//!
//! Nothing here reads a clock or a socket; what the peer sent is bounded before it is searched or shown.

mod anchors;
mod certificate;
pub(super) mod der;
mod describe;
mod links;
mod names;
mod ocsp;
mod path;
mod revocation;
mod status;
mod structure;
#[cfg(test)]
mod tests;

use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use sha2::{Digest, Sha256};

use self::certificate::Certificate;
use self::path::{Choice, End};
use self::status::{Checked, Checks};
use crate::evidence;
use crate::fault::{self, Certificate as Fault, Named};

pub use self::anchors::Anchors;
pub use self::describe::describe;
pub use self::revocation::RevocationList;
pub(crate) use self::status::{Answer, Inquiry, Question};

/// What the task demands of the certificates.
#[derive(Clone, Debug)]
pub struct Demands {
    /// The host the certificate has to be for.
    pub name: ServerName<'static>,
    /// Whether dates, names, trust and structure count; what follows holds without them, too.
    pub verify: bool,
    /// The SHA-256 the leaf must have.
    pub cert_sha256: Option<[u8; 32]>,
    /// SHA-256 of public keys (`SubjectPublicKeyInfo`), one of which must be the leaf's; none: no demand.
    pub pins: Vec<[u8; 32]>,
    /// The certificate that must have issued the leaf.
    pub issuer: Option<CertificateDer<'static>>,
    /// Revocation lists; where there are any, one must cover the leaf.
    pub crls: Vec<RevocationList>,
    /// Whether it must be known that no certificate below the root is revoked.
    pub revocation: bool,
    /// Whether the server must staple a good OCSP response, even if its certificate does not say so.
    pub staple: bool,
}

impl Demands {
    /// The usual demands: trust and the name, nothing else.
    #[must_use]
    pub fn new(name: ServerName<'static>) -> Self {
        Self {
            name,
            verify: true,
            cert_sha256: None,
            pins: Vec::new(),
            issuer: None,
            crls: Vec::new(),
            revocation: false,
            staple: false,
        }
    }
}

/// One fault found in the certificates, with the facts for people.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problem {
    /// What is wrong.
    pub fault: fault::Certificate,
    /// Which certificate, which name, which date.
    pub detail: String,
}

impl Problem {
    fn new(fault: Fault, detail: impl Into<String>) -> Self {
        Self { fault, detail: detail.into() }
    }
}

impl From<&Problem> for evidence::CertificateProblem {
    fn from(problem: &Problem) -> Self {
        Self { fault: problem.fault.name(), detail: problem.detail.clone() }
    }
}

/// What came of judging the certificates of one handshake.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// Every fault found, in the order of the checks.
    pub problems: Vec<Problem>,
    /// What the sources at hand say about revocation.
    pub(crate) sources: Vec<evidence::RevocationSource>,
    /// What must still be fetched to know more.
    pub(crate) inquiry: Option<Inquiry>,
    leaf_expiry: Option<i64>,
    earliest_expiry: Option<i64>,
}

impl Verdict {
    /// The one fault that decides, and the sentence for people; `None`: the certificates are good.
    ///
    /// A revocation decides before all else. Faults of two or more kinds together are one fault of their own,
    /// since mending either would not help. The further demands of the task decide only over a good chain.
    #[must_use]
    pub fn decision(&self) -> Option<(fault::Certificate, String)> {
        let of = |fault| self.problems.iter().find(|problem| problem.fault == fault);
        let rows: Vec<_> =
            self.problems.iter().filter_map(|problem| Some((Row::of(problem.fault)?, problem))).collect();
        let several = rows.iter().any(|(row, _)| *row != rows[0].0);
        if let Some(revoked) = of(Fault::Revoked) {
            return Some((revoked.fault, revoked.detail.clone()));
        }
        if several {
            let details: Vec<_> = rows.iter().map(|(_, problem)| problem.detail.as_str()).collect();
            return Some((Fault::Several, format!("{} faults: {}", details.len(), details.join("; "))));
        }
        rows.first()
            .map(|(_, problem)| *problem)
            .or_else(|| FURTHER.into_iter().find_map(of))
            .map(|problem| (problem.fault, problem.detail.clone()))
    }

    /// The end of the leaf's validity in Unix seconds.
    #[must_use]
    pub fn leaf_expiry(&self) -> Option<i64> {
        self.leaf_expiry
    }

    /// The earliest end of a validity on the path, the root's included, in Unix seconds.
    #[must_use]
    pub fn earliest_expiry(&self) -> Option<i64> {
        self.earliest_expiry
    }
}

/// What decides over a chain that is good, in this order.
const FURTHER: [Fault; 6] = [
    Fault::Pin,
    Fault::IssuerMismatch,
    Fault::Staple,
    Fault::RevocationOffline,
    Fault::RevocationNone,
    Fault::RevocationUnusable,
];

/// The kinds of fault of which two different ones together are "several".
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Row {
    Date,
    Name,
    Identity,
    Root,
    Issuer,
    Structure,
}

impl Row {
    fn of(fault: Fault) -> Option<Self> {
        match fault {
            Fault::Expired | Fault::NotYetValid => Some(Self::Date),
            Fault::NameMismatch => Some(Self::Name),
            Fault::NoName | Fault::Fingerprint => Some(Self::Identity),
            Fault::UntrustedRoot => Some(Self::Root),
            Fault::UnknownIssuer => Some(Self::Issuer),
            Fault::Signature
            | Fault::Purpose
            | Fault::Constraints
            | Fault::CriticalExtension
            | Fault::Encoding
            | Fault::WeakKey => Some(Self::Structure),
            Fault::Several
            | Fault::Revoked
            | Fault::Pin
            | Fault::IssuerMismatch
            | Fault::Staple
            | Fault::RevocationOffline
            | Fault::RevocationNone
            | Fault::RevocationUnusable => None,
        }
    }
}

/// Certificates looked at after the leaf; a server that sends more gains nothing by it.
const MAX_PRESENTED: usize = 128;

/// Judges the certificates a server presented, the leaf first, and what it stapled to them, at the instant `now`.
#[must_use]
pub fn judge(
    presented: &[CertificateDer<'_>],
    staple: &[u8],
    anchors: &Anchors,
    demands: &Demands,
    now: UnixTime,
) -> Verdict {
    let Some((first, rest)) = presented.split_first() else {
        return Verdict { problems: vec![Problem::new(Fault::Encoding, "no certificate")], ..Verdict::default() };
    };
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    let Some(leaf) = Certificate::decode(first) else {
        return undecodable(first, demands);
    };
    let rest = &rest[..rest.len().min(MAX_PRESENTED)];
    let others: Vec<_> = rest.iter().filter_map(|der| Certificate::decode(der)).collect();
    let chosen = path::choose(leaf, &others, anchors, now);

    let mut problems = Vec::new();
    if demands.verify {
        problems.extend(chosen.path.all().filter_map(|certificate| date(certificate, now)));
        problems.extend(names::check(&leaf, &demands.name));
    }
    problems.extend(fingerprint(first, demands));
    if demands.verify {
        problems.extend(trust(&chosen, others.len() < rest.len()));
        problems.extend(chosen.structure.iter().cloned());
    }
    let Checked { problems: further, sources, inquiry } = further_demands(&leaf, &chosen, staple, demands, now);
    problems.extend(further);
    Verdict {
        problems,
        sources,
        inquiry,
        leaf_expiry: Some(leaf.not_after),
        earliest_expiry: chosen.path.all().map(|certificate| certificate.not_after).min(),
    }
}

/// Of bytes that are no certificate only their hash can be compared, and nothing can be pinned.
fn undecodable(leaf: &CertificateDer<'_>, demands: &Demands) -> Verdict {
    let mut problems = Vec::new();
    if demands.verify {
        problems.push(Problem::new(Fault::Encoding, "the server's certificate cannot be decoded"));
    } else {
        problems.extend(fingerprint(leaf, demands));
        if !demands.pins.is_empty() {
            problems
                .push(Problem::new(Fault::Pin, "the server's certificate cannot be decoded: it has no key to compare"));
        }
        if demands.issuer.is_some() {
            problems.push(Problem::new(Fault::IssuerMismatch, "the server's certificate cannot be decoded: no issuer"));
        }
        if demands.staple {
            problems.push(Problem::new(Fault::Staple, "the server's certificate cannot be decoded: no serial"));
        }
        if !demands.crls.is_empty() {
            problems
                .push(Problem::new(Fault::RevocationUnusable, "the server's certificate cannot be decoded: no serial"));
        }
    }
    Verdict { problems, ..Verdict::default() }
}

fn date(certificate: &Certificate<'_>, now: i64) -> Option<Problem> {
    if now > certificate.not_after {
        let end = describe::date(certificate.not_after);
        let ago = describe::span(now.saturating_sub(certificate.not_after));
        Some(Problem::new(Fault::Expired, format!("{} expired {end}, {ago} ago", certificate.label())))
    } else if now < certificate.not_before {
        let start = describe::date(certificate.not_before);
        let wait = describe::span(certificate.not_before.saturating_sub(now));
        let detail = format!("{} is not valid before {start}, in {wait}", certificate.label());
        Some(Problem::new(Fault::NotYetValid, detail))
    } else {
        None
    }
}

fn fingerprint(leaf: &CertificateDer<'_>, demands: &Demands) -> Option<Problem> {
    let demanded = demands.cert_sha256?;
    let actual = Sha256::digest(leaf);
    (actual[..] != demanded).then(|| {
        let (actual, demanded) = (describe::hex(&actual), describe::hex(&demanded));
        Problem::new(Fault::Fingerprint, format!("SHA-256 of the certificate is {actual}, the task demands {demanded}"))
    })
}

/// What the end of the path says about trust.
fn trust(chosen: &Choice<'_>, undecodable: bool) -> Option<Problem> {
    let last = chosen.path.last();
    match chosen.path.end {
        End::Anchor(..) | End::Leaf => None,
        End::SelfSigned => {
            Some(Problem::new(Fault::UntrustedRoot, format!("{} is self-signed and not trusted", last.label())))
        }
        // The one that cannot be read may well be the missing one: one defect, one fault.
        End::Missing if undecodable => {
            let detail =
                format!("an intermediate certificate cannot be decoded, and the issuer of {} is missing", last.label());
            Some(Problem::new(Fault::Encoding, detail))
        }
        End::Missing => {
            let issuer = describe::name(last.issuer);
            let detail = format!("issuer \"{issuer}\" of {} is neither presented nor trusted", last.label());
            Some(Problem::new(Fault::UnknownIssuer, detail))
        }
    }
}

/// Revocation, pins and the demanded issuer: these hold without `verify`, too.
fn further_demands(leaf: &Certificate<'_>, chosen: &Choice<'_>, staple: &[u8], demands: &Demands, now: i64) -> Checked {
    let asked = !demands.crls.is_empty() || demands.revocation || demands.staple || !staple.is_empty();
    let must_staple = demands.verify && ocsp::must_be_stapled(leaf);
    if demands.pins.is_empty() && demands.issuer.is_none() && !asked && !must_staple {
        return Checked::default();
    }
    // Without trust anyone can append a well-known certificate to a chain; only what signed the leaf counts.
    let chain: Vec<_> = chosen.path.all().copied().collect();
    let sound = chosen.structure.is_empty();
    let proven = if sound { &chain[..] } else { &chain[..links::signed_prefix(&chain)] };
    let mut problems = Vec::new();
    problems.extend(pin(leaf, &demands.pins));
    problems.extend(issuer(leaf, demands.issuer.as_ref()));
    let trusted = !demands.verify || sound && chosen.path.is_trusted();
    let mut checked = Checks { chain: proven, trusted, demands, staple, now }.make();
    checked.problems.splice(..0, problems);
    checked
}

/// The pinned key is the leaf's, as with curl's --pinnedpubkey.
fn pin(leaf: &Certificate<'_>, pins: &[[u8; 32]]) -> Option<Problem> {
    let key: [u8; 32] = Sha256::digest(leaf.key).into();
    let pinned = pins.is_empty() || pins.contains(&key);
    let detail = || format!("the public key of {} is not pinned: SHA-256 {}", leaf.label(), describe::hex(&key));
    (!pinned).then(|| Problem::new(Fault::Pin, detail()))
}

fn issuer(leaf: &Certificate<'_>, demanded: Option<&CertificateDer<'_>>) -> Option<Problem> {
    let Some(demanded) = Certificate::decode(demanded?) else {
        return Some(Problem::new(Fault::IssuerMismatch, "the demanded issuer's certificate cannot be decoded"));
    };
    let issued = leaf.may_be_issued_by(&demanded) && links::signed_by(leaf.der, demanded.key);
    (!issued).then(|| {
        let (actual, subject) = (describe::name(leaf.issuer), describe::name(demanded.subject));
        let detail = if leaf.issuer == demanded.subject {
            format!("{} was issued by another \"{subject}\" than the demanded one", leaf.label())
        } else {
            format!("{} was issued by \"{actual}\", the task demands \"{subject}\"", leaf.label())
        };
        Problem::new(Fault::IssuerMismatch, detail)
    })
}
