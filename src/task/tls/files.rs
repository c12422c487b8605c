//! The files that `[task.tls]` names: anchors, revocation lists, the client's certificate and key.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use probes::fault::{Failure, Local};
use probes::net::tls::{self, Engine, Identity, KeyUri};
use probes::net::verdict::{Anchors, RevocationList};
use probes::secret::Secret;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer};

use super::Reading;
use crate::reader::{Item, Table, read_file};

fn bytes(item: &Item<'_>, path: &str, fault: Local) -> Result<Vec<u8>, Failure<Local>> {
    let unreadable = |error| Failure::new(fault, format!("the file `{path}` cannot be read: {error}"));
    read_file(&item.path(path)).map_err(unreadable)
}

fn certificates(path: &str, bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    match CertificateDer::pem_slice_iter(bytes).collect::<Result<Vec<_>, _>>() {
        Ok(certificates) if certificates.is_empty() => Err(format!("`{path}` has no certificate in PEM form")),
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(format!("`{path}` is no PEM file: {error}")),
    }
}

/// Trust anchors: the certificates of a file, or of all files of a folder.
pub(super) fn anchors(item: &Item<'_>, path: &str) -> Result<Arc<Anchors>, Failure<Local>> {
    let place = item.path(path);
    let found = if place.is_dir() {
        folder(&place).map_err(|error| format!("the folder `{path}` cannot be read: {error}"))
    } else {
        certificates(path, &bytes(item, path, Local::CaFile)?)
    };
    let anchors = Anchors::new(found.map_err(|detail| Failure::new(Local::CaFile, detail))?);
    if anchors.is_empty() {
        return Err(Failure::new(Local::CaFile, format!("`{path}` has no certificate that can be a trust anchor")));
    }
    Ok(Arc::new(anchors))
}

/// The certificates in the files of a folder; other files may lie there too.
fn folder(place: &Path) -> std::io::Result<Vec<CertificateDer<'static>>> {
    let mut files = fs::read_dir(place)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>()?;
    files.sort();
    let texts = files.iter().filter_map(|file| read_file(file).ok());
    Ok(texts
        .flat_map(|text| CertificateDer::pem_slice_iter(&text).filter_map(Result::ok).collect::<Vec<_>>())
        .collect())
}

/// Revocation lists.
pub(super) fn revocation_lists(item: &Item<'_>, path: &str) -> Result<Vec<RevocationList>, Failure<Local>> {
    let bytes = bytes(item, path, Local::CrlFile)?;
    let lists: Result<Vec<_>, _> = CertificateRevocationListDer::pem_slice_iter(&bytes).collect();
    let mut lists: Vec<_> = lists.unwrap_or_default().iter().filter_map(|der| RevocationList::decode(der)).collect();
    // As authorities publish them (RFC 5280 section 4.2.1.13).
    lists.extend(RevocationList::decode(&bytes));
    if lists.is_empty() {
        let detail = format!("`{path}` has no certificate revocation list");
        return Err(Failure::new(Local::CrlFile, detail));
    }
    Ok(lists)
}

/// The certificate of a demanded issuer.
pub(super) fn issuer(item: &Item<'_>) -> Option<CertificateDer<'static>> {
    let path = item.text()?.value;
    let read = read_file(&item.path(&path)).map_err(|error| format!("the file `{path}` cannot be read: {error}"));
    match read.and_then(|bytes| certificates(&path, &bytes)) {
        Ok(certificates) => certificates.into_iter().next(),
        Err(message) => {
            item.fail(message);
            None
        }
    }
}

/// The client's own certificate and key, in files or with the key on a token.
pub(super) fn identity<'d>(reading: &mut Reading<'d>, table: &Table<'d>, engine: Option<&Engine>) -> Option<Identity> {
    let password = table.secret("client_key_password").map(|text| Secret::new(text.value));
    let (certificate, key) = (table.take("client_cert"), table.take("client_key"));
    let (certificate, key) = match (certificate, key) {
        (Some(certificate), Some(key)) => (certificate, key),
        (Some(item), None) => {
            // One file may hold both.
            let key = item.clone();
            (item, key)
        }
        (None, Some(item)) => {
            item.fail("a client_key needs the client_cert that it belongs to");
            return None;
        }
        (None, None) => return None,
    };
    let (certificate_path, key_text) = (certificate.text()?.value, key.text()?.value);
    let chain = chain(&certificate, &certificate_path);
    if key_text.starts_with("pkcs11:") {
        let uri = key_uri(&key, &key_text, table)?;
        let chain = reading.take(&certificate, chain);
        // An engine that is named and does not start has said so already.
        let (chain, engine) = (chain?, engine?);
        let identity = engine.identity(chain, &uri, password.as_ref());
        let item = match &identity {
            Err(failure) if failure.fault == Local::EngineFails => table.take("client_key_password"),
            Err(failure) if failure.fault == Local::EngineUnfit => table.take("engine"),
            _ => None,
        };
        return reading.take(&item.unwrap_or(key), identity);
    }
    let private = bytes(&key, &key_text, Local::IdentityAbsent)
        .and_then(|bytes| tls::private_key(&bytes, password.as_ref()))
        .map_err(|failure| within(&key_text, failure));
    // Both are looked at: what is absent goes before what cannot be used.
    let (chain, private) = (reading.take(&certificate, chain), reading.take(&key, private));
    let identity = tls::identity(chain?, private?).map_err(|failure| within(&key_text, failure));
    reading.take(&key, identity)
}

fn chain(item: &Item<'_>, path: &str) -> Result<Vec<CertificateDer<'static>>, Failure<Local>> {
    let bytes = bytes(item, path, Local::IdentityAbsent)?;
    certificates(path, &bytes).map_err(|detail| Failure::new(Local::IdentityUnusable, detail))
}

fn within(path: &str, failure: Failure<Local>) -> Failure<Local> {
    match failure.fault {
        Local::IdentityUnusable => Failure { detail: format!("`{path}`: {}", failure.detail), ..failure },
        _ => failure,
    }
}

fn key_uri(key: &Item<'_>, text: &str, table: &Table<'_>) -> Option<KeyUri> {
    if let Some(pin) = KeyUri::stray_pin(text) {
        key.document().hide(pin);
        key.fail_with_help("a PIN does not stand in client_key", "write it to client_key_password");
        return None;
    }
    let on_token = table.text("engine").is_some_and(|engine| engine.value.starts_with("pkcs11:"));
    if !on_token {
        key.fail_with_help("a key on a token needs its PKCS#11 module", "write engine = \"pkcs11:/path/module.so\"");
        return None;
    }
    key.parsed(KeyUri::parse)
}
