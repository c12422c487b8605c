//! The few facts of a certificate that paths, dates and names are judged by.

use rustls::pki_types::CertificateDer;
use x509_parser::asn1_rs::{Any, FromDer, oid};
use x509_parser::certificate::{X509Certificate, X509CertificateParser};
use x509_parser::error::X509Error;
use x509_parser::extensions::{AuthorityKeyIdentifier, SubjectAlternativeName, X509Extension};
use x509_parser::nom::Parser;
use x509_parser::oid_registry::{
    OID_X509_EXT_AUTHORITY_KEY_IDENTIFIER, OID_X509_EXT_SUBJECT_ALT_NAME, OID_X509_EXT_SUBJECT_KEY_IDENTIFIER, Oid,
};
use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

use super::der::single;
use super::describe;

/// A decoded certificate: what every handshake needs; the rest is read from `der` when a fault is to be explained.
#[derive(Clone, Copy, Debug)]
pub(super) struct Certificate<'a> {
    pub(super) der: &'a [u8],
    /// The subject, as DER.
    pub(super) subject: &'a [u8],
    /// The issuer, as DER.
    pub(super) issuer: &'a [u8],
    /// The `SubjectPublicKeyInfo`, as DER.
    pub(super) key: &'a [u8],
    /// Start of the validity in Unix seconds.
    pub(super) not_before: i64,
    /// End of the validity in Unix seconds.
    pub(super) not_after: i64,
    /// What the TLS feature extension says (RFC 7633).
    pub(super) features: Option<&'a [u8]>,
    subject_key_id: Option<&'a [u8]>,
    authority_key_id: Option<&'a [u8]>,
}

impl<'a> Certificate<'a> {
    /// Decodes a certificate; `None` for anything else, and for one with bytes behind it.
    pub(super) fn decode(der: &'a CertificateDer<'_>) -> Option<Self> {
        let der = der.as_ref();
        let x509 = parse(der)?;
        let value = |oid: &Oid<'_>| Some(extension(&x509, oid)?.value);
        let authority = value(&OID_X509_EXT_AUTHORITY_KEY_IDENTIFIER).and_then(read::<AuthorityKeyIdentifier<'a>>);
        Some(Self {
            der,
            subject: x509.tbs_certificate.subject.as_raw(),
            issuer: x509.tbs_certificate.issuer.as_raw(),
            key: x509.tbs_certificate.subject_pki.raw,
            not_before: x509.validity.not_before.timestamp(),
            not_after: x509.validity.not_after.timestamp(),
            features: value(&oid!(1.3.6.1.5.5.7.1.24)),
            subject_key_id: value(&OID_X509_EXT_SUBJECT_KEY_IDENTIFIER).and_then(contents),
            authority_key_id: authority.and_then(|authority| authority.key_identifier).map(|id| id.0),
        })
    }

    /// Whether names and, where both have them, key ids fit; signatures are another matter.
    pub(super) fn may_be_issued_by(&self, issuer: &Certificate<'_>) -> bool {
        self.issuer == issuer.subject
            && match (self.authority_key_id, issuer.subject_key_id) {
                (Some(wanted), Some(found)) => wanted == found,
                _ => true,
            }
    }

    /// Whether the certificate names itself as its issuer.
    pub(super) fn is_self_issued(&self) -> bool {
        self.may_be_issued_by(self)
    }

    /// Whether both are of one name and key, as the twins of a cross-signed CA are.
    pub(super) fn is_twin_of(&self, other: &Certificate<'_>) -> bool {
        self.subject == other.subject && self.key == other.key
    }

    /// The size of the key if it is an RSA key.
    pub(super) fn rsa_bits(&self) -> Option<usize> {
        match read::<SubjectPublicKeyInfo<'_>>(self.key)?.parsed() {
            Ok(PublicKey::RSA(key)) => Some(key.key_size()),
            _ => None,
        }
    }

    /// The serial number as it stands in the DER.
    pub(super) fn serial_contents(&self) -> Option<&'a [u8]> {
        Some(parse(self.der)?.tbs_certificate.raw_serial())
    }

    /// The bits of the public key, without the algorithm.
    pub(super) fn key_bits(&self) -> Option<&'a [u8]> {
        single(self.key)?.inside().nth(1)?.bits()
    }

    /// The contents of an extension.
    pub(super) fn extension(&self, oid: &Oid<'_>) -> Option<&'a [u8]> {
        Some(extension(&parse(self.der)?, oid)?.value)
    }

    /// The decoded contents of an extension.
    pub(super) fn read<T: FromDer<'a, X509Error>>(&self, oid: &Oid<'_>) -> Option<T> {
        self.extension(oid).and_then(read)
    }

    /// What to call the certificate in a sentence.
    pub(super) fn label(&self) -> String {
        let subject = describe::name(self.subject);
        if !subject.is_empty() {
            return format!("certificate \"{subject}\"");
        }
        // Certificates of web servers go without a subject more and more.
        let names = self.read::<SubjectAlternativeName<'_>>(&OID_X509_EXT_SUBJECT_ALT_NAME);
        let first = names.iter().flat_map(|names| &names.general_names).find_map(describe::host);
        first.map_or_else(|| "certificate without a name".to_owned(), |name| format!("certificate for {name}"))
    }
}

/// What lies inside a DER value, without its tag and length.
pub(super) fn contents(der: &[u8]) -> Option<&[u8]> {
    Any::from_der(der).ok().map(|(_, value)| value.data)
}

/// Decodes a value that leaves nothing behind it.
fn read<'a, T: FromDer<'a, X509Error>>(der: &'a [u8]) -> Option<T> {
    T::from_der(der).ok().filter(|(rest, _)| rest.is_empty()).map(|(_, value)| value)
}

fn parse(der: &[u8]) -> Option<X509Certificate<'_>> {
    // Only the extensions asked for are decoded; a certificate has a dozen, and thousands of names if it likes.
    let (rest, x509) = X509CertificateParser::new().with_deep_parse_extensions(false).parse(der).ok()?;
    rest.is_empty().then_some(x509)
}

fn extension<'x, 'a>(x509: &'x X509Certificate<'a>, oid: &Oid<'_>) -> Option<&'x X509Extension<'a>> {
    x509.extensions().iter().find(|extension| extension.oid == *oid)
}
