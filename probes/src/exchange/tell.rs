//! The exchange as `-v` shows it.

use http::{Request, header};

use super::{Answer, version_name};
use crate::net::Attempt;
use crate::secret::{MASK, mask_url, mask_urls};

/// Tells a request; fields that are marked as sensitive without their values.
pub(super) fn tell_request<B>(attempt: &Attempt<'_>, request: &Request<B>) {
    if !tracing::enabled!(target: "conversation", tracing::Level::DEBUG) {
        return;
    }
    let (method, target) = (attempt.strike(request.method().as_str()), attempt.strike(&request.uri().to_string()));
    tracing::debug!(target: "conversation", "> {method} {target} HTTP/{}", version_name(request.version()));
    for (name, value) in request.headers() {
        let value = if value.is_sensitive() { MASK.into() } else { String::from_utf8_lossy(value.as_bytes()) };
        tracing::debug!(target: "conversation", "> {}: {}", attempt.strike(name.as_str()), attempt.strike(&value));
    }
}

/// Tells the head of a response.
pub(super) fn tell_response(attempt: &Attempt<'_>, answer: &Answer) {
    if !tracing::enabled!(target: "conversation", tracing::Level::DEBUG) {
        return;
    }
    tracing::debug!(target: "conversation", "< HTTP/{} {}", version_name(answer.version), answer.status.as_u16());
    for (name, value) in &answer.headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        let value = attempt.strike(&value);
        let value = if *name == header::LOCATION { mask_url(&value) } else { mask_urls(&value) };
        let name = attempt.strike(name.as_str());
        tracing::debug!(target: "conversation", "< {name}: {value}");
    }
}
