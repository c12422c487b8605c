//! The only door that others come in by: metrics, `/probe`, the API, the status page, and the calls that say whether the
//! agent is well.
//!
//! What comes in is bounded in size, number and time ([`door`]); everybody but those who ask `/-/healthy` shows who they are,
//! where the settings want it; and what goes out says that nothing else may be loaded or framed around it.

mod answer;
mod api;
mod auth;
mod cross_site;
mod door;
mod encryption;
mod health;
mod metrics;
mod page;
mod patience;
mod probe;
mod query;

use std::fmt;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{get, post};
use probes::net::Host;
use tokio::sync::{mpsc, oneshot, watch};

use crate::config::Config;
use crate::metrics::{Metrics, Standing};
use crate::store::Reader;
pub use door::Door;
pub use encryption::check;
use probe::Asker;

/// A request to reload: the answer is how many tasks there are now, or what is wrong.
pub type Reload = oneshot::Sender<Result<usize, String>>;

/// What the door shows, and whom it asks.
#[derive(Clone)]
pub struct App {
    /// The running configuration; tokens and certificates of the web are taken from it too.
    pub config: watch::Receiver<Arc<Config>>,
    /// What `/probe` runs on.
    pub host: watch::Receiver<Arc<Host>>,
    /// What `/metrics` shows.
    pub metrics: Arc<Metrics>,
    /// What schedule, store and export say of themselves.
    pub standing: Arc<dyn Fn() -> Standing + Send + Sync>,
    /// What the API asks; none where nothing is stored.
    pub store: Option<Reader>,
    /// Where requests to reload go.
    pub reload: mpsc::Sender<Reload>,
    /// Whether the schedule runs: false before it does, and again while it drains.
    pub ready: watch::Receiver<bool>,
}

impl fmt::Debug for App {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("App").finish_non_exhaustive()
    }
}

/// Everything that is answered.
fn router(app: App) -> Router {
    let config = app.config.clone();
    let asker = Arc::new(Asker::default());
    Router::new()
        .route("/-/healthy", get(health::healthy))
        .route("/-/ready", get(health::ready))
        .route("/-/reload", post(health::reload))
        .route("/metrics", get(metrics::all))
        .route("/probe", get(move |state, request| probe::ask(asker, state, request)))
        .route("/api/v1/tasks", get(api::tasks))
        .route("/api/v1/results", get(api::results))
        .route("/api/v1/results/{id}", get(api::result))
        .route("/api/v1/top", get(api::top))
        .merge(page::router())
        .layer(middleware::from_fn(cross_site::refuse))
        .fallback(answer::unknown)
        .method_not_allowed_fallback(answer::wrong_method)
        .layer(middleware::from_fn_with_state(config, auth::require))
        .layer(middleware::from_fn(strict))
        .with_state(app)
}

/// Says to browsers that nothing may be loaded into an answer, or framed around it, unless the answer says so itself.
async fn strict(request: Request, next: Next) -> Response {
    const HEADERS: [(HeaderName, &str); 7] = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        ),
    ];
    let mut response = next.run(request).await;
    for (name, value) in HEADERS {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}
