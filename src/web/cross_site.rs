//! Requests that change something and that another site has made a browser send are refused.

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use url::Url;

use super::answer::words;

/// Lets through what does not change anything, and what no foreign page can have sent.
pub(super) async fn refuse(request: Request, next: Next) -> Response {
    if request.method().is_safe() || !is_foreign(request.headers()) {
        return next.run(request).await;
    }
    words(StatusCode::FORBIDDEN, "this request was sent by a page of another site")
}

/// Browsers say where a request comes from, in one of two headers; other clients say nothing.
fn is_foreign(headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    if site.is_some_and(|site| site != b"same-origin" && site != b"none") {
        return true;
    }
    let Some(origin) = headers.get(header::ORIGIN) else { return false };
    let origin = origin.to_str().ok().and_then(|text| Url::parse(text).ok());
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    match (origin, host) {
        (Some(origin), Some(host)) => !origin.authority().eq_ignore_ascii_case(host),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderName;

    use super::*;

    #[test]
    fn a_page_of_another_site_is_foreign() {
        let rows = [
            (vec![], false),
            (vec![("origin", "http://a.test:9640")], false),
            (vec![("origin", "https://a.test:9640")], false),
            (vec![("origin", "http://b.test:9640")], true),
            (vec![("origin", "http://a.test")], true),
            (vec![("origin", "null")], true),
            (vec![("sec-fetch-site", "same-origin")], false),
            (vec![("sec-fetch-site", "none")], false),
            (vec![("sec-fetch-site", "cross-site")], true),
            (vec![("sec-fetch-site", "same-site"), ("origin", "http://a.test:9640")], true),
        ];
        for (fields, wanted) in rows {
            let mut headers = HeaderMap::from_iter([(header::HOST, HeaderValue::from_static("a.test:9640"))]);
            headers.extend(
                fields.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))),
            );
            assert_eq!(is_foreign(&headers), wanted, "{fields:?}");
        }
    }
}
