//! Finds the chain of certificates that is to be judged, among whatever a server sends.
//!
//! Servers send certificates in any order, superfluous ones, several of one name, cross-signed and circular ones. The
//! search goes breadth first, so that a short path is found however much rubbish lies beside it, and it is bounded in
//! depth, in the visits to each certificate and in signature checks.

use std::collections::VecDeque;

use rustls::pki_types::TrustAnchor;

use super::anchors::Anchors;
use super::certificate::Certificate;
use super::links::Signatures;
use super::{Problem, structure};

/// Certificates of a path, the anchor's included: what webpki accepts.
const MAX_DEPTH: usize = 8;

/// Partial paths that go on to one and the same certificate.
const MAX_VISITS: u8 = 8;

/// Complete paths whose structure is checked.
const MAX_CHECKED: usize = 8;

/// What the certificates of a path lead to.
#[derive(Clone, Copy, Debug)]
pub(super) enum End<'a> {
    /// A trusted certificate issued the last one.
    Anchor(Certificate<'a>, &'a TrustAnchor<'static>),
    /// The leaf is itself a trusted certificate.
    Leaf,
    /// The last certificate issued itself and is not trusted.
    SelfSigned,
    /// The issuer of the last certificate is neither presented nor trusted.
    Missing,
}

/// A chain from the leaf as far up as it goes.
#[derive(Clone, Debug)]
pub(super) struct Path<'a> {
    /// The presented certificates of the path, the leaf first.
    pub(super) certificates: Vec<Certificate<'a>>,
    /// What they lead to.
    pub(super) end: End<'a>,
}

impl<'a> Path<'a> {
    /// The presented certificates, then the anchor's.
    pub(super) fn all(&self) -> impl Iterator<Item = &Certificate<'a>> {
        let anchor = match &self.end {
            End::Anchor(anchor, _) => Some(anchor),
            End::Leaf | End::SelfSigned | End::Missing => None,
        };
        self.certificates.iter().chain(anchor)
    }

    /// The last presented certificate.
    pub(super) fn last(&self) -> &Certificate<'a> {
        &self.certificates[self.certificates.len() - 1]
    }

    /// Whether it leads to a trusted certificate.
    pub(super) fn is_trusted(&self) -> bool {
        matches!(self.end, End::Anchor(..) | End::Leaf)
    }
}

/// The path that is judged, and what is wrong with its structure.
#[derive(Debug)]
pub(super) struct Choice<'a> {
    pub(super) path: Path<'a>,
    pub(super) structure: Vec<Problem>,
}

/// Chooses the path that verifies; if none does, the one with the least wrong, and of equals the first found.
///
/// A path that leads to a trusted certificate goes before all that do not.
pub(super) fn choose<'a>(
    leaf: Certificate<'a>,
    others: &[Certificate<'a>],
    anchors: &'a Anchors,
    now: i64,
) -> Choice<'a> {
    if anchors.contain(&leaf) {
        return check(Path { certificates: vec![leaf], end: End::Leaf });
    }
    let mut search = Search::new(leaf, others, anchors);
    if let Some(choice) = best(std::iter::from_fn(|| search.next_trusted()), now) {
        return choice;
    }
    let fallback = Path { certificates: vec![leaf], end: End::Missing };
    best(search.into_untrusted(), now).unwrap_or_else(|| check(fallback))
}

fn check(path: Path<'_>) -> Choice<'_> {
    let structure = structure::check(&path);
    Choice { path, structure }
}

fn best<'a>(paths: impl Iterator<Item = Path<'a>>, now: i64) -> Option<Choice<'a>> {
    let mut best: Option<(_, Choice<'a>)> = None;
    let mut signatures = Signatures::new();
    let mut checked = 0;
    for path in paths {
        // Of issuers of one name, the one whose key fits is meant: a glance at one link saves a look at the path.
        let plausible =
            best.is_none() || path.all().nth(1).is_none_or(|issuer| signatures.hold(&path.certificates[0], issuer));
        if !plausible {
            continue;
        }
        let outdated = path.all().any(|certificate| now < certificate.not_before || now > certificate.not_after);
        let choice = check(path);
        let rank = (!choice.structure.is_empty(), outdated);
        if rank == (false, false) {
            return Some(choice);
        }
        if best.as_ref().is_none_or(|(least, _)| rank < *least) {
            best = Some((rank, choice));
        }
        checked += 1;
        if checked == MAX_CHECKED {
            break;
        }
    }
    best.map(|(_, choice)| choice)
}

/// A breadth-first search from the leaf upwards.
struct Search<'a, 's> {
    others: &'s [Certificate<'a>],
    anchors: &'a Anchors,
    /// Partial paths whose last certificate's issuer is still to be looked for.
    queue: VecDeque<Vec<Certificate<'a>>>,
    /// How often each of the others was put on a partial path.
    visits: Vec<u8>,
    trusted: VecDeque<Path<'a>>,
    untrusted: Vec<Path<'a>>,
    signatures: Signatures,
}

impl<'a, 's> Search<'a, 's> {
    fn new(leaf: Certificate<'a>, others: &'s [Certificate<'a>], anchors: &'a Anchors) -> Self {
        let queue = VecDeque::from([vec![leaf]]);
        let signatures = Signatures::new();
        Self {
            others,
            anchors,
            queue,
            visits: vec![0; others.len()],
            trusted: VecDeque::new(),
            untrusted: Vec::new(),
            signatures,
        }
    }

    /// The next path to a trusted certificate, shorter ones first.
    fn next_trusted(&mut self) -> Option<Path<'a>> {
        while self.trusted.is_empty() {
            let certificates = self.queue.pop_front()?;
            self.extend(certificates);
        }
        self.trusted.pop_front()
    }

    /// The paths that lead nowhere: those with a self-signed end first, then the longest.
    fn into_untrusted(self) -> impl Iterator<Item = Path<'a>> {
        let mut paths = self.untrusted;
        paths.sort_by_key(|path| (!matches!(path.end, End::SelfSigned), usize::MAX - path.certificates.len()));
        paths.into_iter()
    }

    fn extend(&mut self, certificates: Vec<Certificate<'a>>) {
        let head = certificates[certificates.len() - 1];
        // What its own key has signed was not issued by a namesake.
        if head.is_self_issued() && self.signatures.hold(&head, &head) {
            return self.untrusted.push(Path { certificates, end: End::SelfSigned });
        }
        let trusted = self.trusted.len();
        for (anchor, key) in self.anchors.issuers_of(&head).filter(|(anchor, _)| is_new(anchor, &certificates)) {
            self.trusted.push_back(Path { certificates: certificates.clone(), end: End::Anchor(anchor, key) });
        }
        let longer = self.extend_by_presented(&certificates, &head);
        if !longer && self.trusted.len() == trusted {
            let end = if head.is_self_issued() { End::SelfSigned } else { End::Missing };
            self.untrusted.push(Path { certificates, end });
        }
    }

    fn extend_by_presented(&mut self, certificates: &[Certificate<'a>], head: &Certificate<'a>) -> bool {
        if certificates.len() + 1 == MAX_DEPTH {
            return false;
        }
        let mut longer = false;
        for (issuer, visits) in self.others.iter().zip(&mut self.visits) {
            // Where a trusted certificate is presented, the path to it as an anchor is the shorter one.
            let leads_on =
                head.may_be_issued_by(issuer) && is_new(issuer, certificates) && !self.anchors.contain(issuer);
            if leads_on && *visits < MAX_VISITS {
                *visits += 1;
                longer = true;
                self.queue.push_back([certificates, &[*issuer]].concat());
            }
        }
        longer
    }
}

/// Whether name and key are not on the path yet; otherwise cross-signed CAs would lead in circles.
fn is_new(certificate: &Certificate<'_>, path: &[Certificate<'_>]) -> bool {
    !path.iter().any(|earlier| earlier.is_twin_of(certificate))
}
