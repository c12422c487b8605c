//! The pages for people, and what they load.

use std::sync::Arc;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use jiff::Timestamp;
use url::form_urlencoded;

use super::App;
use super::answer::words;
use crate::metrics::Standing;
use crate::page::ask::{Failure, Lately, Pages, Request, Trouble};
use crate::page::{CONTENT_SECURITY_POLICY, ICON, SCRIPT, STYLE};

/// The paths of all pages for people.
pub(super) fn router() -> Router<App> {
    let lately = Arc::new(Lately::default());
    let page = move |app, uri, query, headers| page(Arc::clone(&lately), app, uri, query, headers);
    let file =
        |kind: &'static str, text: &'static str| get(move || async move { ([(header::CONTENT_TYPE, kind)], text) });
    Router::new()
        .route("/", get(page.clone()))
        .route("/task", get(page.clone()))
        .route("/run", get(page))
        .route("/static/agent.css", file("text/css; charset=utf-8", STYLE))
        .route("/static/agent.js", file("text/javascript; charset=utf-8", SCRIPT))
        .route("/static/agent.svg", file("image/svg+xml", ICON))
}

/// One page, made on a thread that may wait for the store.
async fn page(
    lately: Arc<Lately>,
    State(app): State<App>,
    uri: Uri,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let Some(reader) = app.store else {
        return words(StatusCode::SERVICE_UNAVAILABLE, "nothing is stored by this agent, see /metrics");
    };
    let notices = troubles((app.standing)());
    let pages = Pages { config: Arc::clone(&app.config.borrow()), reader, notices, lately };
    let languages = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    let request = Request {
        path: uri.path().to_owned(),
        query: form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned().collect(),
        languages: languages.unwrap_or_default().to_owned(),
    };
    let made = tokio::task::spawn_blocking(move || match pages.answer(&request) {
        Ok(text) => (StatusCode::OK, text),
        Err(Failure::Missing(text)) => (StatusCode::NOT_FOUND, text),
        Err(Failure::Broken(why)) => {
            tracing::warn!("the page {} cannot be shown: {why}", request.path);
            (StatusCode::INTERNAL_SERVER_ERROR, pages.broken(&request, &why))
        }
    });
    match made.await {
        Ok((status, text)) => {
            let kind = (header::CONTENT_TYPE, "text/html; charset=utf-8");
            (status, [kind, (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY)], text).into_response()
        }
        Err(_) => words(StatusCode::INTERNAL_SERVER_ERROR, "the page could not be made, see the log"),
    }
}

/// What everybody who looks has to know.
fn troubles(standing: Standing) -> Vec<Trouble> {
    let store = standing.store.and_then(|store| store.trouble).map(|(text, since)| {
        let since = Timestamp::try_from(since).map_or_else(|_| String::new(), |since| format!("{since:.0}"));
        Trouble::Store(format!("{text} ({since})"))
    });
    let refused = standing.refused.map(Trouble::Reload);
    store.into_iter().chain(refused).chain(standing.cut_off.then_some(Trouble::CutOff)).collect()
}
