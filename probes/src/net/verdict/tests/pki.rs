//! Certificates for the rows, valid around one fixed instant.

use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CustomExtension, DnType,
    ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, Issuer, KeyIdMethod, KeyPair, NameConstraints, RevokedCertParams,
    SerialNumber, SigningKey as _, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, UnixTime};

use super::super::RevocationList;

pub(super) type Der = CertificateDer<'static>;

/// The host that the rows ask for.
pub(super) const HOST: &str = "www.shop.test";

/// 2027-01-15, the day on which the rows are judged.
pub(super) fn now() -> UnixTime {
    let seconds = date_time_ymd(2027, 1, 15).unix_timestamp();
    UnixTime::since_unix_epoch(Duration::from_secs(seconds.cast_unsigned()))
}

/// A certificate authority.
pub(super) struct Ca {
    pub(super) der: Der,
    issuer: Issuer<'static, KeyPair>,
}

impl Ca {
    pub(super) fn root(params: CertificateParams) -> Self {
        let key = KeyPair::generate().unwrap();
        let der = params.self_signed(&key).unwrap().into();
        Self { der, issuer: signer(params, key) }
    }

    /// A CA below this one.
    pub(super) fn ca(&self, params: CertificateParams) -> Self {
        let key = KeyPair::generate().unwrap();
        let der = params.signed_by(&key, &self.issuer).unwrap().into();
        Self { der, issuer: signer(params, key) }
    }

    /// This CA's certificate for the name and the key of another one.
    pub(super) fn cross_sign(&self, other: &Self, params: &CertificateParams) -> Der {
        params.signed_by(other.issuer.key(), &self.issuer).unwrap().into()
    }

    /// Signs bytes, with ECDSA and SHA-256.
    pub(super) fn sign(&self, bytes: &[u8]) -> Vec<u8> {
        self.issuer.key().sign(bytes).unwrap()
    }

    #[allow(clippy::needless_pass_by_value, reason = "rows make their parameters on the spot")]
    pub(super) fn issue(&self, params: CertificateParams) -> Der {
        self.issue_for(&params, &KeyPair::generate().unwrap())
    }

    pub(super) fn issue_for(&self, params: &CertificateParams, key: &impl rcgen::PublicKeyData) -> Der {
        params.signed_by(key, &self.issuer).unwrap().into()
    }

    /// A revocation list of these serials, valid between two days from now.
    pub(super) fn revoke(&self, serials: &[&[u8]], from: i64, to: i64) -> RevocationList {
        RevocationList::decode(&self.list(serials, from, to)).unwrap()
    }

    /// The same as DER.
    pub(super) fn list(&self, serials: &[&[u8]], from: i64, to: i64) -> Vec<u8> {
        let params = days(CertificateParams::default(), from, to);
        let revoked = serials.iter().map(|serial| RevokedCertParams {
            serial_number: SerialNumber::from_slice(serial),
            revocation_time: params.not_before,
            reason_code: None,
            invalidity_date: None,
        });
        let list = CertificateRevocationListParams {
            this_update: params.not_before,
            next_update: params.not_after,
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.issuer).unwrap().der().to_vec()
    }
}

/// Signs whatever it is asked to: rcgen would keep to the key usage.
fn signer(mut params: CertificateParams, key: KeyPair) -> Issuer<'static, KeyPair> {
    params.key_usages.clear();
    Issuer::new(params, key)
}

/// A CA of this name, valid from long ago to long after.
pub(super) fn ca(name: &str) -> CertificateParams {
    let mut params = days(CertificateParams::default(), -1000, 1000);
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.use_authority_key_identifier_extension = true;
    params
}

pub(super) fn limited_ca(name: &str, below: u8) -> CertificateParams {
    let mut params = ca(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(below));
    params
}

/// The certificate of a server for these names, the first its common name; 90 days old, for 90 days more.
pub(super) fn leaf(names: &[&str]) -> CertificateParams {
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    let common_name = names.first().map_or(HOST, String::as_str).to_owned();
    let mut params = days(CertificateParams::new(names).unwrap(), -90, 90);
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.use_authority_key_identifier_extension = true;
    params
}

/// Valid between two days, counted from now.
pub(super) fn days(mut params: CertificateParams, from: i64, to: i64) -> CertificateParams {
    let day = |count: i64| {
        let seconds = now().as_secs().cast_signed() + count * 86_400;
        rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds.cast_unsigned())
    };
    (params.not_before, params.not_after) = (day(from), day(to));
    params
}

/// For clients only.
pub(super) fn client(mut params: CertificateParams) -> CertificateParams {
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params
}

/// A CA for names below a domain only.
pub(super) fn only_below(mut params: CertificateParams, domain: &str) -> CertificateParams {
    let permitted_subtrees = vec![GeneralSubtree::DnsName(domain.to_owned())];
    params.name_constraints = Some(NameConstraints { permitted_subtrees, excluded_subtrees: Vec::new() });
    params
}

/// With a critical extension nobody knows.
pub(super) fn critical(mut params: CertificateParams) -> CertificateParams {
    let mut extension = CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99999, 1], vec![5, 0]);
    extension.set_criticality(true);
    params.custom_extensions.push(extension);
    params
}

/// Without the key id of the issuer, so that names alone tell who it is.
pub(super) fn without_key_id(mut params: CertificateParams) -> CertificateParams {
    params.use_authority_key_identifier_extension = false;
    params
}

/// The same certificate with one bit of its signature turned.
pub(super) fn broken(der: &Der) -> Der {
    let mut bytes = der.to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    bytes.into()
}
