//! Certificates made at test time: one good chain, and one for each way in which a chain can be bad.
//!
//! The lab's root is the only anchor that tasks name (`ca_file = "{ca}"`). Each recipe has the one defect of its
//! name; everything else about it is in order.

mod recipes;

use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use pkcs8::PrivateKeyInfoRef;
use pkcs8::pkcs5::pbes2;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationList, CertificateRevocationListParams,
    CrlIssuingDistributionPoint, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose,
    PublicKeyData, RevocationReason, RevokedCertParams, SanType, SerialNumber,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use recipes::Recipes;

pub(super) const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// The serial number that `crl-revoked.pem` lists.
pub(super) const REVOKED_SERIAL: u64 = 0x0bad;

type Result<T> = std::result::Result<T, rcgen::Error>;

/// What a server presents: its chain, the leaf first, and the key it signs with.
#[derive(Debug)]
pub struct Identity {
    /// The chain as presented.
    pub chain: Vec<CertificateDer<'static>>,
    /// The private key.
    pub key: PrivateKeyDer<'static>,
    /// SHA-256 is taken of this: the leaf's public key.
    pub public_key: Vec<u8>,
}

/// Everything the lab's own authority signs.
pub struct Authority {
    root: Signer,
    stranger: Signer,
    /// Issues the leaves below an intermediate that names sources of revocation.
    middle: Signer,
    identities: BTreeMap<&'static str, Identity>,
}

/// A certificate authority of the lab.
pub struct Signer {
    /// Its certificate as rcgen has it.
    pub params: CertificateParams,
    /// Its key.
    pub key: KeyPair,
    /// Its certificate.
    pub certificate: CertificateDer<'static>,
}

/// The authority of this process.
pub fn authority() -> &'static Authority {
    static AUTHORITY: OnceLock<Authority> = OnceLock::new();
    AUTHORITY.get_or_init(|| Authority::found().expect("rcgen makes certificates"))
}

impl Authority {
    /// The identity of a recipe.
    pub fn identity(&self, recipe: &str) -> std::result::Result<&Identity, String> {
        self.identities.get(recipe).ok_or_else(|| {
            let known: Vec<_> = self.identities.keys().collect();
            format!("no certificate recipe `{recipe}`; known: {known:?}")
        })
    }

    /// The root that clients of the lab present certificates of.
    pub fn root(&self) -> &CertificateDer<'static> {
        &self.root.certificate
    }

    /// The root, to sign with.
    pub fn root_signer(&self) -> &Signer {
        &self.root
    }

    /// The authority that nobody trusts.
    pub fn stranger_signer(&self) -> &Signer {
        &self.stranger
    }

    /// The authority below the root whose certificate is made anew for each case.
    pub fn middle_signer(&self) -> &Signer {
        &self.middle
    }

    /// Writes the files that tasks name: anchors, client identities, revocation lists.
    pub fn write_files(&self, folder: &Path) -> std::result::Result<(), String> {
        let write =
            |name: &str, text: String| fs::write(folder.join(name), text).map_err(|error| format!("{name}: {error}"));
        write("ca.pem", pem("CERTIFICATE", &self.root.certificate))?;
        write("stranger.pem", pem("CERTIFICATE", &self.stranger.certificate))?;
        for recipe in ["client", "client_expired", "client_stranger", "intermediate_only"] {
            let identity = self.identity(recipe)?;
            let name = recipe.replace('_', "-");
            write(&format!("{name}.pem"), identity.chain.iter().map(|der| pem("CERTIFICATE", der)).collect())?;
            write(&format!("{name}.key"), pem("PRIVATE KEY", identity.key.secret_der()))?;
        }
        write("client-encrypted.key", self.encrypted_key()?)?;
        for (name, text) in self.revocation_lists().map_err(|error| error.to_string())? {
            write(name, text)?;
        }
        Ok(())
    }

    /// The key of `client`, encrypted with the password "correct horse" as OpenSSL does (RFC 8018, PBES2).
    fn encrypted_key(&self) -> std::result::Result<String, String> {
        static ENCRYPTED: OnceLock<std::result::Result<String, String>> = OnceLock::new();
        let encrypt = || {
            let identity = self.identity("client")?;
            let scheme = pbes2::Parameters::generate_pbkdf2_sha256_aes256cbc(2048, b"salt of the lab.", [7; 16]);
            let scheme = scheme.map_err(|error| error.to_string())?;
            let key = PrivateKeyInfoRef::try_from(identity.key.secret_der()).map_err(|error| error.to_string())?;
            let encrypted = key.encrypt_with_params(scheme, b"correct horse").map_err(|error| error.to_string())?;
            Ok(pem("ENCRYPTED PRIVATE KEY", encrypted.as_bytes()))
        };
        ENCRYPTED.get_or_init(encrypt).clone()
    }

    fn revocation_lists(&self) -> Result<[(&'static str, String); 4]> {
        let fresh = (now() - DAY, now() + 7 * DAY);
        let stale = (now() - 9 * DAY, now() - 2 * DAY);
        Ok([
            ("crl-empty.pem", self.root.revocation_list(&[], fresh, None)?.pem()?),
            ("crl-revoked.pem", self.root.revocation_list(&[REVOKED_SERIAL], fresh, None)?.pem()?),
            ("crl-stale.pem", self.root.revocation_list(&[], stale, None)?.pem()?),
            ("crl-stranger.pem", self.stranger.revocation_list(&[], fresh, None)?.pem()?),
        ])
    }

    fn found() -> Result<Self> {
        let root = Signer::root("Lab Root")?;
        let stranger = Signer::root("Stranger Root")?;
        let mut recipes = Recipes { root: &root, identities: BTreeMap::new() };
        recipes.leaves()?;
        recipes.usage()?;
        recipes.chains(&stranger)?;
        recipes.without_authority()?;
        recipes.broken()?;
        recipes.clients(&stranger)?;
        let identities = recipes.identities;
        let middle = root.below(authority_params("Lab Middle"))?;
        Ok(Self { root, stranger, middle, identities })
    }
}

impl Signer {
    fn root(name: &str) -> Result<Self> {
        Self::root_of(authority_params(name))
    }

    /// A root with these parameters.
    pub fn root_of(params: CertificateParams) -> Result<Self> {
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?.der().clone();
        Ok(Self { params, key, certificate })
    }

    fn below(&self, params: CertificateParams) -> Result<Self> {
        let key = KeyPair::generate()?;
        let certificate = self.sign(&params, &key)?;
        Ok(Self { params, key, certificate })
    }

    /// A certificate of this signer.
    pub fn sign(&self, params: &CertificateParams, key: &impl PublicKeyData) -> Result<CertificateDer<'static>> {
        Ok(params.signed_by(key, &Issuer::from_params(&self.params, &self.key))?.der().clone())
    }

    /// A leaf of this signer, followed by the given certificates.
    pub fn identity(&self, params: &CertificateParams, rest: &[&CertificateDer<'static>]) -> Result<Identity> {
        let key = KeyPair::generate()?;
        Ok(identity(self.sign(params, &key)?, rest, &key))
    }

    /// A list of what this signer has revoked.
    pub fn revocation_list(
        &self,
        revoked: &[u64],
        (this, next): (SystemTime, SystemTime),
        point: Option<CrlIssuingDistributionPoint>,
    ) -> Result<CertificateRevocationList> {
        CertificateRevocationListParams {
            this_update: this.into(),
            next_update: next.into(),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: point,
            revoked_certs: revoked
                .iter()
                .map(|serial| RevokedCertParams {
                    serial_number: SerialNumber::from(*serial),
                    revocation_time: (now() - 2 * DAY).into(),
                    reason_code: Some(RevocationReason::KeyCompromise),
                    invalidity_date: None,
                })
                .collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        }
        .signed_by(&Issuer::from_params(&self.params, &self.key))
    }
}

pub(super) fn now() -> SystemTime {
    SystemTime::now()
}

pub(super) fn leaf_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.not_before = (now() - DAY).into();
    params.not_after = (now() + 90 * DAY).into();
    params.distinguished_name.push(DnType::CommonName, "lab.test");
    params.subject_alt_names = ["lab.test", "*.wild.test", "localhost"]
        .into_iter()
        .filter_map(|name| Some(SanType::DnsName(name.try_into().ok()?)))
        .chain(
            [IpAddr::from(Ipv4Addr::LOCALHOST), Ipv4Addr::new(127, 0, 0, 2).into(), Ipv6Addr::LOCALHOST.into()]
                .map(SanType::IpAddress),
        )
        .collect();
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    params
}

pub(super) fn authority_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.not_before = (now() - DAY).into();
    params.not_after = (now() + 900 * DAY).into();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.use_authority_key_identifier_extension = true;
    params
}

pub(super) fn expire(params: &mut CertificateParams) {
    params.not_before = (now() - 30 * DAY).into();
    params.not_after = (now() - 3 * DAY).into();
}

pub(super) fn misname(params: &mut CertificateParams) {
    params.subject_alt_names = "elsewhere.test"
        .try_into()
        .map(SanType::DnsName)
        .into_iter()
        .chain([SanType::IpAddress(Ipv4Addr::new(192, 0, 2, 99).into())])
        .collect();
}

fn identity(leaf: CertificateDer<'static>, rest: &[&CertificateDer<'static>], key: &KeyPair) -> Identity {
    let chain = std::iter::once(leaf).chain(rest.iter().map(|&der| der.clone())).collect();
    Identity { chain, key: private_key(key), public_key: key.subject_public_key_info() }
}

fn private_key(key: &KeyPair) -> PrivateKeyDer<'static> {
    PrivatePkcs8KeyDer::from(key.serialize_der()).into()
}

fn flip_last_byte(der: &CertificateDer<'_>) -> CertificateDer<'static> {
    let mut bytes = der.to_vec();
    if let Some(last) = bytes.last_mut() {
        *last ^= 0x01;
    }
    CertificateDer::from(bytes)
}

/// One PEM block.
pub fn pem(label: &str, der: &[u8]) -> String {
    use base64::prelude::{BASE64_STANDARD, Engine as _};

    let text = BASE64_STANDARD.encode(der);
    let lines: Vec<&str> = (0..text.len()).step_by(64).map(|start| &text[start..text.len().min(start + 64)]).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}
