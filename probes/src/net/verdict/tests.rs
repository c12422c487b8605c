//! One row a defect, one by one and in the combinations that tell: the exact list of faults, and the one that decides.

#![allow(clippy::unwrap_used, reason = "a test that cannot make its certificates has failed")]

mod demands;
mod hostile;
mod pki;
mod status;
mod structure;
mod trust;

use rustls::pki_types::{CertificateDer, ServerName};

use self::pki::{Ca, Der, HOST, ca, days, leaf, now};
use super::*;

/// What a row expects: the faults found, in the order of the checks, and the one that decides.
#[derive(Debug, PartialEq)]
struct Expected(Vec<Fault>, Option<Fault>);

const fn good() -> Expected {
    Expected(Vec::new(), None)
}

fn one(fault: Fault) -> Expected {
    Expected(vec![fault], Some(fault))
}

fn several<const N: usize>(faults: [Fault; N]) -> Expected {
    Expected(faults.to_vec(), Some(Fault::Several))
}

fn demands() -> Demands {
    Demands::new(ServerName::try_from(HOST).unwrap())
}

fn for_host(host: &str) -> Demands {
    Demands::new(ServerName::try_from(host.to_owned()).unwrap())
}

fn judged(chain: &[&Der], trusted: &[&Der], demands: &Demands) -> Verdict {
    let chain: Vec<_> = chain.iter().map(|der| (*der).clone()).collect();
    judged_with(&chain, &[], trusted, demands)
}

fn judged_with(chain: &[Der], staple: &[u8], trusted: &[&Der], demands: &Demands) -> Verdict {
    judge(chain, staple, &Anchors::new(trusted.iter().map(|der| (*der).clone())), demands, now())
}

#[track_caller]
fn check(row: &str, chain: &[&Der], trusted: &[&Der], demands: &Demands, expected: &Expected) {
    let verdict = judged(chain, trusted, demands);
    let faults = verdict.problems.iter().map(|problem| problem.fault).collect();
    let decision = verdict.decision().map(|(fault, _)| fault);
    assert_eq!(Expected(faults, decision), *expected, "{row}: {:#?}", verdict.problems);
}

#[track_caller]
fn detail(chain: &[&Der], trusted: &[&Der], demands: &Demands) -> String {
    judged(chain, trusted, demands).decision().unwrap().1
}

#[test]
fn a_good_chain_has_no_problem() {
    let root = Ca::root(ca("Root"));
    let mid = root.ca(ca("Issuing"));
    let cert = mid.issue(leaf(&[HOST]));
    check("good", &[&cert, &mid.der], &[&root.der], &demands(), &good());
    check("good, root presented", &[&cert, &mid.der, &root.der], &[&root.der], &demands(), &good());
    let verdict = judged(&[&cert, &mid.der], &[&root.der], &demands());
    assert_eq!(verdict.leaf_expiry(), Some(now().as_secs().cast_signed() + 90 * 86_400));
    assert_eq!(verdict.earliest_expiry(), verdict.leaf_expiry());
}

#[test]
fn dates() {
    let root = Ca::root(ca("Root"));
    let mid = root.ca(ca("Issuing"));
    let expired = mid.issue(days(leaf(&[HOST]), -90, -3));
    let early = mid.issue(days(leaf(&[HOST]), 2, 90));
    check("expired leaf", &[&expired, &mid.der], &[&root.der], &demands(), &one(Fault::Expired));
    check("leaf not yet valid", &[&early, &mid.der], &[&root.der], &demands(), &one(Fault::NotYetValid));
    let said = "certificate \"CN=www.shop.test\" expired 2027-01-12T00:00:00Z, 3 days ago";
    assert_eq!(detail(&[&expired, &mid.der], &[&root.der], &demands()), said);
    let said = "certificate \"CN=www.shop.test\" is not valid before 2027-01-17T00:00:00Z, in 2 days";
    assert_eq!(detail(&[&early, &mid.der], &[&root.der], &demands()), said);

    let old = root.ca(days(ca("Old"), -900, -1));
    let cert = old.issue(leaf(&[HOST]));
    check("expired intermediate", &[&cert, &old.der], &[&root.der], &demands(), &one(Fault::Expired));

    let old = Ca::root(days(ca("Old root"), -900, -1));
    let cert = old.issue(leaf(&[HOST]));
    check("expired root", &[&cert], &[&old.der], &demands(), &one(Fault::Expired));
    let own = old.issue(days(leaf(&[HOST]), -90, -3));
    let both = Expected(vec![Fault::Expired; 2], Some(Fault::Expired));
    check("two certificates expired are one kind", &[&own], &[&old.der], &demands(), &both);
    let turned = mid.issue(days(leaf(&[HOST]), 5, -5));
    check("ends before it begins", &[&turned, &mid.der], &[&root.der], &demands(), &one(Fault::Expired));
}

#[test]
fn windows_without_a_common_instant() {
    let root = Ca::root(ca("Root"));
    let mid = root.ca(days(ca("Old"), -900, -400));
    let cert = mid.issue(leaf(&[HOST]));
    check("one date row", &[&cert, &mid.der], &[&root.der], &demands(), &one(Fault::Expired));
    let broken = pki::broken(&cert);
    let both = several([Fault::Expired, Fault::Signature]);
    check("and the leaf's signature", &[&broken, &mid.der], &[&root.der], &demands(), &both);
    let broken = pki::broken(&mid.der);
    check("and the intermediate's signature", &[&cert, &broken], &[&root.der], &demands(), &both);
    let client = mid.issue(pki::client(leaf(&[HOST])));
    let both = several([Fault::Expired, Fault::Purpose]);
    check("and the purpose", &[&client, &mid.der], &[&root.der], &demands(), &both);
    let authority = mid.ca(leaf_named_ca());
    let both = several([Fault::Expired, Fault::Constraints]);
    check("and a CA as a server", &[&authority.der, &mid.der], &[&root.der], &demands(), &both);

    let narrow = root.ca(pki::only_below(ca("Narrow"), "other.test"));
    let mid = narrow.ca(days(ca("Old"), -900, -400));
    let cert = mid.issue(leaf(&[HOST]));
    check("and a constraint above", &[&cert, &mid.der, &narrow.der], &[&root.der], &demands(), &both);
}

fn leaf_named_ca() -> rcgen::CertificateParams {
    let mut params = ca(HOST);
    params.subject_alt_names = leaf(&[HOST]).subject_alt_names;
    params
}

#[test]
fn names() {
    let root = Ca::root(ca("Root"));
    let trusted = &[&root.der];
    let several_names = root.issue(leaf(&["a.test", "b.test", "c.test", "d.test", "e.test"]));
    check("wrong DNS name", &[&several_names], trusted, &demands(), &one(Fault::NameMismatch));
    let said = "certificate is for a.test, b.test, c.test (and 2 more), not for www.shop.test";
    assert_eq!(detail(&[&several_names], trusted, &demands()), said);

    let by_address = root.issue(leaf(&["192.0.2.1", "2001:db8::1"]));
    check("right IP", &[&by_address], trusted, &for_host("192.0.2.1"), &good());
    check("right IPv6", &[&by_address], trusted, &for_host("2001:db8::1"), &good());
    check("wrong IP", &[&by_address], trusted, &for_host("192.0.2.2"), &one(Fault::NameMismatch));
    check("only addresses, name asked", &[&by_address], trusted, &demands(), &one(Fault::NoName));
    check("only names, IP asked", &[&several_names], trusted, &for_host("192.0.2.1"), &one(Fault::NoName));
    let said = "certificate \"CN=a.test\" has no IP address, but a.test, b.test, c.test (and 2 more); \
                asked for was 192.0.2.1";
    assert_eq!(detail(&[&several_names], trusted, &for_host("192.0.2.1")), said);

    let nameless = root.issue(leaf(&[]));
    check("no names but the common name", &[&nameless], trusted, &demands(), &one(Fault::NoName));
    let wildcard = root.issue(leaf(&["*.shop.test"]));
    check("wildcard", &[&wildcard], trusted, &demands(), &good());
    check("wildcard, two labels", &[&wildcard], trusted, &for_host("a.www.shop.test"), &one(Fault::NameMismatch));
    check("wildcard, no label", &[&wildcard], trusted, &for_host("shop.test"), &one(Fault::NameMismatch));
    check("case", &[&wildcard], trusted, &for_host("WWW.Shop.TEST"), &good());
}

#[test]
fn combinations() {
    let root = Ca::root(ca("Root"));
    let expired = root.issue(days(leaf(&["a.test"]), -90, -3));
    let both = [Fault::Expired, Fault::NameMismatch];
    check("expired, wrong name", &[&expired], &[&root.der], &demands(), &several(both));
    let said = "2 faults: certificate \"CN=a.test\" expired 2027-01-12T00:00:00Z, 3 days ago; \
                certificate is for a.test, not for www.shop.test";
    assert_eq!(detail(&[&expired], &[&root.der], &demands()), said);
    let all = [Fault::Expired, Fault::NameMismatch, Fault::UnknownIssuer];
    check("expired, wrong name, unknown issuer", &[&expired], &[], &demands(), &several(all));
    let all = [Fault::Expired, Fault::NameMismatch, Fault::UntrustedRoot];
    check("expired, wrong name, untrusted root", &[&expired, &root.der], &[], &demands(), &several(all));
    let nameless = root.issue(leaf(&[]));
    let fingerprint = Demands { cert_sha256: Some([7; 32]), ..demands() };
    let same = Expected(vec![Fault::NoName, Fault::Fingerprint], Some(Fault::NoName));
    check("two faults of one kind", &[&nameless], &[&root.der], &fingerprint, &same);
}

#[test]
fn bytes_that_are_no_certificate() {
    let root = Ca::root(ca("Root"));
    let garbage = CertificateDer::from(&b"not a certificate"[..]);
    let cert = root.issue(leaf(&[HOST]));
    let mut longer = cert.to_vec();
    longer.push(0);
    check("garbage", &[&garbage], &[&root.der], &demands(), &one(Fault::Encoding));
    check("bytes behind it", &[&longer.into()], &[&root.der], &demands(), &one(Fault::Encoding));
    check("nothing", &[], &[&root.der], &demands(), &one(Fault::Encoding));
    assert_eq!(detail(&[], &[&root.der], &demands()), "no certificate");
    check("superfluous garbage", &[&cert, &garbage], &[&root.der, &garbage], &demands(), &good());
    let mid = root.ca(ca("Issuing"));
    let cert = mid.issue(leaf(&[HOST]));
    check("garbage for the intermediate", &[&cert, &garbage], &[&root.der], &demands(), &one(Fault::Encoding));
}

#[test]
fn a_description_is_bounded_and_plain() {
    let names: Vec<_> = (0..300).map(|number| format!("n{number}.test")).collect();
    let mut params = leaf(&names.iter().map(String::as_str).collect::<Vec<_>>());
    params.distinguished_name.push(rcgen::DnType::CommonName, format!("a\u{1b}[31m\u{202e}\n{}", "x".repeat(1000)));
    let cert = Ca::root(ca("Root")).issue(days(params, -10, 365 * 2000));
    let garbage = CertificateDer::from(&b"garbage"[..]);
    let mut chain = vec![cert, garbage];
    chain.resize(40, chain[0].clone());
    let summaries = describe(&chain);
    assert_eq!(summaries.len(), 16);
    assert_eq!((summaries[0].names.len(), summaries[0].names[99].as_str()), (100, "n99.test"));
    assert_eq!(summaries[0].subject.chars().count(), 256);
    assert!(summaries[0].subject.starts_with("CN=a\u{fffd}[31m\u{fffd}\u{fffd}xxx"), "{}", summaries[0].subject);
    assert_eq!(summaries[0].issuer, "CN=Root");
    assert_eq!(summaries[0].not_before, "2027-01-05T00:00:00Z");
    let hash = "795b6904e54f82411df4b0e27a373a55eea3f9d66dac5a9bce1dd92f7b401da5";
    assert_eq!((summaries[1].subject.as_str(), summaries[1].not_after.as_str()), ("", ""));
    assert_eq!(summaries[1].sha256, hash);
    assert_eq!(super::describe::date(253_402_300_799), "9999-12-31T23:59:59Z");
}
