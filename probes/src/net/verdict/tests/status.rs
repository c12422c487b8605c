//! Staples, must-staple, and what is asked about revocation; the scripted peers have the many ways to be wrong.

use super::super::der::{tag, write};
use super::super::ocsp;
use super::super::status::Said;
use super::*;
use sha2::Sha256;

/// A response of the issuer for a certificate, good from yesterday until tomorrow; SHA-256 names the certificate.
fn response(issuer: &Ca, der: &Der, status: &[u8]) -> Vec<u8> {
    const BASIC: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x01];
    const ECDSA_SHA256: &[u8] = &[0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
    const SHA256: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01];
    let (certificate, signer) = (Certificate::decode(der).unwrap(), Certificate::decode(&issuer.der).unwrap());
    let sequence = |parts: &[&[u8]]| write(tag::SEQUENCE, parts);
    let hash = |bytes: &[u8]| write(tag::OCTET_STRING, &[&Sha256::digest(bytes)]);
    let serial = write(tag::INTEGER, &[certificate.serial_contents().unwrap()]);
    let algorithm = sequence(&[&write(tag::OBJECT_IDENTIFIER, &[SHA256])]);
    let id = sequence(&[&algorithm, &hash(signer.subject), &hash(signer.key_bits().unwrap()), &serial]);
    let time = |text: &str| write(0x18, &[text.as_bytes()]);
    let single = sequence(&[&id, status, &time("20270114000000Z"), &write(0xa0, &[&time("20270116000000Z")])]);
    let data = sequence(&[&write(0xa1, &[signer.subject]), &time("20270114000000Z"), &sequence(&[&single])]);
    let basic = sequence(&[&data, ECDSA_SHA256, &write(0x03, &[&[0], &issuer.sign(&data)])]);
    let bytes = sequence(&[&write(tag::OBJECT_IDENTIFIER, &[BASIC]), &write(tag::OCTET_STRING, &[&basic])]);
    sequence(&[&write(tag::ENUMERATED, &[&[0]]), &write(0xa0, &[&bytes])])
}

const GOOD: &[u8] = &[0x80, 0x00];

fn revoked() -> Vec<u8> {
    write(0xa1, &[&write(0x18, &[b"20270110000000Z"])])
}

fn with_features(list: &[u8]) -> rcgen::CertificateParams {
    let mut params = leaf(&[HOST]);
    let features = rcgen::CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 24], list.to_vec());
    params.custom_extensions.push(features);
    params
}

fn decision(chain: &[Der], staple: &[u8], trusted: &[&Der], demands: &Demands) -> Option<Fault> {
    judged_with(chain, staple, trusted, demands).decision().map(|(fault, _)| fault)
}

#[test]
fn staples() {
    let root = Ca::root(ca("Root"));
    let cert = root.issue(leaf(&[HOST]));
    let chain = [cert.clone()];
    let demanded = Demands { staple: true, ..demands() };
    let (good, bad) = (response(&root, &cert, GOOD), response(&root, &cert, &revoked()));
    assert_eq!(decision(&chain, &good, &[&root.der], &demanded), None);
    assert_eq!(decision(&chain, &[], &[&root.der], &demanded), Some(Fault::Staple));
    assert_eq!(decision(&chain, &[], &[&root.der], &demands()), None);
    for demands in [demanded, demands()] {
        assert_eq!(decision(&chain, &bad, &[&root.der], &demands), Some(Fault::Revoked));
        assert_eq!(decision(&chain, &bad, &[], &demands), Some(Fault::UnknownIssuer), "nobody trusts who says so");
    }
    let forged = response(&Ca::root(ca("Root")), &cert, &revoked());
    assert_eq!(decision(&chain, &forged, &[&root.der], &demands()), None);
}

#[test]
fn must_staple() {
    let root = Ca::root(ca("Root"));
    let rows: [(&[u8], bool); 5] = [
        (&[0x30, 0x03, 0x02, 0x01, 0x05], true),
        (&[0x30, 0x06, 0x02, 0x01, 0x11, 0x02, 0x01, 0x05], true),
        (&[0x30, 0x03, 0x02, 0x01, 0x11], false),
        (&[0x30, 0x00], false),
        (&[0x05, 0x00], false),
    ];
    for (features, wanted) in rows {
        let cert = root.issue(with_features(features));
        let missing = wanted.then_some(Fault::Staple);
        assert_eq!(decision(std::slice::from_ref(&cert), &[], &[&root.der], &demands()), missing, "{features:?}");
        let loose = Demands { verify: false, ..demands() };
        assert_eq!(decision(std::slice::from_ref(&cert), &[], &[&root.der], &loose), None, "{features:?}");
    }
}

/// What a response says is signed: a turned bit may go unseen in its wrapping, and makes nothing else of what it says.
#[test]
fn staples_turned_and_cut_anywhere() {
    let root = Ca::root(ca("Root"));
    let cert = root.issue(leaf(&[HOST]));
    let (certificate, issuer) = (Certificate::decode(&cert).unwrap(), Certificate::decode(&root.der).unwrap());
    let seconds = now().as_secs().cast_signed();
    for staple in [response(&root, &cert, GOOD), response(&root, &cert, &revoked())] {
        let said = |bytes: &[u8]| ocsp::read(bytes, &certificate, &issuer, seconds).said;
        let whole = said(&staple);
        for at in 0..staple.len() {
            let mut turned = staple.clone();
            turned[at] ^= 1 << (at % 8);
            let other = said(&turned);
            assert!(other == whole || !matches!(other, Said::Good | Said::Revoked), "byte {at}: {other:?}");
            assert_ne!(said(&staple[..at]), whole, "cut at {at}");
            let _ = ocsp::speaks_of_revocation(&turned);
        }
    }
}

#[test]
fn lists_turned_and_cut_anywhere() {
    let root = Ca::root(ca("Root"));
    let cert = root.issue(leaf(&[HOST]));
    let list = root.list(&[&[1], &[2, 3]], -1, 1);
    let by = |der: &[u8]| Some(Demands { crls: vec![RevocationList::decode(der)?], ..demands() });
    let chain = [cert];
    assert_eq!(decision(&chain, &[], &[&root.der], &by(&list).unwrap()), None);
    for at in 0..list.len() {
        let mut turned = list.clone();
        turned[at] ^= 1 << (at % 8);
        let faults = by(&turned).map(|demands| decision(&chain, &[], &[&root.der], &demands));
        let harmless = matches!(faults, None | Some(None | Some(Fault::RevocationUnusable)));
        assert!(harmless, "byte {at}: {faults:?}");
        assert!(by(&list[..at]).is_none(), "cut at {at}");
    }
}

#[test]
fn what_is_asked_is_bounded() {
    let root = Ca::root(ca("Root"));
    let place = |index: i32| rcgen::CrlDistributionPoint { uris: vec![format!("http://127.0.0.1/{index}")] };
    let naming = |mut params: rcgen::CertificateParams, from: i32| {
        params.crl_distribution_points = (from..from + 1000).map(place).collect();
        params
    };
    let mut above = root.ca(naming(ca("Above 0"), 0));
    let mut chain = vec![above.der.clone()];
    for index in 1..4 {
        above = above.ca(naming(ca(&format!("Above {index}")), index * 1000));
        chain.insert(0, above.der.clone());
    }
    chain.insert(0, above.issue(naming(leaf(&[HOST]), 9000)));
    let verdict = judged_with(&chain, &[], &[&root.der], &Demands { revocation: true, ..demands() });
    assert_eq!(verdict.decision(), None, "it is open");
    let inquiry = verdict.inquiry.unwrap();
    assert_eq!(inquiry.questions().len(), 8);
    let answers = vec![Answer::Unreachable("nobody is there".to_owned()); 8];
    let concluded = inquiry.conclude(&answers, now().as_secs().cast_signed());
    assert_eq!(concluded.decision().map(|(fault, _)| fault), Some(Fault::RevocationOffline));
    assert_eq!(concluded.sources.len(), 5 * 4);
}

#[test]
fn a_root_is_not_asked_about() {
    let root = Ca::root(ca("Root"));
    let asked = Demands { revocation: true, ..demands() };
    let own = root.issue(leaf(&[HOST]));
    assert_eq!(decision(std::slice::from_ref(&own), &[], &[&own], &asked), None, "a leaf that is trusted itself");
    assert_eq!(decision(&[own, root.der.clone()], &[], &[&root.der], &asked), Some(Fault::RevocationNone));
}
