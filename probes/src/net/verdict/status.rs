//! Whether certificates of a path are revoked: what each source says, what must still be fetched, and what it comes to.
//!
//! A staple and the lists of the task are at hand and judged at once, so that they fail the handshake. Where the task
//! demands to know, responders and lists that the certificates name are asked afterwards, all of them: one trusted source
//! that says "revoked" decides, whatever the others say; else one good answer is enough for a certificate.

use rustls::pki_types::CertificateDer;
use x509_parser::extensions::{AuthorityInfoAccess, CRLDistributionPoints, DistributionPointName, GeneralName};
use x509_parser::oid_registry::{
    OID_PKIX_ACCESS_DESCRIPTOR_OCSP, OID_PKIX_AUTHORITY_INFO_ACCESS, OID_X509_EXT_CRL_DISTRIBUTION_POINTS,
};

use super::certificate::Certificate;
use super::revocation::RevocationList;
use super::{Demands, Problem, Verdict, describe, ocsp};
use crate::evidence;
use crate::fault::Certificate as Fault;

/// Sources that one certificate may name, and that are asked in all; a hostile one names thousands.
const MOST_OF_ONE: usize = 4;
const MOST_QUESTIONS: usize = 8;

/// Lines of evidence about sources.
const MOST_NOTED: usize = 32;

/// The largest answers that are read.
const LARGEST_RESPONSE: usize = 64 * 1024;
const LARGEST_LIST: usize = 16 * 1024 * 1024;

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
                checked.sources.extend(new.known[at_hand..].iter().map(|found| found.note(certificate)));
                asked.push(new);
            } else {
                checked.problems.extend(self.of_lists_alone(certificate, index == 0, &listed));
            }
        }
        let inquiry = Inquiry { asked, configured: !self.demands.crls.is_empty(), now: self.now };
        if inquiry.questions().is_empty() {
            checked.problems.extend(inquiry.asked.iter().filter_map(|asked| inquiry.conclude_one(asked, &asked.known)));
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

/// One thing to fetch.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Question {
    /// Where.
    pub(crate) url: String,
    /// The OCSP request to send; none: a list, to be got.
    pub(crate) request: Option<Vec<u8>>,
    /// The largest answer that is read.
    pub(crate) most: usize,
}

/// What came of fetching it.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// This came, with status 200.
    Came(Vec<u8>),
    /// More came than is read.
    TooLarge,
    /// Nothing came.
    Unreachable(String),
}

/// A certificate whose status must still be asked for.
#[derive(Clone, Debug)]
struct Asked {
    certificate: CertificateDer<'static>,
    issuer: CertificateDer<'static>,
    questions: Vec<(Kind, Question)>,
    /// What the sources at hand say, and those that are named and cannot be asked.
    known: Vec<Found>,
}

impl Asked {
    fn new(certificate: &Certificate<'_>, issuer: &Certificate<'_>, mut known: Vec<Found>) -> Self {
        let request = ocsp::request(certificate, issuer);
        let mut questions = Vec::new();
        for (kind, url) in named_sources(certificate) {
            let url = describe::clean(&url);
            let is_http = url.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("http://"));
            let question = match kind {
                Kind::Responder => Question { url, request: request.clone(), most: LARGEST_RESPONSE },
                Kind::Staple | Kind::File | Kind::List => Question { url, request: None, most: LARGEST_LIST },
            };
            if is_http {
                questions.push((kind, question));
            } else {
                let detail = format!("{} is not fetched: it does not begin with http://", question.url);
                known.push(Found { kind, url: Some(question.url), finding: Finding::unreachable(detail) });
            }
        }
        let owned = |certificate: &Certificate<'_>| CertificateDer::from(certificate.der.to_vec());
        Self { certificate: owned(certificate), issuer: owned(issuer), questions, known }
    }
}

/// The responders and lists that a certificate names.
fn named_sources(certificate: &Certificate<'_>) -> Vec<(Kind, String)> {
    let uri = |name: &GeneralName<'_>| match name {
        GeneralName::URI(uri) => Some((*uri).to_owned()),
        _ => None,
    };
    let access = certificate.read::<AuthorityInfoAccess<'_>>(&OID_PKIX_AUTHORITY_INFO_ACCESS);
    let responders = access.iter().flat_map(|access| &access.accessdescs);
    let responders = responders.filter(|access| access.access_method == OID_PKIX_ACCESS_DESCRIPTOR_OCSP);
    let responders = responders.filter_map(|access| uri(&access.access_location)).map(|url| (Kind::Responder, url));
    let lists = list_urls(certificate).into_iter().map(|url| (Kind::List, url));
    responders.take(MOST_OF_ONE).chain(lists.take(MOST_OF_ONE)).collect()
}

/// The places of the lists that a certificate names.
pub(super) fn list_urls(certificate: &Certificate<'_>) -> Vec<String> {
    let points = certificate.read::<CRLDistributionPoints<'_>>(&OID_X509_EXT_CRL_DISTRIBUTION_POINTS);
    let points = points.iter().flat_map(|points| &points.points);
    points.filter_map(|point| point.distribution_point.as_ref()).flat_map(urls).collect()
}

/// The URLs of a distribution point.
pub(super) fn urls(point: &DistributionPointName<'_>) -> Vec<String> {
    let DistributionPointName::FullName(names) = point else { return Vec::new() };
    let uri = |name: &GeneralName<'_>| match name {
        GeneralName::URI(uri) => Some((*uri).to_owned()),
        _ => None,
    };
    names.iter().filter_map(uri).collect()
}

/// What must still be fetched before it is known whether certificates are revoked.
#[derive(Clone, Debug)]
pub(crate) struct Inquiry {
    asked: Vec<Asked>,
    /// Whether the task has lists of its own.
    configured: bool,
    now: i64,
}

impl Inquiry {
    /// What to fetch, each thing once.
    pub(crate) fn questions(&self) -> Vec<Question> {
        let mut questions: Vec<Question> = Vec::new();
        for (_, question) in self.asked.iter().flat_map(|asked| &asked.questions) {
            if questions.len() < MOST_QUESTIONS && !questions.contains(question) {
                questions.push(question.clone());
            }
        }
        questions
    }

    /// What the answers, in the order of the questions, come to.
    pub(crate) fn conclude(&self, answers: &[Answer]) -> Verdict {
        let questions = self.questions();
        let fetched: Vec<_> = questions.iter().zip(answers.iter().map(Source::read)).collect();
        let (mut problems, mut sources) = (Vec::new(), Vec::new());
        for asked in &self.asked {
            let (Some(certificate), Some(issuer)) =
                (Certificate::decode(&asked.certificate), Certificate::decode(&asked.issuer))
            else {
                continue;
            };
            let mut found = asked.known.clone();
            for (kind, question) in &asked.questions {
                let source = fetched.iter().find(|(other, _)| *other == question).map(|(_, source)| source);
                let finding = source.map_or_else(
                    || Finding::unreachable(format!("{} was not fetched: too many sources are named", question.url)),
                    |source| source.finding(*kind, question, &certificate, &issuer, self.now),
                );
                let new = Found { kind: *kind, url: Some(question.url.clone()), finding };
                sources.push(new.note(&certificate));
                found.push(new);
            }
            problems.extend(self.conclude_one(asked, &found));
        }
        sources.truncate(MOST_NOTED);
        Verdict { problems, sources, ..Verdict::default() }
    }

    fn conclude_one(&self, asked: &Asked, found: &[Found]) -> Option<Problem> {
        let certificate = Certificate::decode(&asked.certificate)?;
        let saying = |said| found.iter().find(|found| found.finding.said == said);
        if let Some(revoked) = saying(Said::Revoked) {
            return Some(Problem::new(Fault::Revoked, revoked.finding.detail.clone()));
        }
        if saying(Said::Good).is_some() {
            return None;
        }
        let mut named = found.iter().filter(|found| matches!(found.kind, Kind::Responder | Kind::List)).peekable();
        if named.peek().is_some() && named.all(|found| found.finding.said == Said::Unreachable) {
            let why = saying(Said::Unreachable).map(|found| found.finding.detail.as_str()).unwrap_or_default();
            let detail = format!("no source says whether {} is revoked: {why}", certificate.label());
            return Some(Problem::new(Fault::RevocationOffline, detail));
        }
        let why = found.iter().find(|found| found.finding.said != Said::Unreachable);
        Some(match why {
            Some(found) => Problem::new(Fault::RevocationUnusable, found.finding.detail.clone()),
            None if self.configured => Problem::new(Fault::RevocationUnusable, no_list(&certificate)),
            None => {
                let label = certificate.label();
                let detail = format!("{label} names no source that says whether it is revoked, and there is no other");
                Problem::new(Fault::RevocationNone, detail)
            }
        })
    }
}

/// A fetched source, decoded once for all certificates.
enum Source<'a> {
    Bytes(&'a [u8]),
    List(RevocationList),
    Bad(Finding),
}

impl<'a> Source<'a> {
    fn read(answer: &'a Answer) -> Self {
        match answer {
            Answer::Came(bytes) => RevocationList::decode(bytes).map_or(Self::Bytes(bytes), Self::List),
            Answer::TooLarge => Self::Bad(Finding::unusable("the source sent more than is read")),
            Answer::Unreachable(why) => Self::Bad(Finding::unreachable(why.clone())),
        }
    }

    fn finding(
        &self,
        kind: Kind,
        question: &Question,
        certificate: &Certificate<'_>,
        issuer: &Certificate<'_>,
        now: i64,
    ) -> Finding {
        match self {
            Self::Bad(finding) => finding.clone(),
            Self::Bytes(bytes) if kind == Kind::Responder => ocsp::read(bytes, certificate, issuer, now),
            Self::List(list) if kind == Kind::List && list.is_of(certificate.issuer) => {
                list.look_up(certificate, Some(issuer), now)
            }
            Self::List(_) if kind == Kind::List => {
                Finding::unusable(format!("the list at {} is of another issuer", question.url))
            }
            Self::Bytes(_) | Self::List(_) if kind == Kind::Responder => {
                Finding::unusable(format!("what {} sent is no OCSP response", question.url))
            }
            Self::Bytes(_) | Self::List(_) => {
                Finding::unusable(format!("what {} sent is no revocation list", question.url))
            }
        }
    }
}
