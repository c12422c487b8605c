//! `openssl s_server`: client certificates, versions and ciphers, revocation.

use super::upload;
use crate::authority::authority;
use crate::run::{Run, probe};
use crate::stack::{Listener, stack};

const REQUIRE: &str = "revocation = \"require\"";
const DEMANDING: [&str; 3] = ["-Verify", "1", "-verify_return_error"];
const VERSIONS: [&str; 2] = ["-tls1_2", "-tls1_3"];

/// Downloads the page of a server with this certificate of the authority.
fn https(certificate: &str, server: &[&str], tls: &str) -> Run {
    let server = authority().serve(certificate, server);
    let ca = authority().file("ca.pem");
    probe(&server.url(), &format!("[task.tls]\nca_file = {ca:?}\n{tls}\n[task.transfer]"))
}

#[test]
fn a_page() {
    for version in VERSIONS {
        https("bare", &[version], "").succeeded(0).with_phases(&["connect", "tls", "send", "wait", "receive"]);
    }
}

#[test]
fn client_certificates() {
    let identity = |certificate: String, key: String| format!("client_cert = {certificate:?}\nclient_key = {key:?}");
    let own = identity(authority().file("client.pem"), authority().file("client.key"));
    let stranger = identity(stack().certificate("client.pem"), stack().certificate("client.key"));
    for version in VERSIONS {
        let server = [&[version][..], &DEMANDING].concat();
        https("bare", &server, "").failed(612, "tls.client_certificate.required");
        https("bare", &server, &stranger).failed(651, "tls.client_certificate.rejected");
        https("bare", &server, &own).succeeded(0);
        // An upload, whose body is on its way when TLS 1.3 refuses.
        let server = authority().serve("bare", &server);
        let ca = authority().file("ca.pem");
        let lines = format!("[task.tls]\nca_file = {ca:?}\n[task.transfer]\n{}", upload(10_000_000));
        probe(&server.url(), &lines).failed(612, "tls.client_certificate.required");
    }
    // One that is asked for and not demanded.
    https("bare", &["-verify", "1"], "").succeeded(0);
    // Certificates of the server go first.
    https("bare_revoked", &[&["-status_file", "bare_revoked.staple"][..], &DEMANDING].concat(), "")
        .failed(640, "tls.certificate.revoked");
    let mutual = format!("https://{}/", stack().address(Listener::Mutual));
    probe(&mutual, "[task.transfer]").failed(653, "tls.certificate.unknown_issuer");
}

#[test]
fn nothing_in_common() {
    https("bare", &["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"], "").failed(634, "tls.nothing_in_common");
    https("bare", &["-tls1_2", "-cipher", "AES128-SHA"], "").failed(634, "tls.nothing_in_common");
    https("client_rsa", &["-tls1_2", "-cipher", "AES128-SHA"], "").failed(634, "tls.nothing_in_common");
    https("bare", &["-tls1_3"], "max_version = \"1.2\"").failed(634, "tls.nothing_in_common");
    https("bare", &["-groups", "secp521r1"], "").failed(634, "tls.nothing_in_common");
}

#[test]
fn revocation() {
    https("ocsp", &[], REQUIRE).succeeded(0);
    https("ocsp_revoked", &[], REQUIRE).failed(640, "tls.certificate.revoked");
    https("crl", &[], REQUIRE).succeeded(0);
    https("crl_revoked", &[], REQUIRE).failed(640, "tls.certificate.revoked");
    let list = authority().file("crl.list");
    https("bare_revoked", &[], &format!("crl_file = {list:?}")).failed(640, "tls.certificate.revoked");
    https("bare", &[], REQUIRE).failed(639, "tls.certificate.revocation_none");
}

#[test]
fn staples() {
    for version in VERSIONS {
        let stapled = |name: &str, staple: &str, tls: &str| https(name, &[version, "-status_file", staple], tls);
        stapled("bare", "bare.staple", "verify_status = true").succeeded(0);
        stapled("must_staple", "must_staple.staple", "").succeeded(0);
        stapled("bare_revoked", "bare_revoked.staple", "").failed(640, "tls.certificate.revoked");
        stapled("bare", "bare_revoked.staple", "verify_status = true").failed(662, "tls.certificate.staple");
        https("bare", &[version], "verify_status = true").failed(662, "tls.certificate.staple");
        https("must_staple", &[version], "").failed(662, "tls.certificate.staple");
    }
}

#[test]
fn pins_and_issuers() {
    https("bare", &[], &format!("issuer_cert = {:?}", stack().certificate("ca.pem")))
        .failed(660, "tls.certificate.issuer_mismatch");
    https("bare", &[], "pins = [\"sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"]")
        .failed(661, "tls.certificate.pin");
}
