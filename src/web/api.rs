//! The API: the same things as JSON.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use probes::phases::milliseconds;
use serde_json::{Value, json};

use super::App;
use crate::task::Task;

/// `/api/v1/tasks`.
pub(super) async fn tasks(State(app): State<App>) -> Response {
    let config = app.config.borrow().clone();
    let tasks: Vec<Value> = config.tasks.iter().map(task).collect();
    Json(json!({ "tasks": tasks })).into_response()
}

/// A task under the names that its results have.
fn task(task: &Task) -> Value {
    let first = task.probes.first();
    let protocol = first.map(|probe| probe.spec.protocol()).or(task.module.as_ref().map(|module| module.protocol));
    let strike =
        |text: &str| first.map_or_else(|| text.to_owned(), |probe| probe.conditions.secrets.long().strike(text));
    let targets: Vec<String> = task.probes.iter().map(|probe| strike(&probe.identity.target)).collect();
    let labels = first.map(|probe| &probe.identity.labels);
    let labels: serde_json::Map<String, Value> =
        labels.into_iter().flatten().map(|(key, value)| (key.clone(), strike(value).into())).collect();
    json!({
        "task": strike(&task.name),
        "protocol": protocol,
        "book": protocol.map(probes::codes::Protocol::book),
        "targets": targets,
        "module": task.module.is_some(),
        "interval_ms": milliseconds(task.interval),
        "retries": task.retries,
        "labels": labels,
    })
}
