//! A request over HTTP, its redirects, and rules on the final response, for the protocols that ask in this way.
//!
//! The order of looking, hop by hop: the address policy, the name, the connection with TLS, the answer, the
//! redirect; then once: credentials refused, a status that is the code, the rules on status, TLS, headers and body.
//! A status listed in `expect_status` counts as wanted whatever its number. Statuses and redirects are judged when
//! the head is complete; below 400 the body is read up to `body_limit` whether or not a rule looks at it.

mod fault;
mod fields;
mod hop;
mod proxy;
mod reader;
mod rules;

use std::sync::Arc;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, StatusCode};
use url::Url;

use crate::address::Endpoint;
use crate::exchange::{
    self, Answer, Ask, Session, Versions, close_hop, location, note_answer, open_hop, same_origin, taint,
};
use crate::fault::{Failure, Handshake, Receive, Send};
use crate::net::stream::Stream;
use crate::net::{Attempt, tls};
use fault::unwanted;
pub use fault::{Fault, Unwanted};
pub use fields::{Credentials, Field};
use hop::Hop;
pub use proxy::Proxy;
pub(crate) use reader::{Reader, Single};
pub use rules::{HeaderRule, Rules, StatusRange, TextRule};

/// How much of a body is searched for secrets before the excerpt is taken from it.
const SEARCHED: usize = 16 * EXCERPT;

/// How a failed body rule shows the beginning of the body.
const EXCERPT: usize = 512;

/// What to ask for, and what to expect of the answer.
#[derive(Clone, Debug)]
pub struct Request {
    /// Where to begin; without credentials in it.
    pub url: Url,
    /// The method of the first request.
    pub method: Method,
    /// Header fields to send.
    pub headers: Vec<Field>,
    /// The body to send; empty for none.
    pub body: Bytes,
    /// Whether the body holds a secret, so that no redirect may carry it to another origin.
    pub secret_body: bool,
    /// Sent to the origin of `url` only.
    pub credentials: Option<Credentials>,
    /// How many redirects are followed; 0 makes the first redirect the final response.
    pub max_redirects: u32,
    /// The versions of HTTP to speak.
    pub versions: Versions,
    /// A proxy to tunnel through by CONNECT.
    pub proxy: Option<Proxy>,
    /// Whether to offer compression and to decode bodies.
    pub compression: bool,
    /// How many bytes of the decoded body are read, and searched.
    pub body_limit: usize,
    /// What the final response must be like.
    pub rules: Rules,
    /// For `https` hops.
    pub tls: Arc<tls::Client>,
}

/// The final response, as far as it was read.
pub(crate) struct Response {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Request {
    /// Asks, follows redirects, and judges the final response.
    pub(crate) async fn send(
        &self,
        attempt: &mut Attempt<'_>,
        reader: &mut impl Reader,
    ) -> Result<Response, Failure<Fault>> {
        let result = self.follow(attempt, reader).await;
        close_hop(attempt);
        // One request is no chain: what there is to say stands in the result itself.
        if attempt.evidence.hops.len() == 1 {
            attempt.evidence.hops.clear();
        }
        result
    }

    fn first_hop(&self) -> Hop {
        Hop { url: self.url.clone(), method: self.method.clone(), body: self.body.clone(), followed: 0 }
    }

    /// Walks the chain of redirects to the final response, and judges that.
    async fn follow(&self, attempt: &mut Attempt<'_>, reader: &mut impl Reader) -> Result<Response, Failure<Fault>> {
        let mut hop = self.first_hop();
        loop {
            let answer = self.visit(attempt, &hop, reader).await?;
            note_answer(attempt, &answer);
            match self.next_hop(attempt, &hop, &answer) {
                Ok(None) => return self.finish(attempt, &hop, answer, reader).await,
                Ok(Some(next)) => {
                    answer.leave_body(attempt);
                    close_hop(attempt);
                    hop = next;
                }
                Err(failure) => {
                    answer.leave_body(attempt);
                    return Err(failure);
                }
            }
        }
    }

    /// Goes to the server of a hop, asks, and waits for the head of the response.
    async fn visit(
        &self,
        attempt: &mut Attempt<'_>,
        hop: &Hop,
        reader: &mut impl Reader,
    ) -> Result<Answer, Failure<Fault>> {
        open_hop(attempt, &hop.url);
        let home = hop.followed == 0;
        let keep = home && reader.keeps();
        if home && let Some(session) = reader.kept() {
            if let Some(answer) = self.ask_again(attempt, session, hop, keep).await? {
                return Ok(answer);
            }
            tracing::debug!(target: "conversation", "* the server ended the connection meanwhile");
        }
        let stream = self.reach(attempt, hop).await?;
        let answer = exchange::send(attempt, stream, self.versions, self.ask(hop, keep)).await;
        answer.map_err(|failure| failure.map(Fault::from))
    }

    /// Asks over a connection that was kept; `None` if the server has ended it.
    async fn ask_again(
        &self,
        attempt: &mut Attempt<'_>,
        session: Session,
        hop: &Hop,
        keep: bool,
    ) -> Result<Option<Answer>, Failure<Fault>> {
        let Some(session) = session.still_open(attempt).await else { return Ok(None) };
        let gone = |fault: exchange::Fault| {
            let ends = [Receive::NothingClosed.into(), Receive::NothingReset.into(), Send::Reset.into()];
            ends.into_iter().any(|end| fault == exchange::Fault::Net(end))
        };
        match session.ask(attempt, self.ask(hop, keep)).await {
            Ok(answer) => Ok(Some(answer)),
            // Its end was under way when the request went out (RFC 9112 section 9.3.1).
            Err(failure) if gone(failure.fault) && hop.method.is_idempotent() => Ok(None),
            Err(failure) => Err(failure.map(Fault::from)),
        }
    }

    /// A connection to the server of a hop.
    async fn reach(&self, attempt: &mut Attempt<'_>, hop: &Hop) -> Result<Stream, Failure<Fault>> {
        let endpoint = Endpoint::of_url(&hop.url)
            .ok_or_else(|| unwanted(Unwanted::RedirectUnusable, format!("{} names no host", hop.url)))?;
        let mut stream = if let Some(proxy) = &self.proxy {
            proxy.tunnel(attempt, &endpoint).await?
        } else {
            let addresses = attempt.resolve(&endpoint).await.map_err(|failure| failure.map(Fault::Net))?;
            attempt.connect(&addresses).await.map_err(|failure| failure.map(Fault::Net))?
        };
        if hop.url.scheme() == "https" {
            let wire = stream
                .into_wire()
                .ok_or_else(|| Failure::new(Handshake::Other, "the connection is encrypted already").map(Fault::Net))?;
            let encrypted = attempt.encrypt(&self.tls, wire, &endpoint.host, self.versions.alpn()).await;
            stream = encrypted.map_err(|failure| failure.map(Fault::Net))?;
        }
        // What HTTP says and hears, not what was said on the way to it.
        attempt.tap = Some(stream.tap());
        Ok(stream)
    }

    /// The request of a hop.
    fn ask(&self, hop: &Hop, keep: bool) -> Ask {
        let at_home = same_origin(&hop.url, &self.url);
        let mut headers = HeaderMap::new();
        headers.insert(header::USER_AGENT, HeaderValue::from_static(concat!("agent/", env!("CARGO_PKG_VERSION"))));
        headers.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
        if self.compression {
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(exchange::ACCEPT_ENCODING));
        }
        if let (true, Some(value)) = (at_home, self.credentials.as_ref().and_then(Credentials::header)) {
            headers.insert(header::AUTHORIZATION, value);
        }
        let mut own = HeaderMap::new();
        for field in &self.headers {
            let stays_home = field.secret || field.name == header::HOST;
            let of_body =
                matches!(field.name, header::CONTENT_TYPE | header::CONTENT_LENGTH | header::TRANSFER_ENCODING);
            let of_dropped_body = of_body && hop.body.is_empty() && !self.body.is_empty();
            if (at_home || !stays_home) && !of_dropped_body {
                own.append(field.name.clone(), field.value.clone());
            }
        }
        headers.extend(own);
        Ask {
            method: hop.method.clone(),
            url: hop.url.clone(),
            headers,
            body: hop.body.clone().into(),
            patience: None,
            keep,
            statuses: exchange::is_status,
        }
    }

    /// Where a response sends us; `None` if it is the final one.
    fn next_hop(&self, attempt: &mut Attempt<'_>, hop: &Hop, answer: &Answer) -> Result<Option<Hop>, Failure<Fault>> {
        let rewrites = match answer.status {
            StatusCode::SEE_OTHER => hop.method != Method::HEAD,
            // Browsers and curl turn a POST into a GET here (RFC 9110 sections 15.4.2 and 15.4.3).
            StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND => hop.method == Method::POST,
            StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT => false,
            _ => return Ok(None),
        };
        if self.max_redirects == 0 {
            return Ok(None);
        }
        let url = location(&hop.url, answer, &attempt.conditions.secrets)
            .map_err(|why| unwanted(Unwanted::RedirectUnusable, why))?;
        taint(attempt, answer, &url);
        if hop.followed == self.max_redirects {
            let detail = format!("{} redirects followed, and {} sends us on to {url}", hop.followed, hop.url);
            return Err(unwanted(Unwanted::RedirectTooMany, detail));
        }
        let mut next = Hop { url, method: hop.method.clone(), body: hop.body.clone(), followed: hop.followed + 1 };
        if rewrites {
            next.method = Method::GET;
            next.body = Bytes::new();
        }
        if self.secret_body && !next.body.is_empty() && !same_origin(&next.url, &self.url) {
            let detail = format!("the body of the task is secret and is not sent on to {}", next.url);
            return Err(unwanted(Unwanted::RedirectSecret, detail));
        }
        Ok(Some(next))
    }

    /// Judges the final response, with its body where one is looked at.
    async fn finish(
        &self,
        attempt: &mut Attempt<'_>,
        hop: &Hop,
        answer: Answer,
        reader: &mut impl Reader,
    ) -> Result<Response, Failure<Fault>> {
        let final_status = answer.status;
        let status = final_status.as_u16();
        let expected = self.rules.expects(status);
        let available = status < StatusCode::BAD_REQUEST.as_u16();
        let headers = answer.headers.clone();
        let tap = answer.tap();
        let body = if available || (expected && (self.rules.look_at_body() || reader.wants_body())) {
            let body = reader.read(attempt, answer, self).await.map_err(|failure| failure.map(Fault::from))?;
            if let Some(http) = attempt.evidence.http.as_mut().filter(|_| body.len() < self.body_limit) {
                http.length = u64::try_from(body.len()).ok();
            }
            body
        } else {
            answer.leave_body(attempt);
            Vec::new()
        };
        let body = Bytes::from(body);
        let mut judged = self.judge(status, expected, hop.url.scheme() == "https", &headers, &body);
        if judged.is_ok() {
            let late = || Err((Unwanted::Json, "the rules on JSON were not applied to the end in time".to_owned()));
            let verdict = attempt.within(self.rules.judge_json(body.clone())).await.unwrap_or_else(late);
            judged = verdict.map_err(|(fault, detail)| unwanted(fault, detail));
        }
        if judged.is_err() {
            show_body(attempt, &body);
        }
        judged?;
        attempt.end_tls(&tap).await.map_err(|failure| failure.map(Fault::Net))?;
        Ok(Response { status: final_status, headers, body })
    }

    fn judge(
        &self,
        status: u16,
        expected: bool,
        encrypted: bool,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<(), Failure<Fault>> {
        if !expected {
            if status == StatusCode::UNAUTHORIZED.as_u16() && self.gives_credentials() {
                let detail = format!("the server refused the credentials of the task with status {status}");
                return Err(unwanted(Unwanted::LoginRefused, detail));
            }
            if status >= StatusCode::BAD_REQUEST.as_u16() {
                let reason = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
                let detail = format!("the server answered {status} {}", reason.unwrap_or_default());
                return Err(Failure {
                    fault: Fault::Status(status),
                    detail: detail.trim_end().to_owned(),
                    errno: None,
                });
            }
        }
        self.rules.judge(status, encrypted, headers, body).map_err(|(fault, detail)| unwanted(fault, detail))
    }

    fn gives_credentials(&self) -> bool {
        self.credentials.is_some() || self.headers.iter().any(|field| field.name == header::AUTHORIZATION)
    }
}

/// Puts the beginning of a body into the evidence.
pub(crate) fn show_body(attempt: &mut Attempt<'_>, body: &[u8]) {
    if let (Some(http), false) = (&mut attempt.evidence.http, body.is_empty()) {
        let shown = attempt.conditions.secrets.strike_bytes(&body[..body.len().min(SEARCHED)]);
        http.body = Some(String::from_utf8_lossy(&shown[..shown.len().min(EXCERPT)]).into_owned());
    }
}
