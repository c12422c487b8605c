//! TLS: the handshake with a verifier that finds every fault of the certificates, and the names of what goes wrong.
//!
//! The order of looking, where several things are wrong at once: the certificate verdict ([`super::verdict`]), a
//! client certificate demanded, one refused, nothing in common, no TLS at all, then the rest. The verifier *fails*
//! a handshake with a bad certificate, so that neither a client certificate nor a request reaches an unproven
//! server. RFC 5246 and RFC 8446 number the alerts.

mod alert;
mod flight;
mod handshake;
mod inquiry;
mod key;
mod token;
mod verifier;

use std::sync::{Arc, OnceLock};

use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, SupportedProtocolVersion};

use crate::fault::{Failure, Local};
use crate::net::Host;
use crate::net::verdict::{Anchors, Demands, RevocationList};
pub(crate) use alert::ClientCertificate;
pub(crate) use flight::Flight;
pub(crate) use handshake::Session;
pub use key::{Identity, identity, private_key};
pub use token::{Engine, KeyUri};
use verifier::Unset;

/// What a task demands of TLS; everything is read and parsed already.
#[derive(Debug)]
pub struct Settings {
    /// Trust anchors instead of the system's.
    pub anchors: Option<Arc<Anchors>>,
    /// The client's own certificate chain and key.
    pub identity: Option<Identity>,
    /// The name to ask for and to find in the certificate, instead of the host.
    pub server_name: Option<ServerName<'static>>,
    /// The oldest version to offer.
    pub min_version: Version,
    /// The newest version to offer.
    pub max_version: Version,
    /// The cipher suites to offer, by IANA or OpenSSL name; all if empty. Unknown ones are ignored while one remains.
    pub ciphers: Vec<String>,
    /// Whether the certificates must be good; fingerprint, pins and revocation lists hold in any case.
    pub verify: bool,
    /// SHA-256 of the leaf certificate.
    pub cert_sha256: Option<[u8; 32]>,
    /// SHA-256 of public keys, one of which must be the leaf's.
    pub pins: Vec<[u8; 32]>,
    /// The certificate that must have issued the leaf.
    pub issuer: Option<CertificateDer<'static>>,
    /// Revocation lists.
    pub crls: Vec<RevocationList>,
    /// Whether it must be known that no certificate is revoked.
    pub revocation: Revocation,
    /// Whether the server must staple a good OCSP response.
    pub verify_status: bool,
    /// Whether the server must end TLS with `close_notify`.
    pub strict_shutdown: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            anchors: None,
            identity: None,
            server_name: None,
            min_version: Version::Tls12,
            max_version: Version::Tls13,
            ciphers: Vec::new(),
            verify: true,
            cert_sha256: None,
            pins: Vec::new(),
            issuer: None,
            crls: Vec::new(),
            revocation: Revocation::Off,
            verify_status: false,
            strict_shutdown: false,
        }
    }
}

/// How much must be known about the revocation of certificates.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Revocation {
    /// Nothing, but for what lists of the task and a staple say.
    #[default]
    Off,
    /// That no certificate below the root is revoked; sources that certificates name are asked.
    Require,
}

/// A version of TLS that the agent speaks.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Version {
    /// RFC 5246.
    Tls12,
    /// RFC 8446.
    Tls13,
}

/// Why TLS cannot be set up as a task wants it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SetupError {
    /// None of the named cipher suites is one that the agent speaks in the versions offered.
    NoCipher,
    /// The oldest version is newer than the newest one.
    NoVersion,
    /// The library itself has nothing to offer in these versions.
    Library,
}

/// The name of the engine that signs, verifies and encrypts.
pub const ENGINE: &str = "aws-lc-rs";
/// The name of the same engine in a build whose module is validated by FIPS 140.
const FIPS_ENGINE: &str = "aws-lc-fips";

/// Whether this build has an engine of this name.
#[must_use]
pub fn is_engine(name: &str) -> bool {
    name == ENGINE || name == FIPS_ENGINE && is_fips()
}

/// Whether the engine of this build is validated by FIPS 140.
#[must_use]
pub fn is_fips() -> bool {
    provider().fips()
}

/// A TLS client made ready for any number of runs.
#[derive(Debug)]
pub struct Client {
    template: ClientConfig,
    settings: Settings,
}

impl Client {
    /// Puts versions, suites and identity together.
    pub fn new(settings: Settings) -> Result<Self, SetupError> {
        let versions: Vec<&'static SupportedProtocolVersion> =
            [(Version::Tls13, &rustls::version::TLS13), (Version::Tls12, &rustls::version::TLS12)]
                .into_iter()
                .filter(|(version, _)| (settings.min_version..=settings.max_version).contains(version))
                .map(|(_, version)| version)
                .collect();
        if versions.is_empty() {
            return Err(SetupError::NoVersion);
        }
        let provider = provider_with(&settings.ciphers);
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&versions)
            .map_err(|_| if settings.ciphers.is_empty() { SetupError::Library } else { SetupError::NoCipher })?;
        let mut template = builder.dangerous().with_custom_certificate_verifier(Arc::new(Unset)).with_no_client_auth();
        // Every probe makes a full handshake: that is what is measured.
        template.resumption = Resumption::disabled();
        Ok(Self { template, settings })
    }

    /// A client without demands, that trusts these anchors.
    pub(crate) fn plain(anchors: Arc<Anchors>) -> Self {
        Self { settings: Settings { anchors: Some(anchors), ..Settings::default() }, ..Self::default() }
    }

    /// Whether the host gives what the task leaves to it: a certificate authority to trust.
    pub fn find_anchors(&self, host: &Host) -> Result<(), Failure<Local>> {
        if !self.settings.verify || self.settings.anchors.is_some() || !host.roots().is_empty() {
            return Ok(());
        }
        let detail = "this host trusts no certificate authority, and the task names none (ca_file)";
        Err(Failure::new(Local::NoAnchors, detail))
    }

    fn demands(&self, name: ServerName<'static>) -> Demands {
        let settings = &self.settings;
        Demands {
            name,
            verify: settings.verify,
            cert_sha256: settings.cert_sha256,
            pins: settings.pins.clone(),
            issuer: settings.issuer.clone(),
            crls: settings.crls.clone(),
            revocation: settings.revocation == Revocation::Require,
            staple: settings.verify_status,
        }
    }
}

impl Default for Client {
    /// A client without demands, that trusts whom the host trusts.
    fn default() -> Self {
        Self::new(Settings::default()).unwrap_or_else(|error| unreachable!("the library speaks TLS: {error:?}"))
    }
}

fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    let make = || {
        let mut provider = rustls::crypto::aws_lc_rs::default_provider();
        // As browsers do: AES-128 with SHA-256 first, which processors have instructions for; SHA-384 costs a tenth
        // of a handshake more. The sort keeps the order otherwise.
        provider.cipher_suites.sort_by_key(|suite| !suite_name(suite.suite()).contains("AES_128"));
        Arc::new(provider)
    };
    PROVIDER.get_or_init(make).clone()
}

fn provider_with(ciphers: &[String]) -> Arc<CryptoProvider> {
    if ciphers.is_empty() {
        return provider();
    }
    let mut own = (*provider()).clone();
    let wanted = |name: &str| ciphers.iter().any(|cipher| openssl_to_iana(cipher).eq_ignore_ascii_case(name));
    own.cipher_suites.retain(|suite| wanted(&suite_name(suite.suite())));
    Arc::new(own)
}

/// The IANA name of a suite; rustls writes `TLS13_` where IANA writes `TLS_`.
fn suite_name(suite: rustls::CipherSuite) -> String {
    suite.as_str().map_or_else(|| format!("{suite:?}"), |name| name.replacen("TLS13_", "TLS_", 1))
}

/// OpenSSL's names of the TLS 1.2 suites that rustls speaks; in TLS 1.3 both use IANA's.
fn openssl_to_iana(name: &str) -> &str {
    match name {
        "ECDHE-ECDSA-AES128-GCM-SHA256" => "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        "ECDHE-ECDSA-AES256-GCM-SHA384" => "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
        "ECDHE-ECDSA-CHACHA20-POLY1305" => "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
        "ECDHE-RSA-AES128-GCM-SHA256" => "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        "ECDHE-RSA-AES256-GCM-SHA384" => "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
        "ECDHE-RSA-CHACHA20-POLY1305" => "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anchors_are_missed_where_neither_host_nor_task_has_any() {
        let bare = Host::default();
        bare.roots.set(Arc::new(Anchors::new([]))).expect("nobody has asked the system");
        let with = |settings: Settings| Client::new(settings).expect("it can be set up").find_anchors(&bare);
        let missed = with(Settings::default()).map_err(|failure| failure.fault);
        assert_eq!(missed, Err(Local::NoAnchors));
        assert!(with(Settings { verify: false, ..Settings::default() }).is_ok());
        assert!(with(Settings { anchors: Some(Arc::default()), ..Settings::default() }).is_ok());
    }

    #[test]
    fn suites_are_taken_by_either_name_and_unknown_ones_ignored() {
        let with = |names: &[&str]| {
            let ciphers = names.iter().map(ToString::to_string).collect();
            Client::new(Settings { ciphers, ..Settings::default() }).map(|_| ())
        };
        assert_eq!(with(&["TLS_AES_128_GCM_SHA256"]), Ok(()));
        assert_eq!(with(&["ECDHE-RSA-AES128-GCM-SHA256", "RC4-MD5"]), Ok(()));
        assert_eq!(with(&["RC4-MD5"]), Err(SetupError::NoCipher));
    }
}
