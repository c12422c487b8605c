//! Who may come in: those with the token or the password of the settings, compared in a time that tells nothing of them.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq as _};
use tokio::sync::watch;

use super::answer::words;
use crate::config::Config;
use crate::settings::daemon::Web;

/// What tells nothing but that somebody answers, and is asked by those who know no secret.
const OPEN: &str = "/-/healthy";

/// Lets a request through that shows who it is from, or anyone's where the settings ask for nothing.
pub(super) async fn require(
    State(config): State<watch::Receiver<Arc<Config>>>,
    request: Request,
    next: Next,
) -> Response {
    let config = config.borrow().clone();
    let web = &config.settings.daemon.web;
    if request.uri().path() == OPEN || is_welcome(web, request.headers()) {
        return next.run(request).await;
    }
    let mut response = words(StatusCode::UNAUTHORIZED, "who asks? This needs the token, or user name and password");
    for (wanted, challenge) in [
        (web.basic.is_some(), "Basic realm=\"agent\", charset=\"UTF-8\""),
        (web.token.is_some(), "Bearer realm=\"agent\""),
    ] {
        if wanted {
            response.headers_mut().append(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
    }
    response
}

fn is_welcome(web: &Web, headers: &HeaderMap) -> bool {
    if web.token.is_none() && web.basic.is_none() {
        return true;
    }
    let mut shown = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(shown), None) = (shown.next().and_then(|value| value.to_str().ok()), shown.next()) else {
        return false;
    };
    let Some((scheme, proof)) = shown.split_once(' ') else { return false };
    let proof = proof.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return web.token.as_deref().is_some_and(|token| same(token.as_bytes(), proof.as_bytes()).into());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return false;
    }
    let (Some((name, password)), Ok(proof)) = (&web.basic, BASE64_STANDARD.decode(proof)) else { return false };
    let Some(colon) = proof.iter().position(|byte| *byte == b':') else { return false };
    (same(name.as_bytes(), &proof[..colon]) & same(password.as_bytes(), &proof[colon + 1..])).into()
}

/// Compares hashes, so that not even the length shows.
fn same(one: &[u8], other: &[u8]) -> Choice {
    Sha256::digest(one).as_slice().ct_eq(Sha256::digest(other).as_slice())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn welcome(web: &Web, shown: &[&str]) -> bool {
        let mut headers = HeaderMap::new();
        for value in shown {
            headers.append(header::AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        }
        is_welcome(web, &headers)
    }

    #[test]
    fn only_the_right_proof_opens() {
        let web =
            Web { token: Some("t0ken".to_owned()), basic: Some(("u".to_owned(), "p:w".to_owned())), ..Web::default() };
        let basic = |text: &str| format!("Basic {}", BASE64_STANDARD.encode(text));
        assert!(welcome(&web, &["Bearer t0ken"]));
        assert!(welcome(&web, &["bearer t0ken"]));
        assert!(welcome(&web, &[&basic("u:p:w")]));
        for wrong in [
            "Bearer t0ke",
            "Bearer t0ken2",
            "Bearer ",
            "t0ken",
            "Basic t0ken",
            "Digest t0ken",
            &basic("u"),
            &basic("u:p"),
            &basic(":p:w"),
        ] {
            assert!(!welcome(&web, &[wrong]), "{wrong}");
        }
        assert!(!welcome(&web, &[]));
        assert!(!welcome(&web, &["Bearer t0ken", "Bearer t0ken"]));
        assert!(welcome(&Web::default(), &[]));
    }
}
