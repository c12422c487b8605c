//! Which path is found, and what it leads to.

use super::pki::{broken, client, without_key_id};
use super::*;

#[test]
fn untrusted() {
    let root = Ca::root(ca("Root"));
    let other = Ca::root(ca("Other"));
    let mid = root.ca(ca("Issuing"));
    let cert = mid.issue(leaf(&[HOST]));
    let trusted = &[&other.der];
    check("root presented", &[&cert, &mid.der, &root.der], trusted, &demands(), &one(Fault::UntrustedRoot));
    check("root not presented", &[&cert, &mid.der], trusted, &demands(), &one(Fault::UnknownIssuer));
    check("missing intermediate", &[&cert], &[&root.der], &demands(), &one(Fault::UnknownIssuer));
    check("a root that is not its own", &[&cert, &root.der], trusted, &demands(), &one(Fault::UnknownIssuer));
    let said = "issuer \"CN=Issuing\" of certificate \"CN=www.shop.test\" is neither presented nor trusted";
    assert_eq!(detail(&[&cert], trusted, &demands()), said);
    let said = "certificate \"CN=Root\" is self-signed and not trusted";
    assert_eq!(detail(&[&cert, &mid.der, &root.der], trusted, &demands()), said);

    let both = several([Fault::UntrustedRoot, Fault::Signature]);
    check("and broken", &[&broken(&cert), &mid.der, &root.der], trusted, &demands(), &both);
    let both = several([Fault::UnknownIssuer, Fault::Purpose]);
    check("and for clients", &[&mid.issue(client(leaf(&[HOST])))], trusted, &demands(), &both);
}

#[test]
fn self_signed_leaf() {
    let other = Ca::root(ca("Other"));
    let trusted = &[&other.der];
    let plain = Ca::root(leaf(&[HOST])).der;
    let authority = Ca::root(leaf_named_ca()).der;
    check("CA:FALSE", &[&plain], trusted, &demands(), &one(Fault::UntrustedRoot));
    check("CA:TRUE", &[&authority], trusted, &demands(), &one(Fault::UntrustedRoot));
    check("no anchors", &[&authority], &[], &demands(), &one(Fault::UntrustedRoot));
    check("CA:FALSE, trusted", &[&plain], &[&plain], &demands(), &good());
    check("CA:TRUE, trusted", &[&authority], &[&authority], &demands(), &good());
    let both = several([Fault::UntrustedRoot, Fault::Purpose]);
    let for_clients = Ca::root(client(leaf_named_ca())).der;
    check("CA:TRUE for clients", &[&for_clients], trusted, &demands(), &both);
    check("the same, trusted", &[&for_clients], &[&for_clients], &demands(), &one(Fault::Purpose));
    let expired = Ca::root(days(leaf_named_ca(), -90, -1)).der;
    check("expired, trusted", &[&expired], &[&expired], &demands(), &one(Fault::Expired));
    let namesake = Ca::root(without_key_id(leaf_named_ca())).der;
    check("a namesake is trusted", &[&namesake], &[&authority], &demands(), &one(Fault::UntrustedRoot));
    let issued = other.issue(leaf(&[HOST]));
    check("a trusted leaf of an unknown issuer", &[&issued], &[&issued], &demands(), &good());
}

#[test]
fn disorder_is_no_fault() {
    let root = Ca::root(ca("Root"));
    let upper = root.ca(ca("Upper"));
    let lower = upper.ca(ca("Lower"));
    let cert = lower.issue(leaf(&[HOST]));
    let stray = Ca::root(ca("Stray"));
    let trusted = &[&root.der];
    check("shuffled", &[&cert, &upper.der, &lower.der], trusted, &demands(), &good());
    let many = [&cert, &stray.der, &root.der, &upper.der, &cert, &lower.der, &lower.der];
    check("superfluous", &many, trusted, &demands(), &good());

    let twin = upper.ca(ca("Lower"));
    check("two of a name", &[&cert, &twin.der, &lower.der, &upper.der], trusted, &demands(), &good());
    let cert = lower.issue(without_key_id(leaf(&[HOST])));
    check("without key ids", &[&cert, &twin.der, &lower.der, &upper.der], trusted, &demands(), &good());
    let untrusted = [&cert, &twin.der, &lower.der, &upper.der, &root.der];
    check("untrusted", &untrusted, &[&stray.der], &demands(), &one(Fault::UntrustedRoot));
}

#[test]
fn two_trusted_roots_of_a_name() {
    let (first, second) = (Ca::root(ca("Root")), Ca::root(ca("Root")));
    let cert = second.issue(without_key_id(leaf(&[HOST])));
    check("the right one counts", &[&cert], &[&first.der, &second.der], &demands(), &good());
    check("only the wrong one", &[&cert], &[&first.der], &demands(), &one(Fault::Signature));
    let cert = second.issue(leaf(&[HOST]));
    check("the wrong one by key id", &[&cert], &[&first.der], &demands(), &one(Fault::UnknownIssuer));
}

#[test]
fn cross_signed() {
    let old = Ca::root(days(ca("Old root"), -1000, -10));
    let new = Ca::root(ca("New root"));
    let cross = old.cross_sign(&new, &days(ca("New root"), -900, -10));
    let mid = new.ca(ca("Issuing"));
    let cert = mid.issue(leaf(&[HOST]));
    let chain = [&cert, &mid.der, &cross];
    check("the way that is not expired", &chain, &[&old.der, &new.der], &demands(), &good());
    let expired = Expected(vec![Fault::Expired; 2], Some(Fault::Expired));
    check("only the expired way", &chain, &[&old.der], &demands(), &expired);

    let back = new.cross_sign(&old, &ca("Old root"));
    check(
        "a circle",
        &[&cert, &mid.der, &cross, &back],
        &[],
        &demands(),
        &Expected(vec![Fault::Expired, Fault::UnknownIssuer], Some(Fault::Several)),
    );
    check("a circle with a way out", &[&cert, &mid.der, &cross, &back], &[&new.der], &demands(), &good());
}
