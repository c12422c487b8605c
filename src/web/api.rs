//! The API: the same things as JSON.

use std::time::{Duration, SystemTime};

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use probes::phases::milliseconds;
use serde::Serialize;
use serde_json::{Value, json};
use ulid::Ulid;

use super::App;
use super::answer::{bad, words};
use super::query::Query;
use crate::store::{Dimension, Error, HistoryQuery, Reader, TopQuery};
use crate::task::Task;

/// How far back `/api/v1/top` looks where nobody says.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// The most results of one answer.
const MOST_RESULTS: usize = 1000;
/// The most codes of one combination.
const MOST_CODES: usize = 100;
/// The most dimensions of one list.
const MOST_DIMENSIONS: usize = 8;

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

/// `/api/v1/results?task=&target=&since=&until=&failed=&limit=&before=`: past runs without their evidence, newest first.
pub(super) async fn results(State(app): State<App>, RawQuery(query): RawQuery) -> Response {
    let query = match read_history(query.as_deref().unwrap_or_default()) {
        Ok(query) => query,
        Err(why) => return bad(why),
    };
    ask(app, move |store| {
        let results = store.history(&query)?;
        // What the next page begins after; absent where this one is the last.
        let next = results.last().filter(|_| results.len() == query.limit).map(|last| last.id.clone());
        Ok(Some(json!({ "results": results, "before": next })))
    })
    .await
}

/// `/api/v1/results/{id}`: one run with its evidence.
pub(super) async fn result(State(app): State<App>, Path(id): Path<String>) -> Response {
    match Ulid::from_string(&id) {
        Ok(id) => ask(app, move |store| store.run(id)).await,
        Err(_) => bad(format!("`{id}` is no id of a run")),
    }
}

/// `/api/v1/top?by=&since=&until=&task=&limit=`: the most frequent codes for each combination of dimensions.
pub(super) async fn top(State(app): State<App>, RawQuery(query): RawQuery) -> Response {
    match read_top(query.as_deref().unwrap_or_default()) {
        Ok(query) => ask(app, move |store| store.top(&query).map(Some)).await,
        Err(why) => bad(why),
    }
}

fn read_history(query: &str) -> Result<HistoryQuery, String> {
    let query = Query::read(query, &["task", "target", "since", "until", "failed", "limit", "before"])?;
    let now = SystemTime::now();
    let before =
        query.parsed("before", |text| Ulid::from_string(text).map_err(|_| format!("`{text}` is no id of a run")))?;
    Ok(HistoryQuery {
        task: query.text("task"),
        target: query.text("target"),
        since: query.time("since", now)?,
        until: query.time("until", now)?,
        failed: query.flag("failed")?,
        before,
        limit: query.number("limit", MOST_RESULTS)?.unwrap_or(HistoryQuery::default().limit),
    })
}

fn read_top(query: &str) -> Result<TopQuery, String> {
    let query = Query::read(query, &["by", "task", "since", "until", "limit"])?;
    let now = SystemTime::now();
    let until = query.time("until", now)?.unwrap_or(now);
    let since = query.time("since", now)?.or_else(|| until.checked_sub(DAY)).unwrap_or(SystemTime::UNIX_EPOCH);
    if since >= until {
        return Err("`since` is not before `until`".to_owned());
    }
    let by = query.text("by").unwrap_or_default();
    let by: Vec<Dimension> =
        by.split(',').map(str::trim).filter(|word| !word.is_empty()).map(Dimension::parse).collect();
    if by.len() > MOST_DIMENSIONS {
        return Err(format!("`by` takes {MOST_DIMENSIONS} dimensions at most"));
    }
    Ok(TopQuery { by, since, until, limit: query.number("limit", MOST_CODES)?.unwrap_or(5), task: query.text("task") })
}

/// Asks the store on a thread that may wait.
async fn ask<T: Serialize + Send + 'static>(
    app: App,
    question: impl FnOnce(&Reader) -> Result<Option<T>, Error> + Send + 'static,
) -> Response {
    let Some(store) = app.store else {
        return words(StatusCode::SERVICE_UNAVAILABLE, "nothing is stored by this agent");
    };
    match tokio::task::spawn_blocking(move || question(&store)).await {
        Ok(Ok(Some(answer))) => Json(answer).into_response(),
        Ok(Ok(None)) => words(StatusCode::NOT_FOUND, "there is no such run in the store"),
        Ok(Err(error)) => words(StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
        Err(_) => words(StatusCode::INTERNAL_SERVER_ERROR, "the store could not be asked, see the log"),
    }
}
