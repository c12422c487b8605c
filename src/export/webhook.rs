//! One POST a failed run, in their order; what is refused or not answered is sent again, a few times and ever later.
//! The URL is a secret, since the usual ones carry a token.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, StatusCode, Url};
use rustls::crypto::aws_lc_rs::default_provider;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::Counters;

/// Objects that may wait to be sent.
const QUEUE: usize = 1000;
/// For one POST, answer included.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The pauses between the attempts to send one object.
const PAUSES: [Duration; 4] =
    [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4), Duration::from_secs(8)];

/// The way to the URL.
pub(super) struct Webhook {
    bodies: mpsc::Sender<Arc<str>>,
    sender: JoinHandle<()>,
    counters: Arc<Counters>,
}

impl fmt::Debug for Webhook {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Webhook").finish_non_exhaustive()
    }
}

impl Webhook {
    pub(super) fn start(url: &str, counters: Arc<Counters>) -> Result<Self, String> {
        let url = Url::parse(url).map_err(|error| format!("[export] webhook: this is no URL: {error}"))?;
        // Another part of the process may have done so already.
        let _ = default_provider().install_default();
        let client = Client::builder()
            .timeout(TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("agent/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| format!("[export] webhook: {}", error.without_url()))?;
        let (bodies, queue) = mpsc::channel(QUEUE);
        let sender = Sender { client, url, counters: Arc::clone(&counters), broken: false };
        Ok(Self { bodies, sender: tokio::spawn(sender.work(queue)), counters })
    }

    pub(super) fn push(&self, body: Arc<str>) {
        if self.bodies.try_send(body).is_err() {
            self.counters.count_dropped();
        }
    }

    pub(super) async fn close(self, grace: Duration) {
        drop(self.bodies);
        let abort = self.sender.abort_handle();
        tokio::select! {
            // A sender that panicked has said so.
            _ = self.sender => {}
            () = tokio::time::sleep(grace) => abort.abort(),
        }
    }
}

struct Sender {
    client: Client,
    url: Url,
    counters: Arc<Counters>,
    broken: bool,
}

/// Why an object was not taken.
enum Refusal {
    /// It may be taken later.
    Now(String),
    /// It never will.
    Ever(String),
}

impl Sender {
    async fn work(mut self, mut queue: mpsc::Receiver<Arc<str>>) {
        while let Some(body) = queue.recv().await {
            match self.send(&body).await {
                Ok(()) => {
                    self.counters.count_exported(1);
                    if std::mem::take(&mut self.broken) {
                        tracing::info!("[export] webhook: it takes failures again");
                    }
                }
                Err(reason) => {
                    self.counters.count_dropped();
                    if !std::mem::replace(&mut self.broken, true) {
                        tracing::error!("[export] webhook: it does not take failures: {reason}");
                    }
                }
            }
        }
    }

    async fn send(&self, body: &Arc<str>) -> Result<(), String> {
        let mut pauses = PAUSES.into_iter();
        loop {
            match (self.post(body).await, pauses.next()) {
                (Ok(()), _) => return Ok(()),
                (Err(Refusal::Now(_)), Some(pause)) => tokio::time::sleep(pause).await,
                (Err(Refusal::Now(reason)), None) | (Err(Refusal::Ever(reason)), _) => return Err(reason),
            }
        }
    }

    async fn post(&self, body: &Arc<str>) -> Result<(), Refusal> {
        let request = self.client.post(self.url.clone()).header(CONTENT_TYPE, "application/json");
        let answer = request.body(body.trim_end().to_owned()).send().await;
        let status = answer.map_err(|error| Refusal::Now(words(&error.without_url())))?.status();
        match status {
            status if status.is_success() => Ok(()),
            status if status.is_server_error() => Err(Refusal::Now(format!("status {status}"))),
            StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => {
                Err(Refusal::Now(format!("status {status}")))
            }
            status => Err(Refusal::Ever(format!("status {status}"))),
        }
    }
}

/// An error with its causes, the last of which is the one that helps.
fn words(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}
