//! Signatures, purposes, constraints and keys on a path that leads to a trusted root.

use rcgen::SubjectPublicKeyInfo;
use rustls::pki_types::pem::PemObject;

use super::pki::{broken, client, critical, limited_ca, only_below};
use super::*;

#[test]
fn signatures() {
    let root = Ca::root(ca("Root"));
    let mid = root.ca(ca("Issuing"));
    let cert = mid.issue(leaf(&[HOST]));
    let trusted = &[&root.der];
    check("leaf", &[&broken(&cert), &mid.der], trusted, &demands(), &one(Fault::Signature));
    check("intermediate", &[&cert, &broken(&mid.der)], trusted, &demands(), &one(Fault::Signature));
    let said = "the signature of certificate \"CN=Issuing\" does not fit the key of its issuer certificate \"CN=Root\"";
    assert_eq!(detail(&[&cert, &broken(&mid.der)], trusted, &demands()), said);
    let expired = mid.issue(days(leaf(&[HOST]), -90, -1));
    let both = several([Fault::Expired, Fault::Signature]);
    check("and expired", &[&broken(&expired), &mid.der], trusted, &demands(), &both);
}

#[test]
fn purposes() {
    let root = Ca::root(ca("Root"));
    let trusted = &[&root.der];
    let mut server = client(leaf(&[HOST]));
    server.insert_extended_key_usage(rcgen::ExtendedKeyUsagePurpose::ServerAuth);
    check("none", &[&root.issue(leaf(&[HOST]))], trusted, &demands(), &good());
    check("client and server", &[&root.issue(server)], trusted, &demands(), &good());
    check("client", &[&root.issue(client(leaf(&[HOST])))], trusted, &demands(), &one(Fault::Purpose));
    let said = "certificate \"CN=www.shop.test\" is not made for servers but for clients (extended key usage)";
    assert_eq!(detail(&[&root.issue(client(leaf(&[HOST])))], trusted, &demands()), said);
    let mid = root.ca(client(ca("Issuing")));
    let cert = mid.issue(leaf(&[HOST]));
    check("an issuer for clients", &[&cert, &mid.der], trusted, &demands(), &one(Fault::Purpose));
}

#[test]
fn constraints() {
    let root = Ca::root(ca("Root"));
    let trusted = &[&root.der];
    let mid = root.ca(leaf(&["issuer.test"]));
    let cert = mid.issue(leaf(&[HOST]));
    check("issued by no CA", &[&cert, &mid.der], trusted, &demands(), &one(Fault::Constraints));
    let said = "certificate \"CN=issuer.test\" issued another certificate without being a CA";
    assert_eq!(detail(&[&cert, &mid.der], trusted, &demands()), said);

    let upper = root.ca(limited_ca("Upper", 0));
    let lower = upper.ca(ca("Lower"));
    let cert = lower.issue(leaf(&[HOST]));
    check("too long", &[&cert, &lower.der, &upper.der], trusted, &demands(), &one(Fault::Constraints));
    check("long enough", &[&upper.issue(leaf(&[HOST])), &upper.der], trusted, &demands(), &good());

    let narrow = root.ca(only_below(ca("Narrow"), "other.test"));
    let cert = narrow.issue(leaf(&[HOST]));
    check("names forbidden", &[&cert, &narrow.der], trusted, &demands(), &one(Fault::Constraints));
    let narrow = root.ca(only_below(ca("Narrow"), "shop.test"));
    check("names allowed", &[&narrow.issue(leaf(&[HOST])), &narrow.der], trusted, &demands(), &good());

    let authority = root.ca(leaf_named_ca()).der;
    check("a CA as a server", &[&authority], trusted, &demands(), &one(Fault::Constraints));
    check("the same, untrusted", &[&authority, &root.der], &[], &demands(), &one(Fault::UntrustedRoot));
    check("the same, issuer unknown", &[&authority], &[], &demands(), &one(Fault::UnknownIssuer));
}

#[test]
fn what_cannot_be_read() {
    let root = Ca::root(ca("Root"));
    let trusted = &[&root.der];
    let cert = root.issue(critical(leaf(&[HOST])));
    check("extension", &[&cert], trusted, &demands(), &one(Fault::CriticalExtension));
    check(
        "names matched",
        &[&cert],
        trusted,
        &for_host("a.test"),
        &several([Fault::NameMismatch, Fault::CriticalExtension]),
    );
    let nameless = root.issue(critical(leaf(&[])));
    check("no names", &[&nameless], trusted, &demands(), &several([Fault::NoName, Fault::CriticalExtension]));
    let names: Vec<_> = (0..40).map(|number| format!("n{number}.test")).chain([HOST.to_owned()]).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let cert = root.issue(critical(leaf(&names)));
    check("many names", &[&cert], trusted, &demands(), &one(Fault::CriticalExtension));
    let mid = root.ca(critical(ca("Issuing")));
    let cert = mid.issue(leaf(&[HOST]));
    check("of the intermediate", &[&cert, &mid.der], trusted, &demands(), &one(Fault::CriticalExtension));
    let said = "certificate \"CN=Issuing\" has a critical extension that is not known";
    assert_eq!(detail(&[&cert, &mid.der], trusted, &demands()), said);
    let anchor = Ca::root(critical(ca("Root")));
    check("of the root", &[&anchor.issue(leaf(&[HOST]))], &[&anchor.der], &demands(), &good());
}

/// RSA of 1024 bits, which no library here makes any more.
const WEAK_KEY: &str = "-----BEGIN PUBLIC KEY-----
MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDqKZcXPwyyjkRTSQpiFEVZ1zCI
x9qvLGpUWxhkmepi8jf+4wZXYL0y5FeyWjmvAHK19VorkS8K4/N1YUSYI6JUqbDY
PVcupS1InI1qLCr/udYEh1a3+SUk7TBKU0kZ8KvSPGLk3oMphvh8NSYqNEpU+8WJ
j8X9isCaLx6pBWI1sQIDAQAB
-----END PUBLIC KEY-----";

const WEAK_ROOT: &str = "-----BEGIN CERTIFICATE-----
MIIB5TCCAU6gAwIBAgIUWnb89yfztmbPBpyZB7Eiu7A9axUwDQYJKoZIhvcNAQEL
BQAwFDESMBAGA1UEAwwJV2VhayBSb290MCAXDTI2MTEyMTEyMTMxOFoYDzIxMjYx
MDI4MTIxMzE4WjAUMRIwEAYDVQQDDAlXZWFrIFJvb3QwgZ8wDQYJKoZIhvcNAQEB
BQADgY0AMIGJAoGBAOoplxc/DLKORFNJCmIURVnXMIjH2q8salRbGGSZ6mLyN/7j
BldgvTLkV7JaOa8AcrX1WiuRLwrj83VhRJgjolSpsNg9Vy6lLUicjWosKv+51gSH
Vrf5JSTtMEpTSRnwq9I8YuTegymG+Hw1Jio0SlT7xYmPxf2KwJovHqkFYjWxAgMB
AAGjMjAwMA8GA1UdEwEB/wQFMAMBAf8wHQYDVR0OBBYEFMhx1Egu7fy3Nbnc7jbh
RkNPDlF8MA0GCSqGSIb3DQEBCwUAA4GBABZxgIwp2ht4aDIkc3A/aZS+79ZZ2Ax/
SDAdJu1guJlOvGX261emaWAvUTv5fLCWDdyb8eyF0AEcX+rHGbDhvq2MlO9WNatm
kxN49TiX72fJFH8I6x4B/NrWhiDUnlWU30GR+Y9rNY4q5vhTGnJV1BMawhOgapS6
789e8l/jSASD
-----END CERTIFICATE-----";

const LEAF_OF_WEAK_ROOT: &str = "-----BEGIN CERTIFICATE-----
MIIBwjCCASugAwIBAgIUKQY9MAuKpKHCIf7tgXeDNB9NLEgwDQYJKoZIhvcNAQEL
BQAwFDESMBAGA1UEAwwJV2VhayBSb290MCAXDTI2MTEyMTEyMTMxOFoYDzIxMjYx
MDI4MTIxMzE4WjATMREwDwYDVQQDDAh3d3cudGVzdDBZMBMGByqGSM49AgEGCCqG
SM49AwEHA0IABJxkBH6R5ZI6pkQHcv6RI7Ib4Tr3VrQvKtLfko1bT/ICdeC1soQN
5iALol9459gxU8vibCDOUk6pdmdVrsgTFJCjVzBVMBMGA1UdEQQMMAqCCHd3dy50
ZXN0MB0GA1UdDgQWBBSLbSZLKzCKW/FG/OhXxnWCbWItOzAfBgNVHSMEGDAWgBTI
cdRILu38tzW53O424UZDTw5RfDANBgkqhkiG9w0BAQsFAAOBgQDb7c3/rdRiRYGO
SBLsyHYuz/NYDWdMmqY3YlPp0n4Z1wfi1P4x8kBeDTUb2c1IEqF/0mmyYG0Uir1R
EDycu+dZNMKpNZhaHG62LL8HLVSoxE1L+J0Yg1rK3uTMUiC9E2VrbaWcmtYsym9B
2mm0DEwVgjwzfDTwvuc2LKMJFF3bEA==
-----END CERTIFICATE-----";

#[test]
fn weak_keys() {
    let root = Ca::root(ca("Root"));
    let weak = root.issue_for(&leaf(&[HOST]), &SubjectPublicKeyInfo::from_pem(WEAK_KEY).unwrap());
    check("leaf", &[&weak], &[&root.der], &demands(), &one(Fault::WeakKey));
    let said = "certificate \"CN=www.shop.test\" has an RSA key of 1024 bits, fewer than 2048";
    assert_eq!(detail(&[&weak], &[&root.der], &demands()), said);
    let [weak_root, cert] =
        [WEAK_ROOT, LEAF_OF_WEAK_ROOT].map(|pem| CertificateDer::from_pem_slice(pem.as_bytes()).unwrap());
    let host = for_host("www.test");
    check("root", &[&cert], &[&weak_root], &host, &one(Fault::WeakKey));
    check("untrusted root", &[&cert, &weak_root], &[], &host, &several([Fault::UntrustedRoot, Fault::WeakKey]));
}
