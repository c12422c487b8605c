//! The table `[task.tls]`: files are read and keys are tried here, so that a run finds everything ready.

use std::fs;
use std::sync::Arc;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use probes::net::tls::{self, Client, Settings, SetupError, Version};
use probes::net::verdict::{Anchors, RevocationList};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, ServerName};
use rustls::sign::CertifiedKey;

use crate::reader::{Item, Table};

/// What a task's TLS came to.
pub(super) struct Tls {
    /// For the probes of the task.
    pub(super) client: Arc<Client>,
    /// The trust anchors that the task names.
    pub(super) trust: Option<Arc<Anchors>>,
}

/// Reads the table, or makes the defaults of none; of one with mistakes too, so that those of other tables are found.
pub(super) fn read(table: Option<&Table<'_>>) -> Option<Tls> {
    let settings = table.map(read_settings).unwrap_or_default();
    let trust = settings.anchors.clone();
    match Client::new(settings) {
        Ok(client) => Some(Tls { client: Arc::new(client), trust }),
        Err(error) => {
            let table = table?;
            match error {
                SetupError::NoVersion => table.fail_at("min_version", "min_version is newer than max_version"),
                SetupError::NoCipher => {
                    table.fail_at("ciphers", "none of `ciphers` is a suite that can be used with these versions");
                }
            }
            read(None)
        }
    }
}

fn read_settings(table: &Table<'_>) -> Settings {
    refuse_what_is_not_there(table);
    let defaults = Settings::default();
    let password = table.take("client_key_password");
    if let Some(item) = password {
        if let Some(text) = item.text() {
            item.document().hide(&text.value);
        }
        item.fail("encrypted client keys cannot be used by this version of the agent");
    }
    Settings {
        anchors: table.take("ca_file").and_then(|item| anchors(&item)),
        identity: identity(table),
        server_name: table.parsed("server_name", |text| {
            ServerName::try_from(text.to_owned())
                .map_err(|_| format!("`{text}` is no name that a certificate can have"))
        }),
        min_version: table.parsed("min_version", version).unwrap_or(defaults.min_version),
        max_version: table.parsed("max_version", version).unwrap_or(defaults.max_version),
        ciphers: table.texts("ciphers").unwrap_or_default().into_iter().map(|(text, _)| text.value).collect(),
        verify: table.boolean("verify").unwrap_or(defaults.verify),
        cert_sha256: table.parsed("cert_sha256", fingerprint),
        pins: table.texts("pins").unwrap_or_default().iter().filter_map(|(_, item)| item.parsed(pin)).collect(),
        issuer: table.take("issuer_cert").and_then(|item| certificates(&item)?.into_iter().next()),
        crls: table.take("crl_file").map(|item| revocation_lists(&item)).unwrap_or_default(),
    }
}

/// Demands that this version cannot meet are refused, not forgotten.
fn refuse_what_is_not_there(table: &Table<'_>) {
    let refuse =
        |item: &Item<'_>, what: &str| item.fail(format!("{what} cannot be demanded of this version of the agent"));
    if let Some(item) = table.take("revocation")
        && item.text().is_some_and(|text| text.value != "off")
    {
        refuse(&item, "a revocation check beyond crl_file");
    }
    for (key, what) in
        [("verify_status", "a stapled status"), ("strict_shutdown", "a strict end of TLS"), ("fips", "FIPS mode")]
    {
        if table.boolean(key) == Some(true)
            && let Some(item) = table.take(key)
        {
            refuse(&item, what);
        }
    }
    if let Some(item) = table.take("engine")
        && let Some(text) = item.text()
        && text.value != "aws-lc-rs"
    {
        item.fail_with_help(format!("there is no TLS engine `{}`", text.value), "the engine is \"aws-lc-rs\"");
    }
}

fn version(text: &str) -> Result<Version, String> {
    match text {
        "1.2" => Ok(Version::Tls12),
        "1.3" => Ok(Version::Tls13),
        _ => Err(format!("`{text}` is none of the versions \"1.2\" and \"1.3\"")),
    }
}

/// 64 hex digits, with or without colons.
fn fingerprint(text: &str) -> Result<[u8; 32], String> {
    let bad = || "a SHA-256 is 64 hex digits".to_owned();
    let digits: Vec<char> = text.chars().filter(|letter| *letter != ':').collect();
    if digits.len() != 64 {
        return Err(bad());
    }
    let mut hash = [0; 32];
    for (byte, pair) in hash.iter_mut().zip(digits.chunks(2)) {
        let value = |digit: char| digit.to_digit(16).and_then(|value| u8::try_from(value).ok());
        let (high, low) = (value(pair[0]).ok_or_else(bad)?, value(pair[1]).ok_or_else(bad)?);
        *byte = high << 4 | low;
    }
    Ok(hash)
}

/// `sha256//` and the Base64 of a public key's SHA-256, as curl's --pinnedpubkey.
fn pin(text: &str) -> Result<[u8; 32], String> {
    let bad = || format!("`{text}` is no pin: write sha256// and the Base64 of the public key's SHA-256");
    let encoded = text.strip_prefix("sha256//").ok_or_else(bad)?;
    BASE64_STANDARD.decode(encoded).ok().and_then(|bytes| bytes.try_into().ok()).ok_or_else(bad)
}

fn file(item: &Item<'_>) -> Option<(String, Vec<u8>)> {
    let path = item.text()?.value;
    match fs::read(item.document().path(&path)) {
        Ok(bytes) => Some((path, bytes)),
        Err(error) => {
            item.fail(format!("the file `{path}` cannot be read: {error}"));
            None
        }
    }
}

fn certificates(item: &Item<'_>) -> Option<Vec<CertificateDer<'static>>> {
    let (path, bytes) = file(item)?;
    match CertificateDer::pem_slice_iter(&bytes).collect::<Result<Vec<_>, _>>() {
        Ok(certificates) if certificates.is_empty() => item.fail(format!("`{path}` has no certificate in PEM form")),
        Ok(certificates) => return Some(certificates),
        Err(error) => item.fail(format!("`{path}` is no PEM file: {error}")),
    }
    None
}

fn anchors(item: &Item<'_>) -> Option<Arc<Anchors>> {
    let anchors = Anchors::new(certificates(item)?);
    if anchors.is_empty() {
        item.fail("the file has no certificate that can be a trust anchor");
        return None;
    }
    Some(Arc::new(anchors))
}

fn revocation_lists(item: &Item<'_>) -> Vec<RevocationList> {
    let Some((path, bytes)) = file(item) else { return Vec::new() };
    let lists: Result<Vec<_>, _> = CertificateRevocationListDer::pem_slice_iter(&bytes).collect();
    let lists: Vec<_> = lists.unwrap_or_default().iter().filter_map(|der| RevocationList::decode(der)).collect();
    if lists.is_empty() {
        item.fail(format!("`{path}` has no certificate revocation list in PEM form"));
    }
    lists
}

fn identity(table: &Table<'_>) -> Option<Arc<CertifiedKey>> {
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
    let chain = certificates(&certificate)?;
    let (path, bytes) = file(&key)?;
    match PrivateKeyDer::from_pem_slice(&bytes) {
        Ok(private) => match tls::identity(chain, private) {
            Ok(identity) => return Some(identity),
            Err(rustls::Error::InconsistentKeys(_)) => {
                key.fail(format!("the key in `{path}` is not the one that the certificate is for"));
            }
            Err(error) => key.fail(format!("the key in `{path}` cannot be used: {error}")),
        },
        Err(error) => key.fail(format!("`{path}` has no private key in clear PEM form: {error}")),
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_and_pins_are_thirty_two_bytes() {
        assert_eq!(fingerprint(&"0a".repeat(32)), Ok([10; 32]));
        assert_eq!(fingerprint(&["0A"; 32].join(":")), Ok([10; 32]));
        for text in ["", "0a", &"0g".repeat(32), &"é".repeat(64)] {
            assert!(fingerprint(text).is_err(), "{text}");
        }
        assert_eq!(pin(&format!("sha256//{}", BASE64_STANDARD.encode([7; 32]))), Ok([7; 32]));
        for text in ["sha256//", "sha256//AAAA", "AAAA"] {
            assert!(pin(text).is_err(), "{text}");
        }
    }
}
