//! What can go wrong in TLS: on this host before anything is sent, in the certificates, in the handshake, at the end.

use super::faults;

faults! {
    /// What of a task's TLS cannot be set up on this host; nothing was sent. In the order of looking.
    ///
    /// Only a book with codes for it makes these results of a run; for all others the task is wrong.
    pub enum Local {
        /// There is no such cryptographic engine, or no such PKCS#11 module.
        EngineUnknown = "tls.local.engine_unknown", Task;
        /// The cryptographic engine does not start: no PKCS#11 module, or its initialising or log-in fails.
        EngineFails = "tls.local.engine_fails", Agent;
        /// The cryptographic engine cannot do what the task demands of it.
        EngineUnfit = "tls.local.engine_unfit", Task;
        /// None of the cipher suites of the task can be used.
        NoCipher = "tls.local.no_cipher", Task;
        /// The file or folder of trust anchors is missing, unreadable or without a certificate.
        CaFile = "tls.local.ca_file", Task;
        /// This host trusts no certificate authority, and the task names none.
        NoAnchors = "tls.local.no_anchors", Agent;
        /// The TLS library cannot be made ready.
        Library = "tls.local.library", Agent;
        /// The file of revocation lists is missing, unreadable or without a list.
        CrlFile = "tls.local.crl_file", Task;
        /// The client certificate or its key is not there or cannot be read.
        IdentityAbsent = "tls.local.identity_absent", Task;
        /// The client certificate or its key is there and cannot be used.
        IdentityUnusable = "tls.local.identity_unusable", Task;
    }
}

faults! {
    /// What is wrong with the certificates a server presented, or with what the task demands of them.
    pub enum Certificate {
        /// A certificate of the path is past its end date.
        Expired = "tls.certificate.expired", Target;
        /// A certificate of the path is not valid yet.
        NotYetValid = "tls.certificate.not_yet_valid", Target;
        /// The certificate names hosts, and the one asked for is not among them.
        NameMismatch = "tls.certificate.name_mismatch", Target;
        /// The certificate has no subject alternative name of the kind asked for.
        NoName = "tls.certificate.no_name", Target;
        /// The leaf's SHA-256 is not the one the task demands.
        Fingerprint = "tls.certificate.fingerprint", Target;
        /// The chain ends in a self-signed certificate that is not trusted.
        UntrustedRoot = "tls.certificate.untrusted_root", Target;
        /// The chain leads to no trusted root and to no self-signed certificate: an issuer is missing.
        UnknownIssuer = "tls.certificate.unknown_issuer", Target;
        /// A signature in the chain is wrong, or made in a way that is not accepted.
        Signature = "tls.certificate.signature", Target;
        /// The certificate is not made for this use (extended key usage).
        Purpose = "tls.certificate.purpose", Target;
        /// Basic constraints, path length or name constraints forbid the chain.
        Constraints = "tls.certificate.constraints", Target;
        /// A critical extension is not known.
        CriticalExtension = "tls.certificate.critical_extension", Target;
        /// A certificate cannot be decoded, or has a version other than 3.
        Encoding = "tls.certificate.encoding", Target;
        /// The key of a certificate is too short to be accepted.
        WeakKey = "tls.certificate.weak_key", Target;
        /// The certificates have two or more different faults at once.
        Several = "tls.certificate.several", Target;
        /// A certificate of the path is revoked.
        Revoked = "tls.certificate.revoked", Target;
        /// The public key of the leaf is not among the pins of the task.
        Pin = "tls.certificate.pin", Target;
        /// The leaf was not issued by the issuer the task demands.
        IssuerMismatch = "tls.certificate.issuer_mismatch", Target;
        /// The server should have stapled a good OCSP response, and did not.
        Staple = "tls.certificate.staple", Target;
        /// The certificate names sources that say whether it is revoked, and none of them can be fetched.
        RevocationOffline = "tls.certificate.revocation_offline", Path;
        /// Nothing says whether the certificate is revoked: it names no source, and none is stapled or configured.
        RevocationNone = "tls.certificate.revocation_none", Target;
        /// What says whether the certificate is revoked cannot be used: stale, wrongly signed, or of unknown status.
        RevocationUnusable = "tls.certificate.revocation_unusable", Target;
    }
}

faults! {
    /// Why a TLS handshake failed, certificates aside.
    pub enum Handshake {
        /// The handshake was not done in time.
        TimedOut = "tls.timeout", Target;
        /// The peer ended the connection during the handshake.
        Closed = "tls.closed", Target;
        /// The peer reset the connection during the handshake.
        Reset = "tls.reset", Target;
        /// The peer sent bytes that are no TLS record.
        NotTls = "tls.not_tls", Target;
        /// The two sides have no version, cipher suite, group or protocol in common.
        NothingInCommon = "tls.nothing_in_common", Target;
        /// The server insists on Fortezza: it picked one of its suites, or takes only its certificates.
        Fortezza = "tls.fortezza", Target;
        /// The server demands a client certificate and the task has none.
        ClientCertificateRequired = "tls.client_certificate.required", Target;
        /// The server refused the client certificate of the task.
        ClientCertificateRejected = "tls.client_certificate.rejected", Target;
        /// The key of the client certificate of the task did not sign: its token failed.
        ClientKeyFailed = "tls.client_certificate.key_failed", Agent;
        /// The peer sent another fatal alert.
        Alert = "tls.alert", Target;
        /// The peer broke the TLS protocol.
        Protocol = "tls.protocol", Target;
        /// The peer sent data in clear text between STARTTLS and the handshake.
        Injected = "tls.injected", Path;
        /// The kernel reported another error during the handshake.
        Other = "tls.other", Path;
    }
}

faults! {
    /// How TLS can fail to end.
    pub enum Shutdown {
        /// The peer did not end TLS with `close_notify`, as the task demands.
        Unanswered = "tls.shutdown", Target;
    }
}
