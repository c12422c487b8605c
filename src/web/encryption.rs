//! HTTPS, with a certificate that may be another one after a reload.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio_rustls::TlsAcceptor;

use crate::settings::daemon::Web;

/// Whether certificate and key of the settings can be used, before anything is changed.
pub fn check(web: &Web) -> Result<(), String> {
    web.tls.as_ref().map_or(Ok(()), |(certificate, key)| read(certificate, key).map(drop))
}

/// The certificate that is shown at the moment.
#[derive(Debug)]
pub(super) struct Shown(RwLock<Arc<CertifiedKey>>);

impl Shown {
    /// What the settings name; none where they name nothing.
    pub(super) fn read(web: &Web) -> Result<Option<Arc<Self>>, String> {
        let Some((certificate, key)) = &web.tls else { return Ok(None) };
        Ok(Some(Arc::new(Self(RwLock::new(read(certificate, key)?)))))
    }

    /// Shows what the files hold now.
    pub(super) fn renew(&self, web: &Web) -> Result<(), String> {
        if let Some((certificate, key)) = &web.tls {
            *self.0.write().unwrap_or_else(PoisonError::into_inner) = read(certificate, key)?;
        }
        Ok(())
    }

    /// Takes connections with it.
    pub(super) fn acceptor(self: &Arc<Self>) -> Result<TlsAcceptor, String> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let versions = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder = versions.map_err(|error| format!("[web]: the TLS library cannot be set up: {error}"))?;
        let mut config = builder.with_no_client_auth().with_cert_resolver(Arc::<Self>::clone(self));
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.read().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

fn read(certificate: &Path, key: &Path) -> Result<Arc<CertifiedKey>, String> {
    let open = |name: &str, path: &Path| {
        let wrong = |error| format!("[web] {name} = \"{}\" cannot be read: {error}", path.display());
        File::open(path).map(BufReader::new).map_err(wrong)
    };
    let unusable = |name: &str, path: &Path, error: &dyn std::fmt::Display| {
        format!("[web] {name} = \"{}\" cannot be used: {error}", path.display())
    };
    let chain = CertificateDer::pem_reader_iter(open("tls_cert", certificate)?).collect::<Result<Vec<_>, _>>();
    let chain = chain.map_err(|error| unusable("tls_cert", certificate, &error))?;
    if chain.is_empty() {
        return Err(unusable("tls_cert", certificate, &"there is no certificate in it"));
    }
    let private = PrivateKeyDer::from_pem_reader(open("tls_key", key)?).map_err(|error| match error {
        pem::Error::NoItemsFound => unusable("tls_key", key, &"there is no private key in it"),
        other => unusable("tls_key", key, &other),
    })?;
    let shown = CertifiedKey::from_der(chain, private, &aws_lc_rs::default_provider());
    shown.map(Arc::new).map_err(|error| unusable("tls_key", key, &error))
}
