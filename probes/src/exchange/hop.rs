//! One hop of a chain of redirects: where it leads, and what the evidence keeps of it.

use std::collections::BTreeMap;

use http::{HeaderMap, header};
use url::Url;

use super::{Answer, fits_a_request, version_name};
use crate::evidence;
use crate::net::Attempt;
use crate::phases::Phases;
use crate::secret::{Secrets, mask_url, mask_urls};

/// How a Location that cannot be used is shown.
const EXCERPT: usize = 512;

/// Begins a hop in the evidence.
pub(crate) fn open_hop(attempt: &mut Attempt<'_>, url: &Url) {
    attempt.begin_hop();
    attempt.evidence.hops.push(evidence::Hop {
        url: url.to_string(),
        remote: None,
        status: None,
        location: None,
        phases: Phases::default(),
    });
}

/// The URL that a redirect names, if it is one that can be followed, or why it is not.
pub(crate) fn location(from: &Url, answer: &Answer, secrets: &Secrets) -> Result<Url, String> {
    let status = answer.status.as_u16();
    let unusable = |why: String| mask_urls(&format!("{from} answered {status} {why}"));
    let value = answer.headers.get(header::LOCATION).ok_or_else(|| unusable("without a Location".to_owned()))?;
    let text =
        std::str::from_utf8(value.as_bytes()).map_err(|_| unusable("with a Location that is no text".to_owned()))?;
    if text.trim().is_empty() {
        return Err(unusable("with an empty Location".to_owned()));
    }
    // Struck out before it is cut, so that no secret is left in part.
    let shown: String = mask_url(&secrets.strike(text)).chars().take(EXCERPT).collect();
    // URL parsers mend `http:///x`, which names no host, to one named `x`.
    if text.split_once("://").is_some_and(|(scheme, rest)| is_http(scheme.trim()) && rest.starts_with(['/', '\\'])) {
        return Err(unusable(format!("with the Location `{shown}`, which names no host")));
    }
    let mut url = from.join(text).map_err(|error| unusable(format!("with the Location `{shown}`: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(unusable(format!("with the Location `{shown}`, which is no http or https URL")));
    }
    if url.port() == Some(0) {
        return Err(unusable(format!("with the Location `{shown}`, whose port nothing can listen on")));
    }
    if !fits_a_request(&url) {
        return Err(unusable(format!("with a Location of {} bytes, which no request can carry", text.len())));
    }
    // Credentials that a server puts there are not the task's: they are neither sent nor shown.
    if !url.username().is_empty() || url.password().is_some() {
        let cleared = url.set_username("").and_then(|()| url.set_password(None));
        cleared.map_err(|()| unusable("with credentials in the Location".to_owned()))?;
    }
    Ok(url)
}

fn is_http(scheme: &str) -> bool {
    scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https")
}

/// A secret of the task in a Location may look different in the URL that it becomes (normalised, as an internationalised
/// host): a part in which it cannot be recognised any more is as secret as itself.
pub(crate) fn taint(attempt: &mut Attempt<'_>, answer: &Answer, url: &Url) {
    let Some(raw) = answer.headers.get(header::LOCATION) else { return };
    let raw = String::from_utf8_lossy(raw.as_bytes());
    let parts = [url.host_str(), Some(url.path()), url.query(), url.fragment()];
    let secrets = &attempt.conditions.secrets;
    let holds = |text: &str| secrets.strike(text) != text;
    let changed: Vec<&str> = parts_of(&raw)
        .into_iter()
        .zip(parts)
        .filter_map(|(raw, part)| part.filter(|part| holds(raw) && !holds(part)))
        .collect();
    for part in changed {
        attempt.tainted.add(part);
    }
}

/// Host with port, path, query and fragment as they were written (RFC 3986 section 3), empty where there is none.
fn parts_of(raw: &str) -> [&str; 4] {
    let (rest, fragment) = raw.split_once('#').unwrap_or((raw, ""));
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let begins = |at: &usize| *at == 0 || rest[..*at].ends_with(':');
    let (authority, path) = match rest.find("//").filter(begins) {
        Some(at) => {
            let behind = &rest[at + 2..];
            behind.split_at(behind.find(['/', '\\']).unwrap_or(behind.len()))
        }
        None => ("", rest),
    };
    // A user and a password are no part of what is shown.
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    [host, path, query, fragment]
}

/// Scheme, host and port decide whether two URLs are of one origin (RFC 6454).
pub(crate) fn same_origin(one: &Url, other: &Url) -> bool {
    one.origin() == other.origin()
}

/// Puts the head of a response into the evidence.
pub(crate) fn note_answer(attempt: &mut Attempt<'_>, answer: &Answer) {
    let version = version_name(answer.version);
    let http = describe(attempt, answer.status.as_u16(), version, &answer.headers);
    if let Some(hop) = attempt.evidence.hops.last_mut() {
        hop.status = Some(http.status);
        hop.location = http.headers.get(header::LOCATION.as_str()).and_then(|values| values.first().cloned());
    }
    attempt.evidence.http = Some(http);
}

/// The head of a response as evidence, in bounded form.
pub(crate) fn describe(
    attempt: &mut Attempt<'_>,
    status: u16,
    version: &'static str,
    fields: &HeaderMap,
) -> evidence::Http {
    const MOST_FIELDS: usize = 64;
    const LONGEST_VALUE: usize = 1024;
    let mut headers: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (index, (name, value)) in fields.iter().enumerate() {
        if index >= MOST_FIELDS || value.len() > LONGEST_VALUE {
            attempt.evidence.truncated = true;
        }
        if index >= MOST_FIELDS {
            break;
        }
        // Struck out before it is cut, so that no secret is left in part.
        let bytes = attempt.tainted.strike_bytes(&attempt.conditions.secrets.strike_bytes(value.as_bytes()));
        let text = String::from_utf8_lossy(&bytes[..bytes.len().min(LONGEST_VALUE)]);
        // A Location is one URL, whatever stands in it.
        let masked = if *name == header::LOCATION { mask_url(&text) } else { mask_urls(&text) };
        headers.entry(name.to_string()).or_default().push(masked);
    }
    evidence::Http { status, version, headers, body: None, length: None }
}

/// Gives the hop that ends here its peer and its phases.
pub(crate) fn close_hop(attempt: &mut Attempt<'_>) {
    let phases = attempt.take_hop_phases();
    let remote = attempt.remote.map(|remote| remote.to_string());
    if let Some(hop) = attempt.evidence.hops.last_mut() {
        hop.phases = phases;
        hop.remote = remote;
    }
}
