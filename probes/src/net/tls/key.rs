//! The client's own identity: a chain and the key to it, in a file, encrypted or not (RFC 5208, RFC 8018), or on a token.

use std::sync::Arc;

use pkcs8::{EncryptedPrivateKeyInfoRef, SecretDocument};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;

use super::provider;
use crate::fault::{Failure, Local};
use crate::secret::Secret;

/// A client certificate with its key, ready to be presented.
#[derive(Clone, Debug)]
pub struct Identity {
    pub(super) certified: Arc<CertifiedKey>,
    /// Whether signing waits for a device, so that no thread of the runtime may do it.
    pub(super) slow: bool,
}

/// Makes an identity of a PEM chain and key, and checks that they belong together.
pub fn identity(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Result<Identity, Failure<Local>> {
    match CertifiedKey::from_der(chain, key, &provider()) {
        Ok(certified) => Ok(Identity { certified: Arc::new(certified), slow: false }),
        Err(rustls::Error::InconsistentKeys(_)) => Err(unusable("the key is not the one that the certificate is for")),
        Err(error) => Err(unusable(format!("the key cannot be used: {error}"))),
    }
}

pub(super) fn unusable(detail: impl Into<String>) -> Failure<Local> {
    Failure::new(Local::IdentityUnusable, detail)
}

const ENCRYPTED_BEGIN: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----";
const ENCRYPTED_END: &str = "-----END ENCRYPTED PRIVATE KEY-----";

/// The private key of a PEM file; with a password where it is encrypted.
pub fn private_key(pem: &[u8], password: Option<&Secret>) -> Result<PrivateKeyDer<'static>, Failure<Local>> {
    let text = String::from_utf8_lossy(pem);
    if let Some(begin) = text.find(ENCRYPTED_BEGIN) {
        let length = text[begin..].find(ENCRYPTED_END).map(|end| end + ENCRYPTED_END.len());
        let block = length.map(|length| &text[begin..begin + length]);
        let password = password.ok_or_else(|| unusable("the key is encrypted, and there is no client_key_password"))?;
        return decrypt(block.unwrap_or_default(), password);
    }
    // OpenSSL's own way of encryption, from before PKCS #8: one round of MD5 stands between the password and the key.
    if text.contains("Proc-Type: 4,ENCRYPTED") {
        return Err(unusable("the key is encrypted in the traditional way; convert it with `openssl pkcs8 -topk8`"));
    }
    PrivateKeyDer::from_pem_slice(pem)
        .map_err(|error| unusable(format!("there is no private key in PEM form: {error}")))
}

fn decrypt(block: &str, password: &Secret) -> Result<PrivateKeyDer<'static>, Failure<Local>> {
    let garbled = || unusable("the encrypted key cannot be decoded");
    let (_, encrypted) = SecretDocument::from_pem(block).map_err(|_| garbled())?;
    let encrypted = EncryptedPrivateKeyInfoRef::try_from(encrypted.as_bytes()).map_err(|_| garbled())?;
    let key = encrypted.decrypt(password.expose());
    let key = key.map_err(|_| unusable("client_key_password does not open the key, or its encryption is not known"))?;
    Ok(PrivatePkcs8KeyDer::from(key.as_bytes().to_vec()).into())
}
