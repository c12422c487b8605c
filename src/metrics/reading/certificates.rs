//! What a TLS session says: its version and suite, and when its certificates end.

use jiff::Timestamp;
use probes::evidence::{CertificateSummary, Tls};

use super::{Family, Reading};

/// Adds what is known of a session; the certificates also where they were not accepted.
pub(super) fn read(reading: &mut Reading, tls: &Tls) {
    let expiry = tls.chain.iter().filter_map(ends).reduce(f64::min);
    reading.add_if_known(Family::CertificateExpiry, expiry);
    if tls.problems.is_empty() && tls.version.is_some() {
        reading.add_if_known(Family::ChainExpiry, chain_ends(&tls.chain));
    }
    if let Some(leaf) = tls.chain.first() {
        let names = leaf.names.join(",");
        let labels = [
            ("fingerprint_sha256", leaf.sha256.as_str()),
            ("subject", &leaf.subject),
            ("issuer", &leaf.issuer),
            ("subjectalternative", &names),
        ];
        reading.add_with(Family::ChainInfo, &labels, 1.0);
    }
    if let Some(version) = &tls.version {
        let spaced = version.replace("TLSv", "TLS ");
        reading.add_with(Family::TlsVersion, &[("version", &spaced)], 1.0);
    }
    if let Some(cipher) = &tls.cipher {
        reading.add_with(Family::TlsCipher, &[("cipher", cipher)], 1.0);
    }
}

/// When the first certificate on the way from the leaf to the last issuer that was presented ends.
fn chain_ends(chain: &[CertificateSummary]) -> Option<f64> {
    let mut at = chain.first()?;
    let mut first = ends(at)?;
    for _ in chain {
        let issuer = chain.iter().find(|other| other.subject == at.issuer && other.sha256 != at.sha256);
        let Some(issuer) = issuer else { break };
        first = first.min(ends(issuer)?);
        at = issuer;
    }
    Some(first)
}

/// When a certificate ends, in seconds since 1970.
fn ends(certificate: &CertificateSummary) -> Option<f64> {
    certificate.not_after.parse::<Timestamp>().ok().map(|time| time.as_duration().as_secs_f64())
}
