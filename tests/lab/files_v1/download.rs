//! The download host, on the port of the interface: `/{bucket}-{appid}{/path}`, or a host name that begins so.

use percent_encoding::percent_decode_str;

use super::answer::Answer;
use super::authorize::lets_download;
use super::describe::{Bucket, Description};
use super::request::Request;
use super::state::{File, State};
use super::url::Place;

/// Header and value of an upload in slices that was begun and not finished: the number of the storage.
const UNFINISHED: (&str, &str) = ("X-ErrNo", "-45062");

/// The object that a request wants to download, if its URL or its host names a bucket.
pub fn place_of(description: &Description, request: &Request) -> Option<Place> {
    let label = request.header("host").and_then(|host| host.split('.').next()).unwrap_or_default();
    let inner = request.path.strip_prefix('/').unwrap_or_default();
    let (segment, rest) = inner.split_once('/').unwrap_or((inner, ""));
    for (appid, account) in &description.accounts {
        for bucket in account.buckets.keys() {
            let name = format!("{bucket}-{appid}");
            let path = if label == name {
                inner
            } else if segment == name {
                rest
            } else {
                continue;
            };
            let path = format!("/{}", percent_decode_str(path).decode_utf8_lossy());
            return Some(Place { appid: appid.clone(), bucket: bucket.clone(), path });
        }
    }
    None
}

/// Answers a download.
pub fn answer(description: &Description, state: &State, place: &Place, request: &Request) -> Answer {
    if !matches!(request.method.as_str(), "GET" | "HEAD") {
        let allow = vec![("Allow".to_owned(), "GET, HEAD".to_owned())];
        return Answer { headers: allow, ..Answer::empty(405) };
    }
    let bucket = description.accounts.get(&place.appid).and_then(|account| account.buckets.get(&place.bucket));
    let file = state.entry(place).and_then(|entry| entry.file);
    let authority = file.as_ref().map_or("", |file| file.authority.as_str());
    if !bucket.is_some_and(|bucket| lets_in(description, bucket, authority, place, request)) {
        return Answer::empty(403);
    }
    match file {
        Some(file) => serve(&file, request),
        None if state.is_unfinished(place) => {
            let (name, value) = UNFINISHED;
            Answer { headers: vec![(name.to_owned(), value.to_owned())], ..Answer::empty(404) }
        }
        None => Answer::empty(404),
    }
}

fn lets_in(description: &Description, bucket: &Bucket, authority: &str, place: &Place, request: &Request) -> bool {
    let referer = request.header("referer").unwrap_or_default();
    if !bucket.referers.is_empty() && !bucket.referers.iter().any(|fine| fine == referer) {
        return false;
    }
    let public = match authority {
        "eWRPrivate" => false,
        "eWPrivateRPublic" => true,
        _ => bucket.public,
    };
    let sign = request.query_pairs().into_iter().find(|(name, _)| name == "sign");
    public || sign.is_some_and(|(_, sign)| lets_download(description, place, &sign))
}

fn serve(file: &File, request: &Request) -> Answer {
    let length = file.content.len();
    let mut headers = vec![("Accept-Ranges".to_owned(), "bytes".to_owned())];
    let own = file.custom_headers.iter().map(|(name, value)| (name.clone(), value.clone()));
    headers.extend(own);
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
        headers.push(("Content-Type".to_owned(), "application/octet-stream".to_owned()));
    }
    match request.header("range").and_then(|range| read_range(range, length)) {
        None => Answer { status: 200, headers, body: file.content.to_vec() },
        Some(Part::Bytes(first, last)) => {
            headers.push(("Content-Range".to_owned(), format!("bytes {first}-{last}/{length}")));
            Answer { status: 206, headers, body: file.content[first..=last].to_vec() }
        }
        Some(Part::Outside) => {
            Answer { headers: vec![("Content-Range".to_owned(), format!("bytes */{length}"))], ..Answer::empty(416) }
        }
    }
}

/// What a range is of a file.
enum Part {
    /// The first and the last byte.
    Bytes(usize, usize),
    /// None of it.
    Outside,
}

/// Reads a range (RFC 9110 section 14); what is none is as good as absent.
fn read_range(text: &str, length: usize) -> Option<Part> {
    let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
    let end = length.checked_sub(1);
    let (first, last) = match (first, last) {
        ("", count) => (length.saturating_sub(count.parse().ok()?), end),
        (first, "") => (first.parse().ok()?, end),
        (first, last) => (first.parse().ok()?, end.map(|end| end.min(last.parse().unwrap_or(end)))),
    };
    Some(last.filter(|last| first <= *last).map_or(Part::Outside, |last| Part::Bytes(first, last)))
}
