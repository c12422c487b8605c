//! Whether certificates of a path are revoked: what each source says, what must still be fetched, and what it comes to.
//!
//! A staple and the lists of the task are at hand and judged at once, so that they fail the handshake. Where the task
//! demands to know, responders and lists that the certificates name are asked afterwards, all of them: one trusted source
//! that says "revoked" decides, whatever the others say; else one good answer is enough for a certificate.

mod inquiry;

use super::certificate::Certificate;
use super::{Demands, Problem, describe, ocsp};
use crate::evidence;
use crate::fault::Certificate as Fault;

use inquiry::Asked;
pub(crate) use inquiry::{Answer, Inquiry, Question};

/// Lines of evidence about sources.
const MOST_NOTED: usize = 32;

/// What a source says, the weightiest first.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Said {
    Revoked,
    Good,
    /// The responder does not know the certificate.
    Unknown,
    Unusable,
    Unreachable,
}

/// The dates of what a source says, in Unix seconds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Times {
    pub(super) produced: Option<i64>,
    pub(super) this_update: Option<i64>,
    pub(super) next_update: Option<i64>,
}

/// What one source says of one certificate, and in words unless that is "good".
#[derive(Clone, Debug)]
pub(super) struct Finding {
    pub(super) said: Said,
    pub(super) detail: String,
    pub(super) times: Times,
}

impl Finding {
    pub(super) fn unusable(detail: impl Into<String>) -> Self {
        Self { said: Said::Unusable, detail: detail.into(), times: Times::default() }
    }

    fn unreachable(detail: impl Into<String>) -> Self {
        Self { said: Said::Unreachable, ..Self::unusable(detail) }
    }
}

/// Where a finding comes from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Staple,
    /// A list of the task.
    File,
    Responder,
    /// A list that the certificate names.
    List,
}

impl Kind {
    const fn word(self) -> &'static str {
        match self {
            Self::Staple => "staple",
            Self::File => "crl_file",
            Self::Responder => "ocsp",
            Self::List => "crl",
        }
    }
}

#[derive(Clone, Debug)]
struct Found {
    kind: Kind,
    url: Option<String>,
    finding: Finding,
}

impl Found {
    fn note(&self, certificate: &Certificate<'_>) -> evidence::RevocationSource {
        let date = |time: Option<i64>| time.map(describe::date);
        let Finding { said, detail, times } = &self.finding;
        evidence::RevocationSource {
            certificate: describe::name(certificate.subject),
            source: self.kind.word(),
            url: self.url.clone(),
            status: match said {
                Said::Revoked => "revoked",
                Said::Good => "good",
                Said::Unknown => "unknown",
                Said::Unusable => "unusable",
                Said::Unreachable => "unreachable",
            },
            detail: Some(detail.clone()).filter(|detail| !detail.is_empty()),
            produced: date(times.produced),
            this_update: date(times.this_update),
            next_update: date(times.next_update),
        }
    }
}

/// What the sources at hand come to.
#[derive(Debug, Default)]
pub(super) struct Checked {
    pub(super) problems: Vec<Problem>,
    pub(super) sources: Vec<evidence::RevocationSource>,
    pub(super) inquiry: Option<Inquiry>,
}

/// The proven part of a path, the leaf first, and what is said of it.
pub(super) struct Checks<'a, 'd> {
    pub(super) chain: &'a [Certificate<'d>],
    /// Whether it leads to a trusted certificate over good links, or nobody asks.
    pub(super) trusted: bool,
    pub(super) demands: &'a Demands,
    pub(super) staple: &'a [u8],
    pub(super) now: i64,
}

impl<'d> Checks<'_, 'd> {
    /// Asks the sources at hand, and prepares to ask the others where the task demands to know.
    pub(super) fn make(&self) -> Checked {
        let mut checked = Checked::default();
        let mut asked = Vec::new();
        for (index, certificate) in self.chain.iter().enumerate() {
            let issuer = self.issuer(index);
            // Nobody revokes a root; of a last certificate that is none, nothing can be known.
            if index > 0 && issuer.is_none() {
                break;
            }
            let staple = if index == 0 { self.staple(certificate, issuer, &mut checked.problems) } else { None };
            let listed: Vec<_> = self.lists(certificate, issuer).collect();
            let found: Vec<_> = staple.into_iter().chain(listed.iter().cloned()).collect();
            checked.sources.extend(found.iter().map(|found| found.note(certificate)));
            if let Some(revoked) = found.iter().find(|found| found.finding.said == Said::Revoked) {
                if self.trusted {
                    checked.problems.push(Problem::new(Fault::Revoked, revoked.finding.detail.clone()));
                }
            } else if self.demands.revocation
                && self.trusted
                && let Some(issuer) = self.chain.get(index + 1)
            {
                let at_hand = found.len();
                let new = Asked::new(certificate, issuer, found);
                checked.sources.extend(new.known()[at_hand..].iter().map(|found| found.note(certificate)));
                asked.push(new);
            } else {
                checked.problems.extend(self.of_lists_alone(certificate, index == 0, &listed));
            }
        }
        let inquiry = Inquiry::new(asked, !self.demands.crls.is_empty());
        if inquiry.questions().is_empty() {
            checked.problems.extend(inquiry.conclude(&[], self.now).problems);
        } else {
            checked.inquiry = Some(inquiry);
        }
        checked.sources.truncate(MOST_NOTED);
        checked
    }

    fn issuer(&self, index: usize) -> Option<&Certificate<'d>> {
        let certificate = &self.chain[index];
        let own = || (index == 0 && certificate.is_self_issued()).then_some(certificate);
        self.chain.get(index + 1).or_else(own)
    }

    /// What the staple says of the leaf. It is looked at where somebody wants to know, or where it speaks of revocation.
    fn staple(
        &self,
        leaf: &Certificate<'_>,
        issuer: Option<&Certificate<'_>>,
        problems: &mut Vec<Problem>,
    ) -> Option<Found> {
        let demanded = self.demands.staple || self.demands.verify && ocsp::must_be_stapled(leaf);
        if self.staple.is_empty() {
            if demanded {
                let by = if self.demands.staple { "the task" } else { "the certificate" };
                let detail = format!("the server staples no OCSP response for {}, and {by} demands one", leaf.label());
                problems.push(Problem::new(Fault::Staple, detail));
            }
            return None;
        }
        if !demanded && !self.demands.revocation && !ocsp::speaks_of_revocation(self.staple) {
            return None;
        }
        let finding = match issuer {
            Some(issuer) => ocsp::read(self.staple, leaf, issuer, self.now),
            None => Finding::unusable(format!("the key of the issuer of {} is not known", leaf.label())),
        };
        if demanded && !matches!(finding.said, Said::Good | Said::Revoked) {
            let detail = format!("the stapled OCSP response does not count: {}", finding.detail);
            problems.push(Problem::new(Fault::Staple, detail));
        }
        Some(Found { kind: Kind::Staple, url: None, finding })
    }

    fn lists<'s>(
        &'s self,
        certificate: &'s Certificate<'d>,
        issuer: Option<&'s Certificate<'d>>,
    ) -> impl Iterator<Item = Found> + 's {
        let named = self.demands.crls.iter().filter(|list| list.is_of(certificate.issuer));
        named.map(move |list| {
            let finding = list.look_up(certificate, issuer, self.now);
            Found { kind: Kind::File, url: None, finding }
        })
    }

    /// Where there are lists and no other demand: one good list is enough; no list at all is bad only for the leaf.
    fn of_lists_alone(&self, certificate: &Certificate<'_>, is_leaf: bool, listed: &[Found]) -> Option<Problem> {
        if self.demands.crls.is_empty() || listed.iter().any(|found| found.finding.said == Said::Good) {
            return None;
        }
        let why = listed.first().map(|found| found.finding.detail.clone());
        let none = || is_leaf.then(|| no_list(certificate));
        why.or_else(none).map(|why| Problem::new(Fault::RevocationUnusable, why))
    }
}

fn no_list(certificate: &Certificate<'_>) -> String {
    format!("no revocation list is of the issuer of {}", certificate.label())
}
