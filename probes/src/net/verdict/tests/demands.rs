//! What the task demands beside trust, with and without verification.

use super::*;

/// A serial that no revocation list of another row has.
const SERIAL: &[u8] = &[0x12, 0x34, 0x56];

fn numbered(names: &[&str], serial: &[u8]) -> rcgen::CertificateParams {
    let mut params = leaf(names);
    params.serial_number = Some(rcgen::SerialNumber::from_slice(serial));
    params
}

fn unverified() -> Demands {
    Demands { verify: false, ..demands() }
}

fn pin_of(der: &Der) -> [u8; 32] {
    Sha256::digest(Certificate::decode(der).unwrap().key).into()
}

#[test]
fn fingerprints() {
    let root = Ca::root(ca("Root"));
    let cert = root.issue(leaf(&[HOST]));
    let right = Demands { cert_sha256: Some(Sha256::digest(&cert).into()), ..demands() };
    let wrong = Demands { cert_sha256: Some([7; 32]), ..demands() };
    check("right", &[&cert], &[&root.der], &right, &good());
    check("wrong", &[&cert], &[&root.der], &wrong, &one(Fault::Fingerprint));
    check("right, yet not trusted", &[&cert], &[], &right, &one(Fault::UnknownIssuer));
    check("without verify", &[&cert], &[], &Demands { verify: false, ..right }, &good());
    check("wrong without verify", &[&cert], &[], &Demands { verify: false, ..wrong }, &one(Fault::Fingerprint));
}

#[test]
fn pins() {
    let root = Ca::root(ca("Root"));
    let mid = root.ca(ca("Issuing"));
    let cert = mid.issue(leaf(&[HOST]));
    let chain = [&cert, &mid.der];
    let pinned = |pin| Demands { pins: vec![[7; 32], pin], ..demands() };
    check("leaf", &chain, &[&root.der], &pinned(pin_of(&cert)), &good());
    for (row, der) in [("intermediate", &mid.der), ("root", &root.der)] {
        check(row, &chain, &[&root.der], &pinned(pin_of(der)), &one(Fault::Pin));
    }
    check("none", &chain, &[&root.der], &pinned([8; 32]), &one(Fault::Pin));
    let stray = Ca::root(ca("Stray")).der;
    check("beside the path", &[&cert, &mid.der, &stray], &[&root.der], &pinned(pin_of(&stray)), &one(Fault::Pin));
    let both = Expected(vec![Fault::UnknownIssuer, Fault::Pin], Some(Fault::UnknownIssuer));
    check("trust goes first", &chain, &[], &pinned([8; 32]), &both);

    let loose = |pin| Demands { verify: false, ..pinned(pin) };
    check("chain without a path", &chain, &[], &loose(pin_of(&cert)), &good());
    check("none of it", &chain, &[], &loose([8; 32]), &one(Fault::Pin));
    // A stranger's leaf that bears the name of a pinned issuer, and that issuer's certificate behind it.
    let forged = Ca::root(ca("Issuing")).issue(pki::without_key_id(leaf(&[HOST])));
    check("forged link", &[&forged, &mid.der], &[&root.der], &loose(pin_of(&mid.der)), &one(Fault::Pin));
}

#[test]
fn issuers() {
    let root = Ca::root(ca("Root"));
    let mid = root.ca(ca("Issuing"));
    let cert = mid.issue(leaf(&[HOST]));
    let by = |der: &Der| Demands { issuer: Some(der.clone()), ..demands() };
    let chain = [&cert, &mid.der];
    check("right", &chain, &[&root.der], &by(&mid.der), &good());
    check("further up", &chain, &[&root.der], &by(&root.der), &one(Fault::IssuerMismatch));
    let said = "certificate \"CN=www.shop.test\" was issued by \"CN=Issuing\", the task demands \"CN=Root\"";
    assert_eq!(detail(&chain, &[&root.der], &by(&root.der)), said);
    let namesake = root.ca(ca("Issuing")).der;
    check("namesake", &chain, &[&root.der], &by(&namesake), &one(Fault::IssuerMismatch));
    let both = Expected(vec![Fault::Pin, Fault::IssuerMismatch], Some(Fault::Pin));
    check("after the pin", &chain, &[&root.der], &Demands { pins: vec![[7; 32]], ..by(&root.der) }, &both);
}

#[test]
fn revocation() {
    let root = Ca::root(ca("Root"));
    let mid = root.ca(ca("Issuing"));
    let cert = mid.issue(numbered(&[HOST], SERIAL));
    let chain = [&cert, &mid.der];
    let trusted = &[&root.der];
    let by = |list: RevocationList| Demands { crls: vec![list], ..demands() };
    check("not listed", &chain, trusted, &by(mid.revoke(&[&[1]], -1, 1)), &good());
    check("listed", &chain, trusted, &by(mid.revoke(&[&[1], SERIAL], -1, 1)), &one(Fault::Revoked));
    check("stale", &chain, trusted, &by(mid.revoke(&[], -9, -2)), &one(Fault::RevocationUnusable));
    let said = "the revocation list of \"CN=Issuing\" is stale: its next one was due 2027-01-13T00:00:00Z, 2 days ago";
    assert_eq!(detail(&chain, trusted, &by(mid.revoke(&[], -9, -2))), said);
    check("of the future", &chain, trusted, &by(mid.revoke(&[], 1, 2)), &one(Fault::RevocationUnusable));
    check("stale, yet listed", &chain, trusted, &by(mid.revoke(&[SERIAL], -9, -2)), &one(Fault::Revoked));
    let namesake = root.ca(ca("Issuing"));
    let forged = by(namesake.revoke(&[SERIAL], -1, 1));
    check("wrong signer", &chain, trusted, &forged, &one(Fault::RevocationUnusable));
    check("another CA's", &chain, trusted, &by(root.revoke(&[SERIAL], -1, 1)), &one(Fault::RevocationUnusable));
    let mut params = ca("Issuing");
    params.key_usages = vec![rcgen::KeyUsagePurpose::KeyCertSign];
    let silent = root.ca(params);
    let list = by(silent.revoke(&[], -1, 1));
    let own = silent.issue(leaf(&[HOST]));
    check("may not sign", &[&own, &silent.der], trusted, &list, &one(Fault::RevocationUnusable));
    assert!(RevocationList::decode(b"garbage").is_none());
    let lists = vec![mid.revoke(&[], -9, -2), mid.revoke(&[], -1, 1), root.revoke(&[], -1, 1)];
    check("one of several is good", &chain, trusted, &Demands { crls: lists, ..demands() }, &good());
}

#[test]
fn revocation_decides_first() {
    let root = Ca::root(ca("Root"));
    let mut params = ca("Issuing");
    params.serial_number = Some(rcgen::SerialNumber::from_slice(SERIAL));
    let mid = root.ca(params);
    let cert = mid.issue(leaf(&[HOST]));
    let crls = vec![root.revoke(&[SERIAL], -1, 1), mid.revoke(&[], -1, 1)];
    let by = Demands { crls: crls.clone(), ..demands() };
    check("an intermediate", &[&cert, &mid.der], &[&root.der], &by, &one(Fault::Revoked));

    let old = root.ca(days(ca("Old"), -900, -400));
    let cert = old.issue(numbered(&["a.test"], SERIAL));
    let by = Demands { crls: vec![old.revoke(&[SERIAL], -1, 1)], ..demands() };
    let chain = [&cert, &old.der];
    let all = Expected(vec![Fault::Expired, Fault::NameMismatch, Fault::Revoked], Some(Fault::Revoked));
    check("expired, wrong name", &chain, &[&root.der], &by, &all);
    let all = [Fault::Expired, Fault::NameMismatch, Fault::UnknownIssuer];
    check("not over a path that is not good", &chain, &[], &by, &several(all));
    let loose = Demands { verify: false, ..by };
    check("without verify", &chain, &[], &loose, &one(Fault::Revoked));
    let cut = Expected(vec![Fault::RevocationUnusable], Some(Fault::RevocationUnusable));
    check("without verify, issuer unknown", &[&cert], &[], &loose, &cut);
}

#[test]
fn without_verification() {
    let root = Ca::root(ca("Root"));
    let expired = root.issue(days(leaf(&["a.test"]), -90, -1));
    check("all wrong", &[&pki::broken(&expired)], &[], &unverified(), &good());
    let garbage = CertificateDer::from(&b"garbage"[..]);
    check("garbage", &[&garbage], &[], &unverified(), &good());
    let pinned = Demands { pins: vec![[7; 32]], ..unverified() };
    check("garbage, pinned", &[&garbage], &[], &pinned, &one(Fault::Pin));
    let fingerprint = Demands { cert_sha256: Some([7; 32]), ..unverified() };
    check("garbage, fingerprint", &[&garbage], &[], &fingerprint, &one(Fault::Fingerprint));
}
