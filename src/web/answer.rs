//! Answers in plain words.

use axum::http::{Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};

/// A sentence and its status.
pub(super) fn words(status: StatusCode, sentence: impl Into<String>) -> Response {
    let mut text = sentence.into();
    if !text.ends_with('\n') {
        text.push('\n');
    }
    (status, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
}

/// What the request asks for is wrong.
pub(super) fn bad(sentence: impl Into<String>) -> Response {
    words(StatusCode::BAD_REQUEST, sentence)
}

/// There is nothing at this path.
pub(super) async fn unknown(uri: Uri) -> Response {
    words(StatusCode::NOT_FOUND, format!("there is nothing at {}", uri.path()))
}

/// There is something at this path, and not for this method.
pub(super) async fn wrong_method(method: Method, uri: Uri) -> Response {
    words(
        StatusCode::METHOD_NOT_ALLOWED,
        format!("{} does not take {method}; the header Allow has what it takes", uri.path()),
    )
}
