//! What an alert says (RFC 5246 section 7.2, RFC 8446 section 6), and whether it is about the client's certificate.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustls::client::ResolvesClientCert;
use rustls::sign::CertifiedKey;
use rustls::{AlertDescription, SignatureScheme};

use crate::fault::Handshake;

/// Whether bytes begin a TLS record: a known content type and the major version 3.
pub(super) fn begins_a_record(bytes: &[u8]) -> bool {
    matches!(bytes, [20..=24] | [20..=24, 3, ..])
}

/// The fault of an alert that has nothing to do with a client certificate.
pub(super) fn alert_fault(alert: AlertDescription, client_certificate: &ClientCertificate) -> Handshake {
    match alert {
        AlertDescription::ProtocolVersion
        | AlertDescription::InsufficientSecurity
        | AlertDescription::InappropriateFallback => Handshake::NothingInCommon,
        AlertDescription::HandshakeFailure if !client_certificate.was_asked() => Handshake::NothingInCommon,
        _ => Handshake::Alert,
    }
}

/// The alert as the RFCs name it, with its number.
pub(super) fn alert_name(alert: AlertDescription) -> String {
    let number = u8::from(alert);
    let camel = alert.as_str().unwrap_or("unknown");
    let mut name = String::new();
    for (index, letter) in camel.chars().enumerate() {
        let after_capital = index > 0 && camel.as_bytes()[index - 1].is_ascii_uppercase();
        if letter.is_ascii_uppercase() && index > 0 && !after_capital {
            name.push('_');
        }
        name.push(letter.to_ascii_lowercase());
    }
    format!("{name} ({number})")
}

/// Whether the server asked for a client certificate, and what there was to send.
#[derive(Debug)]
pub(crate) struct ClientCertificate {
    identity: Option<Arc<CertifiedKey>>,
    asked: AtomicBool,
}

impl ClientCertificate {
    pub(super) fn new(identity: Option<Arc<CertifiedKey>>) -> Self {
        Self { identity, asked: AtomicBool::new(false) }
    }

    /// Begins another handshake, in which nothing was asked yet.
    pub(super) fn forget(&self) {
        self.asked.store(false, Ordering::Relaxed);
    }

    /// Whether the server sent a `CertificateRequest`.
    pub(super) fn was_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    /// What an alert of the server says about the client certificate; `None` if it is about something else.
    pub(super) fn fault(&self, alert: AlertDescription) -> Option<Handshake> {
        if !self.was_asked() {
            return None;
        }
        let of_certificate = matches!(
            alert,
            AlertDescription::BadCertificate
                | AlertDescription::UnsupportedCertificate
                | AlertDescription::CertificateRevoked
                | AlertDescription::CertificateExpired
                | AlertDescription::CertificateUnknown
                | AlertDescription::UnknownCA
                | AlertDescription::AccessDenied
        );
        let of_absence = matches!(alert, AlertDescription::HandshakeFailure | AlertDescription::CertificateRequired);
        match &self.identity {
            None if of_certificate || of_absence => Some(Handshake::ClientCertificateRequired),
            Some(_) if of_certificate => Some(Handshake::ClientCertificateRejected),
            _ => None,
        }
    }
}

impl ResolvesClientCert for ClientCertificate {
    fn resolve(&self, _hints: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.asked.store(true, Ordering::Relaxed);
        self.identity.clone()
    }

    /// True even without one: only then does rustls call `resolve`, which is how the demand is seen.
    fn has_certs(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerts_are_named_as_in_the_rfcs() {
        let rows = [
            (AlertDescription::HandshakeFailure, "handshake_failure (40)"),
            (AlertDescription::UnknownCA, "unknown_ca (48)"),
            (AlertDescription::ProtocolVersion, "protocol_version (70)"),
            (AlertDescription::Unknown(200), "unknown (200)"),
        ];
        for (alert, name) in rows {
            assert_eq!(alert_name(alert), name);
        }
    }

    #[test]
    fn records_are_told_from_other_bytes() {
        assert!(begins_a_record(&[22, 3, 1]));
        assert!(!begins_a_record(b"220 mail.test"));
        assert!(!begins_a_record(b"HTTP/1.1 400"));
    }
}
