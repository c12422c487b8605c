//! Signatures: `base64(HMAC-SHA1(secret key, plain) || plain)`, in the header Authorization or, of a download, in the URL.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::prelude::{BASE64_STANDARD, Engine as _};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;

use super::Account;
use crate::secret::Secret;

/// How long a signature that may be used again is good beyond the end of the run: clocks differ.
const LENIENCY: Duration = Duration::from_secs(300);
/// The service takes none that is good for more than three months.
const LONGEST: Duration = Duration::from_secs(89 * 24 * 60 * 60);

/// The fields of a signature that are not the account's.
#[derive(Clone, Copy, Debug)]
struct Terms<'t> {
    /// Until when it is good; 0 for one that is good once.
    expires: u64,
    now: u64,
    random: u32,
    /// What it is bound to; empty for nothing.
    file: &'t str,
}

/// Signs for one account, in one run.
#[derive(Debug)]
pub(super) struct Signer<'a> {
    account: &'a Account,
    now: u64,
    expires: u64,
}

impl<'a> Signer<'a> {
    /// Signs with the wall clock of a run that takes so long at most.
    pub(super) fn new(account: &'a Account, now: SystemTime, timeout: Duration) -> Self {
        let seconds = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let lifetime = timeout.saturating_add(LENIENCY).min(LONGEST);
        Self { account, now: seconds, expires: seconds + lifetime.as_secs() }
    }

    /// A signature for any number of requests, bound to a path or, if that is empty, to nothing.
    pub(super) fn reusable(&self, path: &str) -> Secret {
        self.sign(Terms { expires: self.expires, now: self.now, random: random(), file: path })
    }

    /// A signature for one request, which changes the file: `/{appid}/{bucket}{/path}`, encoded as in the URL.
    pub(super) fn once(&self, file: &str) -> Secret {
        self.sign(Terms { expires: 0, now: self.now, random: random(), file })
    }

    fn sign(&self, terms: Terms<'_>) -> Secret {
        let Account { appid, bucket, secret_id, secret_key } = self.account;
        let Terms { expires, now, random, file } = terms;
        let plain = format!("a={appid}&k={secret_id}&e={expires}&t={now}&r={random}&f={file}&b={bucket}");
        let mut mac = Hmac::<Sha1>::new_from_slice(secret_key.expose().as_bytes())
            .unwrap_or_else(|error| unreachable!("HMAC takes keys of any length: {error}"));
        mac.update(plain.as_bytes());
        let mut signed = mac.finalize().into_bytes().to_vec();
        signed.extend_from_slice(plain.as_bytes());
        Secret::new(BASE64_STANDARD.encode(signed))
    }
}

/// Up to ten decimal digits.
fn random() -> u32 {
    u32::from_be_bytes(random_bytes())
}

/// From the crypto provider.
pub(super) fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    let source = rustls::crypto::aws_lc_rs::default_provider().secure_random;
    source.fill(&mut bytes).unwrap_or_else(|_| unreachable!("the kernel always has random numbers"));
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed(expires: u64, file: &str) -> String {
        let account = Account {
            appid: "10001".to_owned(),
            bucket: "probe".to_owned(),
            secret_id: "AKIDexample".to_owned(),
            secret_key: Secret::new("secretexample"),
        };
        let signer = Signer::new(&account, UNIX_EPOCH, Duration::ZERO);
        let terms = Terms { expires, now: 1_700_000_000, random: 1_234_567_890, file };
        signer.sign(terms).expose().to_owned()
    }

    #[test]
    fn a_signature_for_many_requests() {
        assert_eq!(
            signed(1_700_003_600, ""),
            "bc7+ZVVhzzZiRlOQygi/MucvzwFhPTEwMDAxJms9QUtJRGV4YW1wbGUmZT0xNzAwMDAzNjAwJnQ9MTcwMDAwMDAwMCZyPTEyMzQ1Njc4OTAmZj0mYj1wcm9iZQ=="
        );
    }

    #[test]
    fn a_signature_for_one_request() {
        let file = format!("/10001/probe{}", super::super::path::encoded("/dir/你.txt"));
        assert_eq!(
            signed(0, &file),
            "/nsVkNSrQPadYXZYS5i1CDNIANVhPTEwMDAxJms9QUtJRGV4YW1wbGUmZT0wJnQ9MTcwMDAwMDAwMCZyPTEyMzQ1Njc4OTAmZj0vMTAwMDEvcHJvYmUvZGlyLyVFNCVCRCVBMC50eHQmYj1wcm9iZQ=="
        );
    }

    #[test]
    fn a_signature_is_good_for_the_run_and_never_for_more_than_three_months() {
        let account = Account::default();
        let signer = |timeout| Signer::new(&account, UNIX_EPOCH + Duration::from_secs(1000), timeout);
        let (short, long) = (signer(Duration::from_secs(60)), signer(Duration::MAX));
        assert_eq!((short.now, short.expires), (1000, 1360));
        assert_eq!(long.expires, 1000 + LONGEST.as_secs());
    }
}
