//! Keys that live in a token, behind a PKCS#11 module (PKCS #11 version 2.40; URIs by RFC 7512).
//!
//! A module is initialised once in a process and stays. The agent hashes, the token signs: so three mechanisms are enough
//! (`CKM_ECDSA`, `CKM_RSA_PKCS`, `CKM_RSA_PKCS_PSS`). One signature is made when the task is read, to see that the key is the
//! one of the certificate.

mod uri;

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::rsa::{PkcsMgfType, PkcsPssParams};
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::{Attribute, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use cryptoki::types::AuthPin;
use rustls::pki_types::CertificateDer;
use rustls::sign::{CertifiedKey, Signer, SigningKey};
use rustls::{SignatureAlgorithm, SignatureScheme};
use sha2::{Digest, Sha256, Sha384, Sha512};
use x509_parser::asn1_rs::FromDer as _;
use x509_parser::certificate::X509Certificate;
use x509_parser::public_key::PublicKey;

use super::key::{Identity, unusable};
use super::provider;
use crate::fault::{Failure, Local};
use crate::net::verdict::der;
use crate::secret::Secret;

pub use uri::KeyUri;

/// A PKCS#11 module, initialised.
#[derive(Clone)]
pub struct Engine {
    module: Pkcs11,
    path: PathBuf,
}

impl fmt::Debug for Engine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Engine({})", self.path.display())
    }
}

/// The modules of this process: a second initialising of one is an error.
static MODULES: Mutex<Option<HashMap<PathBuf, Pkcs11>>> = Mutex::new(None);

impl Engine {
    /// Loads a module and initialises it.
    pub fn load(path: &Path) -> Result<Self, Failure<Local>> {
        let shown = path.display();
        if let Err(error) = std::fs::metadata(path) {
            let words = crate::net::connect::kernel_words(&error);
            return Err(Failure::new(Local::EngineUnknown, format!("there is no PKCS#11 module `{shown}`: {words}")));
        }
        let mut modules = MODULES.lock().unwrap_or_else(PoisonError::into_inner);
        let modules = modules.get_or_insert_default();
        if let Some(module) = modules.get(path) {
            return Ok(Self { module: module.clone(), path: path.to_owned() });
        }
        let failed = |what: &str, error: &Error| fails(format!("`{shown}` {what}: {}", words(error)));
        let module = Pkcs11::new(path).map_err(|error| failed("is no PKCS#11 module", &error))?;
        match module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
            Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => {}
            Err(error) => return Err(failed("does not start", &error)),
        }
        modules.insert(path.to_owned(), module.clone());
        Ok(Self { module, path: path.to_owned() })
    }

    /// The identity whose key a URI names. A PIN that is given must be right.
    pub fn identity(
        &self,
        chain: Vec<CertificateDer<'static>>,
        uri: &KeyUri,
        pin: Option<&Secret>,
    ) -> Result<Identity, Failure<Local>> {
        let leaf = chain.first().ok_or_else(|| unusable("there is no certificate"))?;
        let (kind, bits) = public_key(leaf)?;
        let slot = self.slot(uri)?;
        let offered = self.module.get_mechanism_list(slot).map_err(|error| refused("its mechanisms", &error))?;
        let schemes = kind.schemes(&offered);
        if schemes.is_empty() {
            let detail = format!("the token has no mechanism to sign with {} keys", kind.word());
            return Err(Failure::new(Local::EngineUnfit, detail));
        }
        let session = self.module.open_ro_session(slot).map_err(|error| refused("a session", &error))?;
        log_in(&session, pin)?;
        let handle = find(&session, uri)?;
        let key = Key(Arc::new(Token { session: Mutex::new(session), handle, kind, schemes }));
        check(&key, &bits)?;
        Ok(Identity { certified: Arc::new(CertifiedKey::new(chain, Arc::new(key))), slow: true })
    }

    fn slot(&self, uri: &KeyUri) -> Result<Slot, Failure<Local>> {
        let slots = self.module.get_slots_with_initialized_token().map_err(|error| refused("its tokens", &error))?;
        for slot in slots {
            let token = self.module.get_token_info(slot).map_err(|error| refused("its tokens", &error))?;
            let facts = [
                (&uri.token, token.label()),
                (&uri.manufacturer, token.manufacturer_id()),
                (&uri.model, token.model()),
                (&uri.serial, token.serial_number()),
            ];
            if facts.iter().all(|(wanted, fact)| wanted.as_deref().is_none_or(|wanted| wanted == fact.trim_end())) {
                return Ok(slot);
            }
        }
        Err(Failure::new(Local::IdentityAbsent, "no token is the one that client_key names"))
    }
}

fn fails(detail: impl Into<String>) -> Failure<Local> {
    Failure::new(Local::EngineFails, detail)
}

fn refused(what: &str, error: &Error) -> Failure<Local> {
    fails(format!("the PKCS#11 module does not give {what}: {}", words(error)))
}

/// PKCS #11's own name for an error, or the library's words on what is none of its errors.
fn words(error: &Error) -> String {
    match error {
        Error::Pkcs11(code, function) => format!("{code:?} from {function}"),
        other => other.to_string(),
    }
}

fn log_in(session: &Session, pin: Option<&Secret>) -> Result<(), Failure<Local>> {
    let Some(pin) = pin else { return Ok(()) };
    match session.login(UserType::User, Some(&AuthPin::new(pin.expose().into()))) {
        // The token knows one log-in for all sessions of a process.
        Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(()),
        Err(error) => Err(fails(format!("the token refuses the log-in with client_key_password: {}", words(&error)))),
    }
}

fn find(session: &Session, uri: &KeyUri) -> Result<ObjectHandle, Failure<Local>> {
    let mut wanted = vec![Attribute::Class(ObjectClass::PRIVATE_KEY)];
    wanted.extend(uri.object.as_ref().map(|label| Attribute::Label(label.clone().into_bytes())));
    wanted.extend(uri.id.as_ref().map(|id| Attribute::Id(id.clone())));
    let found = session.find_objects(&wanted).map_err(|error| refused("its objects", &error))?;
    let absent = || Failure::new(Local::IdentityAbsent, "the token shows no private key that client_key names");
    found.first().copied().ok_or_else(absent)
}

/// Signs a text and verifies it with the key of the certificate.
fn check(key: &Key, bits: &[u8]) -> Result<(), Failure<Local>> {
    const TEXT: &[u8] = b"Is this the key of the certificate?";
    let scheme = key.0.schemes[0];
    let signature = key.0.sign(scheme, TEXT).map_err(|error| unusable(format!("the token does not sign: {error}")))?;
    let algorithms = provider().signature_verification_algorithms.mapping;
    let mut algorithms = algorithms.iter().filter(|(known, _)| *known == scheme).flat_map(|(_, list)| *list);
    let fits = algorithms.any(|algorithm| algorithm.verify_signature(bits, TEXT, &signature).is_ok());
    fits.then_some(()).ok_or_else(|| unusable("the key on the token is not the one that the certificate is for"))
}

/// The kinds of keys that tokens sign with here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Rsa,
    P256,
    P384,
}

impl Kind {
    const fn word(self) -> &'static str {
        match self {
            Self::Rsa => "RSA",
            Self::P256 => "P-256",
            Self::P384 => "P-384",
        }
    }

    /// What TLS calls the signatures that such a key can make with these mechanisms, the best first.
    fn schemes(self, offered: &[MechanismType]) -> Vec<SignatureScheme> {
        let with = |mechanism: MechanismType, schemes: &[SignatureScheme]| {
            if offered.contains(&mechanism) { schemes.to_vec() } else { Vec::new() }
        };
        match self {
            Self::P256 => with(MechanismType::ECDSA, &[SignatureScheme::ECDSA_NISTP256_SHA256]),
            Self::P384 => with(MechanismType::ECDSA, &[SignatureScheme::ECDSA_NISTP384_SHA384]),
            Self::Rsa => [with(MechanismType::RSA_PKCS_PSS, &PSS), with(MechanismType::RSA_PKCS, &PKCS1)].concat(),
        }
    }
}

const PSS: [SignatureScheme; 3] =
    [SignatureScheme::RSA_PSS_SHA256, SignatureScheme::RSA_PSS_SHA384, SignatureScheme::RSA_PSS_SHA512];
const PKCS1: [SignatureScheme; 3] =
    [SignatureScheme::RSA_PKCS1_SHA256, SignatureScheme::RSA_PKCS1_SHA384, SignatureScheme::RSA_PKCS1_SHA512];

/// The kind and the bits of a certificate's public key.
fn public_key(leaf: &CertificateDer<'_>) -> Result<(Kind, Vec<u8>), Failure<Local>> {
    let (_, leaf) = X509Certificate::from_der(leaf).map_err(|_| unusable("the certificate cannot be decoded"))?;
    let key = leaf.public_key();
    let kind = match key.parsed() {
        Ok(PublicKey::RSA(_)) => Kind::Rsa,
        Ok(PublicKey::EC(point)) if point.key_size() == 256 => Kind::P256,
        Ok(PublicKey::EC(point)) if point.key_size() == 384 => Kind::P384,
        _ => {
            let detail = "the certificate's key is of a kind that no token signs with here: RSA, P-256 and P-384 it is";
            return Err(Failure::new(Local::EngineUnfit, detail));
        }
    };
    Ok((kind, key.subject_public_key.data.to_vec()))
}

/// A private key on a token, in a session that is logged in.
struct Token {
    session: Mutex<Session>,
    handle: ObjectHandle,
    kind: Kind,
    /// Never none.
    schemes: Vec<SignatureScheme>,
}

impl Token {
    fn sign(&self, scheme: SignatureScheme, message: &[u8]) -> Result<Vec<u8>, rustls::Error> {
        use SignatureScheme as S;
        let (hash, prefix, pss) = match scheme {
            S::RSA_PKCS1_SHA256 | S::RSA_PSS_SHA256 | S::ECDSA_NISTP256_SHA256 => {
                let parameters = pss(MechanismType::SHA256, PkcsMgfType::MGF1_SHA256, 32);
                (Sha256::digest(message).to_vec(), DIGEST_INFO_SHA256, parameters)
            }
            S::RSA_PKCS1_SHA384 | S::RSA_PSS_SHA384 | S::ECDSA_NISTP384_SHA384 => {
                let parameters = pss(MechanismType::SHA384, PkcsMgfType::MGF1_SHA384, 48);
                (Sha384::digest(message).to_vec(), DIGEST_INFO_SHA384, parameters)
            }
            _ => {
                let parameters = pss(MechanismType::SHA512, PkcsMgfType::MGF1_SHA512, 64);
                (Sha512::digest(message).to_vec(), DIGEST_INFO_SHA512, parameters)
            }
        };
        match self.kind {
            Kind::P256 | Kind::P384 => self.ask(&Mechanism::Ecdsa, &hash).map(|signature| ecdsa_der(&signature)),
            Kind::Rsa if PSS.contains(&scheme) => self.ask(&Mechanism::RsaPkcsPss(pss), &hash),
            Kind::Rsa => self.ask(&Mechanism::RsaPkcs, &[&prefix, &hash[..]].concat()),
        }
    }

    fn ask(&self, mechanism: &Mechanism<'_>, data: &[u8]) -> Result<Vec<u8>, rustls::Error> {
        let session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        session.sign(mechanism, self.handle, data).map_err(|error| rustls::Error::General(words(&error)))
    }
}

fn pss(hash_alg: MechanismType, mgf: PkcsMgfType, salt: u64) -> PkcsPssParams {
    PkcsPssParams { hash_alg, mgf, s_len: salt.into() }
}

/// What stands before a hash that is signed by PKCS #1 version 1.5 (RFC 8017 section 9.2).
const DIGEST_INFO_SHA256: [u8; 19] = digest_info(1, 32);
const DIGEST_INFO_SHA384: [u8; 19] = digest_info(2, 48);
const DIGEST_INFO_SHA512: [u8; 19] = digest_info(3, 64);

const fn digest_info(algorithm: u8, length: u8) -> [u8; 19] {
    let total = 17 + length;
    let mut info = [0x30, total, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0, 5, 0, 4, 0];
    info[14] = algorithm;
    info[18] = length;
    info
}

/// The two numbers of a signature as TLS has them (RFC 3279 section 2.2.3); tokens give them one behind the other.
fn ecdsa_der(signature: &[u8]) -> Vec<u8> {
    let (r, s) = signature.split_at(signature.len() / 2);
    let integer = |octets: &[u8]| {
        let octets = der::number(octets);
        let positive: &[u8] = if octets.first().is_none_or(|first| *first >= 0x80) { &[0] } else { &[] };
        der::write(der::tag::INTEGER, &[positive, octets])
    };
    der::write(der::tag::SEQUENCE, &[&integer(r), &integer(s)])
}

/// The key on the token as rustls asks for it.
#[derive(Clone)]
struct Key(Arc<Token>);

impl fmt::Debug for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "a {} key on a token", self.0.kind.word())
    }
}

impl SigningKey for Key {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        let scheme = self.0.schemes.iter().copied().find(|scheme| offered.contains(scheme))?;
        Some(Box::new(Hand { token: self.0.clone(), scheme }))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        match self.0.kind {
            Kind::Rsa => SignatureAlgorithm::RSA,
            Kind::P256 | Kind::P384 => SignatureAlgorithm::ECDSA,
        }
    }
}

/// One signature to be made.
struct Hand {
    token: Arc<Token>,
    scheme: SignatureScheme,
}

impl fmt::Debug for Hand {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?} by a token", self.scheme)
    }
}

impl Signer for Hand {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rustls::Error> {
        self.token.sign(self.scheme, message)
    }

    fn scheme(&self) -> SignatureScheme {
        self.scheme
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_of_tokens_become_der() {
        assert_eq!(ecdsa_der(&[0, 1, 0x80, 2]), [0x30, 0x08, 0x02, 0x01, 1, 0x02, 0x03, 0, 0x80, 2]);
    }
}
