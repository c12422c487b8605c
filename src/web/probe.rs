//! `/probe`: a target from the network, probed at once in the way of a module, as Prometheus asks `blackbox_exporter`.
//!
//! The order of looking is that of `blackbox_exporter`: the module, the time that the scrape leaves, the target. Nothing is
//! stored, and what comes from here is denied internal addresses unless the policy of the host allows them.

mod cache;
mod debug;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use tokio::sync::Semaphore;

use super::App;
use super::answer::{bad, words};
use super::metrics::TEXT_FORMAT;
use crate::config::Config;
use crate::metrics::{self, Asking};
use crate::reader::Problems;
use crate::task::{Asked, Module, Probe};
use cache::{Cache, Key};

/// How many such probes are under way at once.
const MOST_PROBES: usize = 512;
/// The module where the request names none.
const DEFAULT_MODULE: &str = "http_2xx";
/// What a scrape may take.
const TIMEOUT_HEADER: &str = "x-prometheus-scrape-timeout-seconds";
/// How much sooner than the scrape a probe must end.
const OFFSET: f64 = 0.5;

/// What requests to `/probe` share.
#[derive(Debug)]
pub(super) struct Asker {
    places: Semaphore,
    cache: Mutex<Cache>,
}

impl Default for Asker {
    fn default() -> Self {
        Self { places: Semaphore::new(MOST_PROBES), cache: Mutex::default() }
    }
}

/// What a request says.
struct Question {
    module: String,
    target: String,
    hostname: Option<String>,
    debug: bool,
}

/// Answers one request.
pub(super) async fn ask(asker: Arc<Asker>, State(app): State<App>, request: Request) -> Response {
    let question = Question::read(request.uri().query().unwrap_or_default());
    let config = app.config.borrow().clone();
    let (answer, came_to) = match asker.prepare(&config, question, request.headers()).await {
        Ok((question, probe)) => run(&asker, &app, &question, probe).await,
        Err((answer, came_to)) => (*answer, came_to),
    };
    app.metrics.ask(came_to);
    answer
}

impl Question {
    /// Reads the query; of a key that stands twice the first one counts.
    fn read(query: &str) -> Self {
        let value = |name: &str| {
            let mut pairs = url::form_urlencoded::parse(query.as_bytes());
            pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned()).filter(|value| !value.is_empty())
        };
        Self {
            module: value("module").unwrap_or_else(|| DEFAULT_MODULE.to_owned()),
            target: value("target").unwrap_or_default(),
            hostname: value("hostname"),
            debug: value("debug").as_deref() == Some("true"),
        }
    }
}

/// Why there is nothing to run, and as what that counts.
type Refusal = (Box<Response>, Asking);

impl Asker {
    /// The probe that a request asks for, or why its target cannot be probed.
    async fn prepare(
        &self,
        config: &Arc<Config>,
        question: Question,
        headers: &HeaderMap,
    ) -> Result<(Question, Result<Arc<Probe>, Problems>), Refusal> {
        let unusable = |answer| (Box::new(answer), Asking::Unusable);
        let timeout = scrape_timeout(headers).map_err(|why| {
            let sentence = format!("Failed to parse timeout from Prometheus header: {why}");
            unusable(words(StatusCode::INTERNAL_SERVER_ERROR, sentence))
        });
        let Question { module, target, hostname, .. } = &question;
        let cached = timeout.as_ref().ok().and_then(|timeout| {
            let key =
                Key { module: module.clone(), target: target.clone(), hostname: hostname.clone(), timeout: *timeout };
            self.cache().get(config, &key)
        });
        if let Some(probe) = cached {
            return Ok((question, Ok(probe)));
        }
        let named = config.tasks.iter().filter(|task| task.name == *module).find_map(|task| task.module.as_ref());
        let Some(named) = named.cloned() else {
            return Err((Box::new(bad(format!("Unknown module {module:?}"))), Asking::UnknownModule));
        };
        let timeout = timeout?;
        if target.is_empty() {
            return Err(unusable(bad("Target parameter is missing")));
        }
        let key = Key { module: module.clone(), target: target.clone(), hostname: hostname.clone(), timeout };
        let made = make(named, key.clone(), Arc::clone(config)).await;
        match made {
            Ok(probe) => {
                self.cache().put(config, key, Arc::clone(&probe));
                Ok((question, Ok(probe)))
            }
            Err(Unmade::Hostname(problems)) => Err(unusable(bad(problems.to_string()))),
            Err(Unmade::Target(problems)) => Ok((question, Err(problems))),
        }
    }

    fn cache(&self) -> std::sync::MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a module and a target make no probe.
enum Unmade {
    /// The target is none for this module: a probe that fails.
    Target(Problems),
    /// Without the hostname they would: a request that is wrong.
    Hostname(Problems),
}

/// Makes the probe: files may have to be read for it.
async fn make(module: Module, key: Key, config: Arc<Config>) -> Result<Arc<Probe>, Unmade> {
    let work = move || {
        let Key { module: name, target, hostname, timeout } = key;
        let asked = Asked { target, hostname };
        let mut probe = module.probe(&name, &asked, &config.settings).map_err(|problems| {
            let without = Asked { hostname: None, ..asked.clone() };
            if asked.hostname.is_some() && module.probe(&name, &without, &config.settings).is_ok() {
                Unmade::Hostname(problems)
            } else {
                Unmade::Target(problems)
            }
        })?;
        let limits = &mut probe.conditions.limits;
        limits.timeout = limits.timeout.min(timeout.unwrap_or(limits.timeout));
        Ok(Arc::new(probe))
    };
    match tokio::task::spawn_blocking(work).await {
        Ok(made) => made,
        Err(_) => Err(Unmade::Target(Problems::default())),
    }
}

/// What the scrape leaves for the probe; none where it sets no limit. The header counts seconds.
fn scrape_timeout(headers: &HeaderMap) -> Result<Option<Duration>, String> {
    let Some(value) = headers.get(TIMEOUT_HEADER) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default();
    let seconds: f64 = text.parse().map_err(|_| format!("{text:?} is no number of seconds"))?;
    if seconds.is_nan() {
        return Err(format!("{text:?} is no number of seconds"));
    }
    // As there: 0 is no limit, and where the offset leaves nothing the module's own limit holds.
    Ok(Duration::try_from_secs_f64(seconds - OFFSET).ok().filter(|left| seconds != 0.0 && !left.is_zero()))
}

/// Runs the probe and says what came of it.
async fn run(asker: &Asker, app: &App, question: &Question, probe: Result<Arc<Probe>, Problems>) -> (Response, Asking) {
    let Ok(place) = asker.places.try_acquire() else {
        let sentence = format!("{MOST_PROBES} probes are under way already; ask again later");
        return (words(StatusCode::SERVICE_UNAVAILABLE, sentence), Asking::Busy);
    };
    let host = app.host.borrow().clone();
    let answer = match probe {
        Ok(probe) => {
            let outcome = probe.run(&host).await;
            let metrics = metrics::of_outcome(&outcome);
            if question.debug { plain(debug::of_run(question, &probe, &outcome, &metrics)) } else { counted(metrics) }
        }
        Err(problems) => {
            let metrics = metrics::of_nothing();
            if question.debug { plain(debug::of_problems(question, &problems, &metrics)) } else { counted(metrics) }
        }
    };
    drop(place);
    (answer, Asking::Run)
}

fn counted(metrics: String) -> Response {
    ([(header::CONTENT_TYPE, TEXT_FORMAT)], metrics).into_response()
}

fn plain(text: String) -> Response {
    words(StatusCode::OK, text)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn the_scrape_leaves_half_a_second() {
        let left = |text: &'static str| {
            let headers = HeaderMap::from_iter([(
                header::HeaderName::from_static(TIMEOUT_HEADER),
                HeaderValue::from_static(text),
            )]);
            scrape_timeout(&headers)
        };
        assert_eq!(scrape_timeout(&HeaderMap::new()), Ok(None));
        assert_eq!(left("10"), Ok(Some(Duration::from_millis(9500))));
        for none in ["0", "0.5", "0.1", "-3", "inf"] {
            assert_eq!(left(none), Ok(None), "{none}");
        }
        for wrong in ["ten", "", "NaN"] {
            assert!(left(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_first_of_a_key_counts() {
        let question = Question::read("target=a%2Fb&target=c&debug=true&hostname=");
        assert_eq!((question.module.as_str(), question.target.as_str()), ("http_2xx", "a/b"));
        assert_eq!((question.hostname, question.debug), (None, true));
    }
}
