//! Fetching what says whether certificates are revoked: OCSP responses (RFC 6960 appendix A) and lists (RFC 5280), by HTTP.
//!
//! Between the handshake and the first byte of a request, all sources are asked side by side. Each has half of the time
//! that is left for the handshake, so that none eats another's share and the request keeps its own. The way to them is
//! the target's: resolver, address policy, source address. Redirects are not followed, and an answer counts with status
//! 200 only; its size is bounded, and so is the number of sources.

use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use futures_util::future::join_all;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper_util::rt::TokioIo;
use url::{Position, Url};

use super::handshake::Done;
use crate::address::Endpoint;
use crate::fault::Failure;
use crate::net::connect::{MOST_ADDRESSES, open};
use crate::net::stream::Wire;
use crate::net::verdict::{Answer, Inquiry, Question, Verdict};
use crate::net::{Attempt, before};

impl Attempt<'_> {
    /// Asks what the verdict on the certificates still waits for, and lets the answers decide.
    pub(super) async fn inquire(&self, mut done: Done, deadline: Instant) -> Done {
        let Some(inquiry) = done.inquiry.take() else { return done };
        let now = Instant::now();
        let share = now + deadline.saturating_duration_since(now) / 2;
        let questions = inquiry.questions();
        let answers = join_all(questions.iter().map(|question| self.ask(question, share))).await;
        let verdict = weigh(inquiry, answers, self.now()).await;
        if let Some((fault, detail)) = verdict.decision() {
            done.result = Err(Failure::new(fault, detail));
        }
        done.seen.problems.extend(verdict.problems.iter().map(Into::into));
        done.seen.revocation.extend(verdict.sources);
        done
    }

    async fn ask(&self, question: &Question, deadline: Instant) -> Answer {
        let url = self.conditions.secrets.strike(&question.shown());
        tracing::debug!(target: "conversation", "* asking {url} whether a certificate is revoked");
        let answer = before(deadline, self.fetch(question, deadline)).await;
        let answer = answer.unwrap_or_else(|| Err(Unfetched::Unreachable("there was no answer in time".to_owned())));
        match answer {
            Ok(body) => Answer::Came(body),
            Err(Unfetched::TooLarge) => Answer::TooLarge,
            Err(Unfetched::Unreachable(why)) => Answer::Unreachable(why),
        }
    }

    async fn fetch(&self, question: &Question, deadline: Instant) -> Result<Vec<u8>, Unfetched> {
        let url = Url::parse(&question.url).map_err(|error| unreachable(&error))?;
        let endpoint = Endpoint::of_url(&url).ok_or_else(|| unreachable(&"it names no host"))?;
        let request = build(&url, question).map_err(|error| unreachable(&error))?;
        let addresses = self.addresses_beside(&endpoint, deadline).await.map_err(|failure| unreachable(&failure))?;
        let wire = self.connect_to_one(&addresses, deadline).await.map_err(|failure| unreachable(&failure))?;
        exchange(wire, request, question.most).await
    }

    /// Connects to the first address that answers; each gets an equal share of the time.
    async fn connect_to_one(&self, addresses: &[SocketAddr], deadline: Instant) -> Result<Wire, Failure> {
        let addresses = &addresses[..addresses.len().min(MOST_ADDRESSES)];
        let mut result = Err(Failure::new(crate::fault::Connect::Other, "there is no address to connect to"));
        for (left, address) in (1..=addresses.len()).rev().zip(addresses) {
            let now = Instant::now();
            let share = deadline.saturating_duration_since(now) / u32::try_from(left).unwrap_or(u32::MAX);
            result =
                open(self.host, *address, self.conditions.source_ip, now + share.max(Duration::from_millis(1))).await;
            if result.is_ok() {
                break;
            }
        }
        result
    }
}

/// Decoding a long list takes a while: not on the thread of the other runs.
async fn weigh(inquiry: Inquiry, answers: Vec<Answer>, now: SystemTime) -> Verdict {
    let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    let weighed = tokio::task::spawn_blocking(move || inquiry.conclude(&answers, now)).await;
    // One that was not weighed to its end must not count as good.
    weighed.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}

/// Why there is no answer to judge.
enum Unfetched {
    TooLarge,
    Unreachable(String),
}

fn unreachable(why: &dyn std::fmt::Display) -> Unfetched {
    Unfetched::Unreachable(why.to_string())
}

fn build(url: &Url, question: &Question) -> Result<Request<Full<Bytes>>, http::Error> {
    let host = match url.port() {
        Some(port) => format!("{}:{port}", url.host_str().unwrap_or_default()),
        None => url.host_str().unwrap_or_default().to_owned(),
    };
    let request = Request::builder()
        .uri(&url[Position::BeforePath..Position::AfterQuery])
        .header(header::HOST, host)
        .header(header::USER_AGENT, concat!("agent/", env!("CARGO_PKG_VERSION")))
        .header(header::CONNECTION, "close");
    match &question.request {
        Some(body) => request
            .method("POST")
            .header(header::CONTENT_TYPE, "application/ocsp-request")
            .header(header::ACCEPT, "application/ocsp-response")
            .body(Full::new(Bytes::from(body.clone()))),
        None => request.body(Full::new(Bytes::new())),
    }
}

async fn exchange(wire: Wire, request: Request<Full<Bytes>>, most: usize) -> Result<Vec<u8>, Unfetched> {
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(wire)).await.map_err(|error| unreachable(&error))?;
    let answered = async {
        let response = sender.send_request(request).await.map_err(|error| unreachable(&error))?;
        if response.status() != StatusCode::OK {
            return Err(Unfetched::Unreachable(format!("the answer has the status {}", response.status())));
        }
        let body = Limited::new(response.into_body(), most).collect().await;
        body.map(|body| body.to_bytes().to_vec())
            .map_err(|error| if error.is::<LengthLimitError>() { Unfetched::TooLarge } else { unreachable(&error) })
    };
    let mut answered = std::pin::pin!(answered);
    tokio::select! {
        biased;
        done = &mut answered => done,
        // When the connection is over, the answer is either complete in memory or will never be.
        _ = connection => answered.await,
    }
}
