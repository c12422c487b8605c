//! The trusted certificates, found by their subject.

use std::collections::HashMap;
use std::fmt;

use rustls::pki_types::{CertificateDer, TrustAnchor};

use super::certificate::{Certificate, contents};

/// Trust anchors with a look-up by subject.
///
/// Made once from the system's store or the task's file and shared in an `Arc`: a root is read in full only when a
/// chain leads to its name.
#[derive(Default)]
pub struct Anchors {
    list: Vec<(CertificateDer<'static>, TrustAnchor<'static>)>,
    by_subject: HashMap<Vec<u8>, Vec<usize>>,
}

impl Anchors {
    /// Takes over every certificate that can be decoded, in the order given.
    pub fn new(certificates: impl IntoIterator<Item = CertificateDer<'static>>) -> Self {
        let mut anchors = Self::default();
        for der in certificates {
            let Ok(anchor) = webpki::anchor_from_trusted_cert(&der).map(|anchor| anchor.to_owned()) else {
                continue;
            };
            anchors.by_subject.entry(anchor.subject.to_vec()).or_default().push(anchors.list.len());
            anchors.list.push((der, anchor));
        }
        anchors
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether nothing is trusted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Whether this very certificate is one of them.
    pub(super) fn contain(&self, certificate: &Certificate<'_>) -> bool {
        self.named(certificate.subject).any(|(der, _)| der.as_ref() == certificate.der)
    }

    /// Those that may have issued the certificate, going by name and key id.
    pub(super) fn issuers_of<'a>(
        &'a self,
        certificate: &Certificate<'_>,
    ) -> impl Iterator<Item = (Certificate<'a>, &'a TrustAnchor<'static>)> {
        self.named(certificate.issuer)
            .filter_map(|(der, anchor)| Some((Certificate::decode(der)?, anchor)))
            .filter(|(issuer, _)| certificate.may_be_issued_by(issuer))
    }

    fn named(&self, subject: &[u8]) -> impl Iterator<Item = &(CertificateDer<'static>, TrustAnchor<'static>)> {
        // An anchor's subject goes without the header of its SEQUENCE.
        let found = contents(subject).and_then(|subject| self.by_subject.get(subject));
        found.into_iter().flatten().map(|&index| &self.list[index])
    }
}

impl fmt::Debug for Anchors {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Anchors({})", self.len())
    }
}
