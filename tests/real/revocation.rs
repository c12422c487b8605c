//! Revocation as OpenSSL has it: its responder, its lists, its staples.

use crate::authority::authority;
use crate::run::{Run, probe};

/// Probes a server with this certificate of the authority.
fn https(certificate: &str, server: &[&str], tls: &str) -> Run {
    let server = authority().serve(certificate, server);
    let ca = authority().file("ca.pem");
    probe(&server.url(), &format!("[task.tls]\nca_file = {ca:?}\n{tls}\n[task.http]"))
}

const REQUIRE: &str = "revocation = \"require\"";

#[test]
fn a_responder_says_good_or_revoked() {
    let good = https("ocsp", &[], REQUIRE).succeeded(200).with("/evidence/tls/revocation/0/source", "ocsp");
    good.with("/evidence/tls/revocation/0/status", "good");
    let revoked = https("ocsp_revoked", &[], REQUIRE).failed(611, "tls.certificate.revoked");
    revoked.with("/evidence/tls/revocation/0/status", "revoked").with("/phase", "tls");
}

#[test]
fn a_list_says_good_or_revoked() {
    https("crl", &[], REQUIRE).succeeded(200).with("/evidence/tls/revocation/0/source", "crl");
    https("crl_revoked", &[], REQUIRE).failed(611, "tls.certificate.revoked");
    let list = authority().file("crl.list");
    https("bare", &[], &format!("crl_file = {list:?}")).succeeded(200);
    https("bare_revoked", &[], &format!("crl_file = {list:?}")).failed(611, "tls.certificate.revoked");
}

#[test]
fn nobody_says_anything() {
    https("bare", &[], REQUIRE).failed(611, "tls.certificate.revocation_none");
}

#[test]
fn a_staple_says_good_or_revoked() {
    for version in ["-tls1_2", "-tls1_3"] {
        let stapled = |name: &str, staple: &str, tls: &str| https(name, &[version, "-status_file", staple], tls);
        stapled("bare", "bare.staple", "verify_status = true").succeeded(200);
        stapled("bare", "bare.staple", REQUIRE).succeeded(200);
        stapled("must_staple", "must_staple.staple", "").succeeded(200);
        stapled("bare_revoked", "bare_revoked.staple", "").failed(611, "tls.certificate.revoked");
        stapled("bare", "bare_revoked.staple", "verify_status = true").failed(611, "tls.certificate.staple");
        https("bare", &[version], "verify_status = true").failed(611, "tls.certificate.staple");
        https("must_staple", &[version], "").failed(611, "tls.certificate.staple");
    }
}

/// Every way in which `openssl pkcs8` encrypts today, and did since PKCS #8 has schemes of its own.
#[test]
fn encrypted_client_keys() {
    let schemes: [(&str, &[&str]); 4] = [
        ("aes256", &["-v2", "aes-256-cbc"]),
        ("aes128", &["-v2", "aes-128-cbc", "-v2prf", "hmacWithSHA512"]),
        ("des3", &["-v2", "des3", "-v2prf", "hmacWithSHA1"]),
        ("scrypt", &["-scrypt"]),
    ];
    for (name, scheme) in schemes {
        let key = format!("client-{name}.key");
        let convert = ["pkcs8", "-topk8", "-in", "client.key", "-out", &key, "-passout", "pass:correct horse"];
        authority().openssl(&[&convert, scheme].concat());
        let (certificate, key) = (authority().file("client.pem"), authority().file(&key));
        let lines =
            format!("client_cert = {certificate:?}\nclient_key = {key:?}\nclient_key_password = \"correct horse\"");
        let run = https("bare", &["-Verify", "1", "-verify_return_error"], &lines).succeeded(200);
        assert!(!run.printed().contains("correct horse"), "{run}");
    }
}
