//! `/metrics`.

use std::convert::Infallible;

use axum::body::Body;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;

use super::App;
use super::answer::words;

/// What Prometheus' text format calls itself.
pub(super) const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The whole page, made while it is sent: between two pieces others have their turn.
pub(super) async fn all(State(app): State<App>) -> Response {
    let begun = tokio::task::spawn_blocking(move || app.metrics.page(&(app.standing)())).await;
    let Ok(page) = begun else {
        return words(StatusCode::INTERNAL_SERVER_ERROR, "the page of metrics cannot be made, see the log");
    };
    let pieces = stream::unfold(page, async |mut page| {
        tokio::task::yield_now().await;
        page.next().map(|piece| (Ok::<_, Infallible>(piece), page))
    });
    ([(header::CONTENT_TYPE, TEXT_FORMAT)], Body::from_stream(pieces)).into_response()
}
