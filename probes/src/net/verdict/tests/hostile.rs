//! What a server may send to waste time: bounded work, the right answer where there is one, and no panic.

use std::time::{Duration, Instant};

use super::pki::{client, without_key_id};
use super::*;

/// Far above what the judgement takes in a debug build on a busy machine, far below what no bound would cost.
const LIMIT: Duration = Duration::from_millis(500);

#[track_caller]
fn check_in_time(row: &str, chain: &[&Der], trusted: &[&Der], expected: &Expected) {
    let start = Instant::now();
    check(row, chain, trusted, &demands(), expected);
    let took = start.elapsed();
    assert!(took < LIMIT, "{row} took {took:?}");
}

#[test]
fn a_long_chain() {
    let root = Ca::root(ca("Root"));
    let mut cas = vec![root.ca(ca("CA 0"))];
    for number in 1..100 {
        cas.push(cas[number - 1].ca(ca(&format!("CA {number}"))));
    }
    let cert = cas[99].issue(leaf(&[HOST]));
    let long: Vec<_> = std::iter::once(&cert).chain(cas.iter().rev().map(|ca| &ca.der)).collect();
    check_in_time("a hundred", &long, &[&root.der], &one(Fault::UnknownIssuer));
    let six = cas[5].issue(leaf(&[HOST]));
    let longest: Vec<_> = std::iter::once(&six).chain(cas[..6].iter().rev().map(|ca| &ca.der)).collect();
    check_in_time("eight with the root", &longest, &[&root.der], &good());
}

#[test]
fn many_issuers_of_one_name() {
    let root = Ca::root(ca("Root"));
    let same: Vec<_> = (0..64).map(|_| root.ca(without_key_id(ca("Same")))).collect();
    let cert = same[63].issue(without_key_id(leaf(&[HOST])));
    let chain: Vec<_> = std::iter::once(&cert).chain(same.iter().map(|ca| &ca.der)).collect();
    check_in_time("the last is right", &chain, &[&root.der], &good());
    check_in_time("none is right", &chain[..64], &[&root.der], &one(Fault::Signature));
    check_in_time("none leads anywhere", &chain, &[], &one(Fault::UnknownIssuer));
}

#[test]
fn a_thicket() {
    let seed = Ca::root(without_key_id(ca("Same")));
    // Each is named as its own issuer, is signed by another, and fits below and above all others.
    let same: Vec<_> = (0..64).map(|_| seed.ca(without_key_id(ca("Same")))).collect();
    let cert = same[7].issue(without_key_id(leaf(&[HOST])));
    let mut chain: Vec<_> = std::iter::once(&cert).chain(same.iter().map(|ca| &ca.der)).collect();
    check_in_time("no way out", &chain, &[], &several([Fault::UntrustedRoot, Fault::Signature]));
    let root = Ca::root(ca("Root"));
    let way = root.cross_sign(&same[7], &without_key_id(ca("Same")));
    chain.push(&way);
    check_in_time("one way out", &chain, &[&root.der], &good());
}

#[test]
fn a_tower() {
    let root = Ca::root(without_key_id(ca("Level 0")));
    let mut top = None;
    let mut chain = Vec::new();
    for level in 1..7 {
        let name = format!("Level {level}");
        let issuer = top.as_ref().unwrap_or(&root);
        let next = issuer.ca(without_key_id(ca(&name)));
        // Four certificates of one name and key: 4^6 paths, all good but for their first CA's purpose.
        for days_ago in 0..4 {
            let params = without_key_id(days(ca(&name), -900 - days_ago, 900));
            chain.push(issuer.cross_sign(&next, &if level == 1 { client(params) } else { params }));
        }
        top = Some(next);
    }
    let cert = top.unwrap().issue(without_key_id(leaf(&[HOST])));
    let tower: Vec<_> = std::iter::once(&cert).chain(&chain).collect();
    check_in_time("a tower", &tower, &[&root.der], &one(Fault::Purpose));
}

#[test]
fn ten_thousand_names() {
    let root = Ca::root(ca("Root"));
    let names: Vec<_> = (0..10_000).map(|number| format!("n{number:04}.t")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let cert = root.issue(leaf(&names[..4_000]));
    check_in_time("64 KiB", &[&cert], &[&root.der], &one(Fault::NameMismatch));
    let cert = root.issue(leaf(&names));
    let verdict = judged(&[&cert], &[&root.der], &demands());
    assert!(verdict.decision().unwrap().1.len() < 500);
}

#[test]
fn truncated_anywhere() {
    let root = Ca::root(ca("Root"));
    let cert = root.issue(leaf(&[HOST]));
    for length in 0..cert.len() {
        let cut = CertificateDer::from(cert[..length].to_vec());
        check("truncated", &[&cut], &[&root.der], &demands(), &one(Fault::Encoding));
    }
    for position in 0..cert.len() {
        let mut bytes = cert.to_vec();
        bytes[position] ^= 0x55;
        let changed = CertificateDer::from(bytes);
        assert!(judged(&[&changed], &[&root.der], &demands()).decision().is_some(), "byte {position}");
        let _ = describe(&[changed]);
    }
}
