//! TLS on top of a peer: which certificate, versions, suites and application protocols it offers.

use std::fmt;
use std::fmt::Write as _;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls::{RootCertStore, ServerConfig};
use serde::Deserialize;
use tokio_rustls::TlsAcceptor;

use super::certificates::authority;
use super::status::{self, Ocsp, Sources};

/// The `tls` table of a peer.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// The recipe of the certificate.
    #[serde(default = "good")]
    pub certificate: String,
    /// What the leaf names, made for the case: `{ ocsp = [URL], crls = [URL], must_staple }`.
    #[serde(default)]
    names: Option<Sources>,
    /// What an intermediate above that leaf names.
    #[serde(default)]
    above: Option<Sources>,
    /// The OCSP response that is stapled.
    staple: Option<Ocsp>,
    /// A stapled text that is no OCSP response.
    staple_text: Option<String>,
    /// The versions spoken: `1.2`, `1.3`.
    #[serde(default)]
    versions: Vec<String>,
    /// The application protocols on offer, the favourite first; none: ALPN is not spoken.
    #[serde(default)]
    alpn: Vec<String>,
    /// The cipher suites by IANA name; none: all of the library's.
    #[serde(default)]
    ciphers: Vec<String>,
    /// The key exchange groups, as in `["secp384r1"]`; none: all of the library's.
    #[serde(default)]
    groups: Vec<String>,
    /// Whether a client certificate of the lab's root is asked for.
    #[serde(default)]
    client: Client,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Client {
    #[default]
    Anonymous,
    Optional,
    Required,
}

fn good() -> String {
    "good".to_owned()
}

impl Tls {
    /// The handshake this table describes.
    pub fn acceptor(&self) -> Result<TlsAcceptor, String> {
        let mut provider = aws_lc_rs::default_provider();
        if !self.ciphers.is_empty() {
            let named = |suite: &rustls::SupportedCipherSuite| {
                let name = format!("{:?}", suite.suite()).replace("TLS13_", "TLS_");
                self.ciphers.contains(&name)
            };
            provider.cipher_suites.retain(named);
        }
        if !self.groups.is_empty() {
            provider.kx_groups.retain(|group| self.groups.contains(&format!("{:?}", group.name())));
        }
        let provider = Arc::new(provider);
        let spoken = |version: &str| self.versions.is_empty() || self.versions.iter().any(|name| name == version);
        let versions: Vec<_> =
            [("1.2", &TLS12), ("1.3", &TLS13)].into_iter().filter(|(name, _)| spoken(name)).map(|(_, v)| v).collect();
        let words = |error: &dyn fmt::Display| format!("tls: {error}");

        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&versions)
            .map_err(|error| words(&error))?;
        let builder = match self.client {
            Client::Anonymous => builder.with_no_client_auth(),
            Client::Optional | Client::Required => {
                let mut roots = RootCertStore::empty();
                roots.add(authority().root().clone()).map_err(|error| words(&error))?;
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                let verifier = match self.client {
                    Client::Optional => verifier.allow_unauthenticated(),
                    Client::Anonymous | Client::Required => verifier,
                };
                builder.with_client_cert_verifier(verifier.build().map_err(|error| words(&error))?)
            }
        };
        let made;
        let identity = if self.names.is_some() || self.above.is_some() {
            made = status::identity(
                &self.certificate,
                self.names.as_ref().unwrap_or(&Sources::default()),
                self.above.as_ref(),
            )?;
            &made
        } else {
            authority().identity(&self.certificate)?
        };
        let key = any_supported_type(&identity.key).map_err(|error| words(&error))?;
        // Not `with_single_cert`: that would refuse a key that does not fit, and some are not to.
        let mut certified = CertifiedKey::new(identity.chain.clone(), key);
        certified.ocsp = match (&self.staple, &self.staple_text) {
            (Some(response), _) => Some(response.encode()?),
            (None, text) => text.as_ref().map(|text| text.clone().into_bytes()),
        };
        let mut config = builder.with_cert_resolver(Arc::new(Always(Arc::new(certified))));
        config.alpn_protocols = self.alpn.iter().map(|name| name.clone().into_bytes()).collect();
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

/// Presents one identity to everybody.
#[derive(Debug)]
struct Always(Arc<CertifiedKey>);

impl ResolvesServerCert for Always {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

/// SHA-256 of bytes.
pub fn sha256(bytes: &[u8]) -> Vec<u8> {
    let suite = aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256;
    suite.tls13().map(|suite| suite.common.hash_provider.hash(bytes).as_ref().to_vec()).unwrap_or_default()
}

/// Lower-case hex pairs.
pub fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
