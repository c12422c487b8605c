//! The verifier that lets the verdict on the certificates decide, and keeps what it saw.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, SignatureScheme};

use super::provider;
use crate::fault::{Certificate, Failure};
use crate::net::verdict::{Anchors, Demands, Inquiry, Verdict, judge};

/// What the verifier saw and thought of it.
#[derive(Debug)]
pub(super) struct Judged {
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) verdict: Verdict,
}

/// Collects every fault of the presented certificates, then fails the handshake if one decides.
#[derive(Debug)]
pub(super) struct Verifier {
    anchors: Arc<Anchors>,
    demands: Demands,
    /// The wall clock when this was made, since the epoch.
    then: Duration,
    made: Instant,
    /// What was presented, once it was.
    pub(super) seen: Mutex<Option<Judged>>,
    /// Whether the handshake was signed with another key than the certificate's.
    pub(super) bad_signature: AtomicBool,
}

impl Verifier {
    pub(super) fn new(anchors: Arc<Anchors>, demands: Demands, then: Duration) -> Self {
        Self {
            anchors,
            demands,
            then,
            made: Instant::now(),
            seen: Mutex::default(),
            bad_signature: AtomicBool::new(false),
        }
    }

    /// The failure, if the certificates are not good.
    pub(super) fn decision(&self) -> Option<Failure> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let (fault, detail) = seen.as_ref()?.verdict.decision()?;
        Some(Failure::new(fault, detail))
    }

    /// Judges the certificates of a handshake that broke off before it was asked for that.
    pub(super) fn judge_what_came(&self, chain: &[CertificateDer<'static>]) {
        let judged = self.seen.lock().unwrap_or_else(PoisonError::into_inner).is_some();
        if let (false, [leaf, rest @ ..]) = (judged, chain) {
            self.judge(leaf, rest, &[]);
            // A staple follows the certificates, and may have been on its way.
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.take_if(|seen| seen.verdict.decision().is_some_and(|(fault, _)| fault == Certificate::Staple));
        }
    }

    /// Judges certificates, and says whether they are good.
    fn judge(&self, leaf: &CertificateDer<'_>, rest: &[CertificateDer<'_>], staple: &[u8]) -> bool {
        let chain: Vec<_> = std::iter::once(leaf).chain(rest).map(|der| der.clone().into_owned()).collect();
        // A staple may be made in the very second in which it is looked at.
        let now = UnixTime::since_unix_epoch(self.then + self.made.elapsed());
        let verdict = judge(&chain, staple, &self.anchors, &self.demands, now);
        let good = verdict.decision().is_none();
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(Judged { chain, verdict });
        good
    }

    /// What must still be fetched to know whether certificates are revoked.
    pub(super) fn inquiry(&self) -> Option<Inquiry> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.as_mut()?.verdict.inquiry.take()
    }

    fn note_signature<T>(&self, result: Result<T, rustls::Error>) -> Result<T, rustls::Error> {
        if result.is_err() {
            self.bad_signature.store(true, Ordering::Relaxed);
        }
        result
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        staple: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if !self.judge(end_entity, intermediates, staple) {
            return Err(CertificateError::ApplicationVerificationFailure.into());
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &provider().signature_verification_algorithms;
        self.note_signature(rustls::crypto::verify_tls12_signature(message, certificate, signed, algorithms))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &provider().signature_verification_algorithms;
        self.note_signature(rustls::crypto::verify_tls13_signature(message, certificate, signed, algorithms))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}

/// Holds the verifier's place in the template; every handshake puts its own there.
#[derive(Debug)]
pub(super) struct Unset;

impl ServerCertVerifier for Unset {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Err(CertificateError::ApplicationVerificationFailure.into())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(CertificateError::ApplicationVerificationFailure.into())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(CertificateError::ApplicationVerificationFailure.into())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}
