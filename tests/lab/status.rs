//! What says whether certificates are revoked: leaves that name their sources, OCSP responses (RFC 6960) and lists.
//!
//! The leaf of a peer that names sources is made for the case, once their addresses are known; it has the serial number
//! that `crl-revoked.pem` lists. Everything else about responses and lists is in order but what a case says.

use std::time::SystemTime;

use rcgen::{
    CertificateParams, CrlDistributionPoint, CrlIssuingDistributionPoint, CustomExtension, DnType,
    ExtendedKeyUsagePurpose, KeyPair, PublicKeyData as _, SerialNumber, SigningKey as _,
};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use serde::Deserialize;
use sha1::{Digest as _, Sha1};

use super::certificates::{
    DAY, Identity, REVOKED_SERIAL, Signer, authority, authority_params, expire, leaf_params, misname, now,
};
use super::tls::sha256;

/// The serial number of an intermediate that names sources.
const ABOVE_SERIAL: u64 = 0x0bee;

/// What a certificate names.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sources {
    /// The URLs of OCSP responders.
    #[serde(default)]
    ocsp: Vec<String>,
    /// The URLs of revocation lists.
    #[serde(default)]
    crls: Vec<String>,
    /// Whether its server must staple (RFC 7633).
    #[serde(default)]
    must_staple: bool,
}

/// A good leaf, or one with the defect of a simple recipe, that names sources; with `above`, below an intermediate.
pub fn identity(recipe: &str, leaf: &Sources, above: Option<&Sources>) -> Result<Identity, String> {
    let mut params = leaf_params();
    match recipe {
        "good" => {}
        "expired" => expire(&mut params),
        "wrong_name" => misname(&mut params),
        other => return Err(format!("a leaf that names sources is good, expired or wrong_name, not {other}")),
    }
    params.serial_number = Some(SerialNumber::from(REVOKED_SERIAL));
    name_sources(&mut params, leaf);
    let words = |error: rcgen::Error| error.to_string();
    let Some(above) = above else { return authority().root_signer().identity(&params, &[]).map_err(words) };
    let issuer = authority().middle_signer();
    let mut middle = issuer.params.clone();
    middle.serial_number = Some(SerialNumber::from(ABOVE_SERIAL));
    name_sources(&mut middle, above);
    let middle = authority().root_signer().sign(&middle, &issuer.key).map_err(words)?;
    issuer.identity(&params, &[&middle]).map_err(words)
}

fn name_sources(params: &mut CertificateParams, sources: &Sources) {
    const ACCESS: [u64; 9] = [1, 3, 6, 1, 5, 5, 7, 1, 1];
    const FEATURES: [u64; 9] = [1, 3, 6, 1, 5, 5, 7, 1, 24];
    const OCSP: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01];
    if !sources.ocsp.is_empty() {
        let access = |url: &String| tlv(0x30, &[&tlv(0x06, &[OCSP]), &tlv(0x86, &[url.as_bytes()])]);
        let list: Vec<u8> = sources.ocsp.iter().flat_map(access).collect();
        params.custom_extensions.push(CustomExtension::from_oid_content(&ACCESS, tlv(0x30, &[&list])));
    }
    if sources.must_staple {
        params.custom_extensions.push(CustomExtension::from_oid_content(&FEATURES, vec![0x30, 0x03, 0x02, 0x01, 0x05]));
    }
    params.crl_distribution_points =
        sources.crls.iter().map(|url| CrlDistributionPoint { uris: vec![url.clone()] }).collect();
}

/// The certificates that responses and lists are about.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
enum About {
    #[default]
    Leaf,
    /// The intermediate above it.
    Above,
    /// One that nobody presents.
    Other,
}

impl About {
    const fn serial(self) -> u64 {
        match self {
            Self::Leaf => REVOKED_SERIAL,
            Self::Above => ABOVE_SERIAL,
            Self::Other => 0x7777,
        }
    }
}

/// Who issued them.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum By {
    #[default]
    Root,
    /// The intermediate that names sources.
    Above,
}

impl By {
    fn signer(self) -> &'static Signer {
        match self {
            Self::Root => authority().root_signer(),
            Self::Above => authority().middle_signer(),
        }
    }
}

/// Who signs in the issuer's place.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
enum Hand {
    #[default]
    Issuer,
    /// A responder with a certificate of the issuer for that.
    Delegate,
    /// The same, with `id-pkix-ocsp-nocheck`.
    DelegateNocheck,
    /// A holder of the issuer's certificate for servers.
    DelegateWithoutUsage,
    DelegateExpired,
    /// A responder with a certificate of somebody else.
    DelegateOfStranger,
    /// Somebody else.
    Stranger,
}

/// The contents of `id-pkix-ocsp-basic`, and the algorithm of all keys of the lab.
const BASIC: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x01];
const ECDSA_SHA256: &[u8] = &[0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];

/// An OCSP response.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ocsp {
    /// `good`, `revoked`, `unknown`; or why there is no response: `try_later`, `unauthorized`, `internal_error`.
    status: String,
    #[serde(default)]
    about: About,
    #[serde(default)]
    by: By,
    #[serde(default)]
    signer: Hand,
    /// Whether the responder is named by its key.
    #[serde(default)]
    by_key: bool,
    /// Whether the certificate is named by SHA-256.
    #[serde(default)]
    sha256: bool,
    /// From and to which day, counted from now; without the second there is no `nextUpdate`.
    #[serde(default = "fresh")]
    days: Vec<i64>,
    /// Whether a bit of the signature is turned.
    #[serde(default)]
    spoilt: bool,
}

fn fresh() -> Vec<i64> {
    vec![-1, 7]
}

impl Ocsp {
    /// The response as DER.
    pub fn encode(&self) -> Result<Vec<u8>, String> {
        let number = match self.status.as_str() {
            "good" | "revoked" | "unknown" => 0,
            "internal_error" => 2,
            "try_later" => 3,
            "unauthorized" => 6,
            other => return Err(format!("ocsp: no status `{other}`")),
        };
        if number != 0 {
            return Ok(tlv(0x30, &[&tlv(0x0a, &[&[number]])]));
        }
        let bytes = tlv(0x30, &[&tlv(0x06, &[BASIC]), &tlv(0x04, &[&self.basic()?])]);
        Ok(tlv(0x30, &[&tlv(0x0a, &[&[0]]), &tlv(0xa0, &[&bytes])]))
    }

    fn basic(&self) -> Result<Vec<u8>, String> {
        let words = |error: rcgen::Error| error.to_string();
        let issuer = self.by.signer();
        let delegate = self.delegate(issuer).map_err(words)?;
        let stranger = authority().stranger_signer();
        let (key, certificate) = match &delegate {
            Some((key, certificate)) => (key, certificate),
            None if self.signer == Hand::Stranger => (&stranger.key, &stranger.certificate),
            None => (&issuer.key, &issuer.certificate),
        };
        let data = self.data(issuer, key, certificate)?;
        let mut signature = key.sign(&data).map_err(words)?;
        if let (true, Some(last)) = (self.spoilt, signature.last_mut()) {
            *last ^= 1;
        }
        let sent = match &delegate {
            Some((_, certificate)) => tlv(0xa0, &[&tlv(0x30, &[certificate])]),
            None => Vec::new(),
        };
        Ok(tlv(0x30, &[&data, ECDSA_SHA256, &tlv(0x03, &[&[0], &signature]), &sent]))
    }

    fn delegate(&self, issuer: &Signer) -> Result<Option<(KeyPair, CertificateDer<'static>)>, rcgen::Error> {
        if matches!(self.signer, Hand::Issuer | Hand::Stranger) {
            return Ok(None);
        }
        let mut params = leaf_params();
        params.distinguished_name.push(DnType::CommonName, "Lab Responder");
        if self.signer != Hand::DelegateWithoutUsage {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::OcspSigning];
        }
        if self.signer == Hand::DelegateNocheck {
            let nocheck = CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 48, 1, 5], vec![0x05, 0x00]);
            params.custom_extensions.push(nocheck);
        }
        if self.signer == Hand::DelegateExpired {
            expire(&mut params);
        }
        let issuer = if self.signer == Hand::DelegateOfStranger { authority().stranger_signer() } else { issuer };
        let key = KeyPair::generate()?;
        let certificate = issuer.sign(&params, &key)?;
        Ok(Some((key, certificate)))
    }

    fn data(&self, issuer: &Signer, key: &KeyPair, certificate: &CertificateDer<'_>) -> Result<Vec<u8>, String> {
        let responder = if self.by_key {
            tlv(0xa2, &[&tlv(0x04, &[&Sha1::digest(key.der_bytes())])])
        } else {
            tlv(0xa1, &[&subject(certificate)?])
        };
        let from = self.days.first().copied().unwrap_or(-1);
        let next = self.days.get(1).map(|day| tlv(0xa0, &[&time(*day)])).unwrap_or_default();
        let status = match self.status.as_str() {
            "good" => tlv(0x80, &[]),
            "revoked" => tlv(0xa1, &[&time(-2), &tlv(0xa0, &[&tlv(0x0a, &[&[1]])])]),
            _ => tlv(0x82, &[]),
        };
        let single = tlv(0x30, &[&self.id(issuer)?, &status, &time(from), &next]);
        Ok(tlv(0x30, &[&responder, &time(from), &tlv(0x30, &[&single])]))
    }

    fn id(&self, issuer: &Signer) -> Result<Vec<u8>, String> {
        let name = subject(&issuer.certificate)?;
        let bits = issuer.key.der_bytes();
        let (algorithm, name, key): (&[u8], _, _) = if self.sha256 {
            (&[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01], sha256(&name), sha256(bits))
        } else {
            (&[0x2b, 0x0e, 0x03, 0x02, 0x1a], Sha1::digest(&name).to_vec(), Sha1::digest(bits).to_vec())
        };
        let algorithm = tlv(0x30, &[&tlv(0x06, &[algorithm]), &[0x05, 0x00]]);
        let serial = self.about.serial().to_be_bytes();
        let zeros = serial.iter().take_while(|octet| **octet == 0).count();
        let serial = tlv(0x02, &[&serial[zeros..]]);
        Ok(tlv(0x30, &[&algorithm, &tlv(0x04, &[&name]), &tlv(0x04, &[&key]), &serial]))
    }
}

/// A revocation list.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct List {
    /// What is revoked.
    #[serde(default)]
    revoked: Vec<About>,
    #[serde(default)]
    by: By,
    /// Whether somebody else has signed it in the issuer's name.
    #[serde(default)]
    forged: bool,
    #[serde(default = "fresh")]
    days: Vec<i64>,
    /// The place that the list says it is for.
    #[serde(default)]
    point: Option<String>,
}

impl List {
    /// The list as DER.
    pub fn encode(&self) -> Result<Vec<u8>, String> {
        let revoked: Vec<u64> = self.revoked.iter().map(|about| about.serial()).collect();
        let [from, to] = self.days[..] else { return Err("a list has two days".to_owned()) };
        let point = self.point.as_ref().map(|url| CrlIssuingDistributionPoint {
            distribution_point: CrlDistributionPoint { uris: vec![url.clone()] },
            scope: None,
        });
        let signer = self.by.signer();
        let forger;
        let signer = if self.forged {
            forger = Signer { key: KeyPair::generate().map_err(|error| error.to_string())?, ..signer.namesake()? };
            &forger
        } else {
            signer
        };
        let list = signer.revocation_list(&revoked, (day(from), day(to)), point);
        list.map(|list| list.der().to_vec()).map_err(|error| error.to_string())
    }
}

impl Signer {
    fn namesake(&self) -> Result<Self, String> {
        Self::root_of(authority_params_like(&self.params)).map_err(|error| error.to_string())
    }
}

fn authority_params_like(params: &CertificateParams) -> CertificateParams {
    let mut like = authority_params("");
    like.distinguished_name = params.distinguished_name.clone();
    like
}

/// An answer over HTTP.
pub fn over_http(media: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {media}\r\nContent-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// The subject of a certificate as DER.
fn subject(certificate: &CertificateDer<'_>) -> Result<Vec<u8>, String> {
    let mut store = RootCertStore::empty();
    store.add(certificate.clone().into_owned()).map_err(|error| error.to_string())?;
    let anchor = store.roots.first().ok_or("no anchor")?;
    Ok(tlv(0x30, &[&anchor.subject]))
}

fn day(count: i64) -> SystemTime {
    let days = DAY * u32::try_from(count.unsigned_abs()).unwrap_or_default();
    if count < 0 { now() - days } else { now() + days }
}

/// A day as `GeneralizedTime`.
fn time(count: i64) -> Vec<u8> {
    let seconds = day(count).duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let stamp = jiff::Timestamp::from_second(i64::try_from(seconds).unwrap_or_default()).unwrap_or_default();
    tlv(0x18, &[stamp.strftime("%Y%m%d%H%M%SZ").to_string().as_bytes()])
}

/// A DER value of one or more parts.
fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let contents = parts.concat();
    let length = contents.len();
    let mut der = vec![tag];
    match u8::try_from(length) {
        Ok(short @ 0..=0x7f) => der.push(short),
        Ok(byte) => der.extend([0x81, byte]),
        Err(_) => der.extend([0x82, (length >> 8).to_le_bytes()[0], length.to_le_bytes()[0]]),
    }
    der.extend(contents);
    der
}
