//! Whether the agent lives, whether it works, and the call to read its configuration again.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use tokio::sync::oneshot;

use super::App;
use super::answer::words;

/// How long a reload may take before its caller is told that it still goes on.
const PATIENCE: Duration = Duration::from_secs(60);

/// It lives, or nobody would answer.
pub(super) async fn healthy() -> Response {
    words(StatusCode::OK, "healthy")
}

/// Whether tasks are run.
pub(super) async fn ready(State(app): State<App>) -> Response {
    if *app.ready.borrow() {
        words(StatusCode::OK, "ready")
    } else {
        words(StatusCode::SERVICE_UNAVAILABLE, "not ready: the schedule does not run yet, or runs out")
    }
}

/// Reads the configuration again: all of it is taken over, or nothing.
pub(super) async fn reload(State(app): State<App>) -> Response {
    let (answer, answered) = oneshot::channel();
    let gone = || words(StatusCode::SERVICE_UNAVAILABLE, "the agent is about to end and reloads nothing");
    if app.reload.send(answer).await.is_err() {
        return gone();
    }
    match within(PATIENCE, answered).await {
        Some(Ok(Ok(tasks))) => words(StatusCode::OK, format!("reloaded: {tasks} tasks")),
        Some(Ok(Err(problems))) => {
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            words(status, format!("refused, and the running configuration kept:\n{problems}"))
        }
        Some(Err(_)) => gone(),
        None => words(StatusCode::GATEWAY_TIMEOUT, "the reload still goes on; the log says what comes of it"),
    }
}

/// Waits for something of our own for so long.
#[expect(clippy::disallowed_methods, reason = "an answer of the agent's own, not of a peer")]
async fn within<T>(time: Duration, work: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(time, work).await.ok()
}
