//! What must still be fetched before it is known whether certificates are revoked, and what the answers come to.

use rustls::pki_types::CertificateDer;
use x509_parser::extensions::{AuthorityInfoAccess, GeneralName};
use x509_parser::oid_registry::{OID_PKIX_ACCESS_DESCRIPTOR_OCSP, OID_PKIX_AUTHORITY_INFO_ACCESS};

use super::{Finding, Found, Kind, MOST_NOTED, Said, no_list};
use crate::fault::Certificate as Fault;
use crate::net::verdict::certificate::Certificate;
use crate::net::verdict::revocation::{RevocationList, list_urls};
use crate::net::verdict::{Problem, Verdict, describe, ocsp};

/// Sources that one certificate may name, and that are asked in all; a hostile one names thousands.
const MOST_OF_ONE: usize = 4;
const MOST_QUESTIONS: usize = 8;

/// The longest URL that is fetched.
const LONGEST_URL: usize = 2048;

/// The largest answers that are read.
const LARGEST_RESPONSE: usize = 64 * 1024;
const LARGEST_LIST: usize = 16 * 1024 * 1024;

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

impl Question {
    /// The place, fit to be shown.
    pub(crate) fn shown(&self) -> String {
        describe::clean(&self.url)
    }
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
pub(super) struct Asked {
    certificate: CertificateDer<'static>,
    issuer: CertificateDer<'static>,
    questions: Vec<(Kind, Question)>,
    /// What the sources at hand say, and those that are named and cannot be asked.
    known: Vec<Found>,
}

impl Asked {
    pub(super) fn new(certificate: &Certificate<'_>, issuer: &Certificate<'_>, mut known: Vec<Found>) -> Self {
        let request = ocsp::request(certificate, issuer);
        let mut questions = Vec::new();
        for (kind, url) in named_sources(certificate) {
            let is_http =
                url.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("http://")) && url.len() <= LONGEST_URL;
            let question = match kind {
                Kind::Responder => Question { url, request: request.clone(), most: LARGEST_RESPONSE },
                Kind::Staple | Kind::File | Kind::List => Question { url, request: None, most: LARGEST_LIST },
            };
            if is_http {
                questions.push((kind, question));
            } else {
                let url = question.shown();
                let detail = format!("{url} is not fetched: it does not begin with http://, or is too long");
                known.push(Found { kind, url: Some(url), finding: Finding::unreachable(detail) });
            }
        }
        let owned = |certificate: &Certificate<'_>| CertificateDer::from(certificate.der.to_vec());
        Self { certificate: owned(certificate), issuer: owned(issuer), questions, known }
    }

    /// What is known without asking.
    pub(super) fn known(&self) -> &[Found] {
        &self.known
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

/// What must still be fetched before it is known whether certificates are revoked.
#[derive(Clone, Debug)]
pub(crate) struct Inquiry {
    asked: Vec<Asked>,
    /// Whether the task has lists of its own.
    configured: bool,
}

impl Inquiry {
    pub(super) fn new(asked: Vec<Asked>, configured: bool) -> Self {
        Self { asked, configured }
    }

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

    /// What the answers, in the order of the questions, come to: they were made a moment ago, so that they are judged by the
    /// clock of their coming.
    pub(crate) fn conclude(&self, answers: &[Answer], now: i64) -> Verdict {
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
                    || Finding::unreachable(format!("{} is not fetched: too many sources are named", question.shown())),
                    |source| source.finding(*kind, question, &certificate, &issuer, now),
                );
                let new = Found { kind: *kind, url: Some(question.shown()), finding };
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
    TooLarge,
    Nothing(&'a str),
}

impl<'a> Source<'a> {
    fn read(answer: &'a Answer) -> Self {
        match answer {
            Answer::Came(bytes) => RevocationList::decode(bytes).map_or(Self::Bytes(bytes), Self::List),
            Answer::TooLarge => Self::TooLarge,
            Answer::Unreachable(why) => Self::Nothing(why),
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
        let url = question.shown();
        match self {
            Self::Nothing(why) => Finding::unreachable(format!("{url}: {why}")),
            Self::TooLarge => Finding::unusable(format!("{url} sent more than is read")),
            Self::Bytes(bytes) if kind == Kind::Responder => ocsp::read(bytes, certificate, issuer, now),
            Self::List(list) if kind == Kind::List && list.is_of(certificate.issuer) => {
                list.look_up(certificate, Some(issuer), now)
            }
            Self::List(_) if kind == Kind::List => Finding::unusable(format!("the list at {url} is of another issuer")),
            Self::List(_) => Finding::unusable(format!("what {url} sent is no OCSP response")),
            Self::Bytes(_) => Finding::unusable(format!("what {url} sent is no revocation list")),
        }
    }
}
