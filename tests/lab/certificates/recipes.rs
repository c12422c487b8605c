//! The recipes: a chain for each way in which a chain can be bad, group by group.

use std::collections::BTreeMap;

use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa,
    KeyPair, NameConstraints, PKCS_RSA_SHA256, PublicKeyData, SanType, SerialNumber, SignatureAlgorithm,
};
use rustls::pki_types::CertificateDer;

use super::{
    DAY, Identity, REVOKED_SERIAL, Result, Signer, authority_params, expire, flip_last_byte, identity, leaf_params,
    misname, now, private_key,
};

/// The recipes, group by group.
pub(super) struct Recipes<'a> {
    pub(super) root: &'a Signer,
    pub(super) identities: BTreeMap<&'static str, Identity>,
}

impl Recipes<'_> {
    fn add(&mut self, recipe: &'static str, identity: Identity) {
        self.identities.insert(recipe, identity);
    }

    fn leaf(&mut self, recipe: &'static str, change: impl FnOnce(&mut CertificateParams)) -> Result<()> {
        let mut params = leaf_params();
        change(&mut params);
        let identity = self.root.identity(&params, &[])?;
        self.add(recipe, identity);
        Ok(())
    }

    /// Dates and names.
    pub(super) fn leaves(&mut self) -> Result<()> {
        self.leaf("good", |_| {})?;
        self.leaf("expired", expire)?;
        self.leaf("not_yet_valid", |params| {
            params.not_before = (now() + 3 * DAY).into();
            params.not_after = (now() + 30 * DAY).into();
        })?;
        self.leaf("wrong_name", misname)?;
        self.leaf("no_san", |params| params.subject_alt_names.clear())?;
        self.leaf("dns_only", |params| params.subject_alt_names.retain(|name| matches!(name, SanType::DnsName(_))))?;
        self.leaf("ip_only", |params| params.subject_alt_names.retain(|name| matches!(name, SanType::IpAddress(_))))?;
        self.leaf("expired_wrong_name", |params| {
            expire(params);
            misname(params);
        })?;
        self.leaf("revoked_expired", |params| {
            expire(params);
            params.serial_number = Some(SerialNumber::from(REVOKED_SERIAL));
        })?;
        self.leaf("revoked", |params| params.serial_number = Some(SerialNumber::from(REVOKED_SERIAL)))
    }

    /// What a certificate may be used for.
    pub(super) fn usage(&mut self) -> Result<()> {
        self.leaf("client_auth_only", |params| {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        })?;
        self.leaf("critical_extension", |params| {
            let mut unknown = CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99_999, 1], vec![0x05, 0x00]);
            unknown.set_criticality(true);
            params.custom_extensions.push(unknown);
        })?;
        self.leaf("unknown_extension", |params| {
            let unknown = CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99_999, 1], vec![0x05, 0x00]);
            params.custom_extensions.push(unknown);
        })
    }

    /// Intermediates and foreign roots.
    pub(super) fn chains(&mut self, stranger: &Signer) -> Result<()> {
        let leaf = leaf_params();
        let middle = self.root.below(authority_params("Lab Intermediate"))?;
        let mut params = authority_params("Lab Expired Intermediate");
        expire(&mut params);
        let expired = self.root.below(params)?;
        let mut params = authority_params("Lab Narrow Intermediate");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        let narrow = self.root.below(params)?;
        let too_deep = narrow.below(authority_params("Lab Too Deep Intermediate"))?;
        let mut params = authority_params("Lab Fenced Intermediate");
        params.name_constraints = Some(NameConstraints {
            permitted_subtrees: vec![GeneralSubtree::DnsName("elsewhere.test".to_owned())],
            excluded_subtrees: Vec::new(),
        });
        let fenced = self.root.below(params)?;
        let mut params = leaf_params();
        params.distinguished_name.push(DnType::CommonName, "not-an-authority.test");
        let not_an_authority = self.root.below(params)?;

        self.add("with_intermediate", middle.identity(&leaf, &[&middle.certificate])?);
        self.add("with_root", middle.identity(&leaf, &[&middle.certificate, &self.root.certificate])?);
        self.add("with_stray", middle.identity(&leaf, &[&stranger.certificate, &middle.certificate])?);
        self.add("missing_intermediate", middle.identity(&leaf, &[])?);
        self.add("intermediate_only", identity(middle.certificate.clone(), &[], &middle.key));
        self.add("expired_intermediate", expired.identity(&leaf, &[&expired.certificate])?);
        let mut params = leaf_params();
        expire(&mut params);
        self.add("both_expired", expired.identity(&params, &[&expired.certificate])?);
        self.add("path_length", too_deep.identity(&leaf, &[&too_deep.certificate, &narrow.certificate])?);
        self.add("name_constraints", fenced.identity(&leaf, &[&fenced.certificate])?);
        self.add("issued_by_leaf", not_an_authority.identity(&leaf, &[&not_an_authority.certificate])?);
        self.add("unknown_root_presented", stranger.identity(&leaf, &[&stranger.certificate])?);
        self.add("unknown_root_absent", stranger.identity(&leaf, &[])?);
        let mut params = leaf_params();
        expire(&mut params);
        misname(&mut params);
        self.add("expired_wrong_name_unknown_root", stranger.identity(&params, &[&stranger.certificate])?);
        Ok(())
    }

    /// Certificates that vouch for themselves.
    pub(super) fn without_authority(&mut self) -> Result<()> {
        let key = KeyPair::generate()?;
        self.add("self_signed", identity(leaf_params().self_signed(&key)?.der().clone(), &[], &key));
        let key = KeyPair::generate()?;
        let mut params = leaf_params();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        self.add("self_signed_ca", identity(params.self_signed(&key)?.der().clone(), &[], &key));
        Ok(())
    }

    /// Bytes and keys that do not fit.
    pub(super) fn broken(&mut self) -> Result<()> {
        let mut broken = self.root.identity(&leaf_params(), &[])?;
        broken.chain[0] = flip_last_byte(&broken.chain[0]);
        self.add("broken_signature", broken);

        let middle = self.root.below(authority_params("Lab Broken Intermediate"))?;
        let mut broken = middle.identity(&leaf_params(), &[&middle.certificate])?;
        broken.chain[1] = flip_last_byte(&broken.chain[1]);
        self.add("broken_intermediate", broken);

        let mut garbage = self.root.identity(&leaf_params(), &[])?;
        garbage.chain[0] = CertificateDer::from(b"no certificate, just words".to_vec());
        self.add("garbage", garbage);

        let mut other_key = self.root.identity(&leaf_params(), &[])?;
        other_key.key = private_key(&KeyPair::generate()?);
        self.add("wrong_key", other_key);

        // The agent must look at the key before it verifies anything with it, so that none is needed to sign.
        let mut weak = self.root.identity(&leaf_params(), &[])?;
        weak.chain[0] = self.root.sign(&leaf_params(), &ShortRsaKey::new())?;
        self.add("weak_key", weak);
        Ok(())
    }

    /// What the agent may present.
    pub(super) fn clients(&mut self, stranger: &Signer) -> Result<()> {
        let mut params = leaf_params();
        params.distinguished_name.push(DnType::CommonName, "probe");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.add("client", self.root.identity(&params, &[])?);
        self.add("client_stranger", stranger.identity(&params, &[])?);
        expire(&mut params);
        self.add("client_expired", self.root.identity(&params, &[])?);
        Ok(())
    }
}

/// An RSA key of 1024 bits; nobody knows the private half.
struct ShortRsaKey(Vec<u8>);

impl ShortRsaKey {
    fn new() -> Self {
        // RSAPublicKey (RFC 8017 appendix A.1.1): SEQUENCE { modulus of 1024 bits, 65537 }.
        let mut der = vec![0x30, 0x81, 0x89, 0x02, 0x81, 0x81, 0x00];
        der.extend((0_u8..128).map(|index| index.wrapping_mul(151) | 0x81));
        der.extend([0x02, 0x03, 0x01, 0x00, 0x01]);
        Self(der)
    }
}

impl PublicKeyData for ShortRsaKey {
    fn der_bytes(&self) -> &[u8] {
        &self.0
    }
    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_RSA_SHA256
    }
}
