//! The pages for people.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;

use super::App;
use super::answer::words;

/// The paths of all pages for people.
pub(super) fn router() -> Router<App> {
    Router::new().route("/", get(overview))
}

/// What there is, in a few lines.
async fn overview(State(app): State<App>) -> Response {
    let config = app.config.borrow().clone();
    let (tasks, targets) = (config.tasks.len(), config.tasks.iter().map(|task| task.probes.len()).sum::<usize>());
    let state = if *app.ready.borrow() { "runs" } else { "does not run yet, or runs out" };
    let version = env!("CARGO_PKG_VERSION");
    let text = format!(
        "agent {version}: {tasks} tasks, {targets} targets; the schedule {state}\n\n/metrics\n/probe?target=…&module=…\n\
         /api/v1/tasks\n/api/v1/results\n/api/v1/top\n/-/healthy\n/-/ready\n/-/reload (POST)\n"
    );
    words(StatusCode::OK, text)
}
