//! Transfers over HTTP: one hop after the other (P1 to P5), their redirects (P6), and the final status (P7).

use base64::prelude::{BASE64_STANDARD, Engine as _};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use url::Url;

use super::fault::{Content, Fault, Leg, Redirect, Unsent};
use super::supply::Supply;
use super::{Login, Transfer, Work, fails};
use crate::address::Endpoint;
use crate::evidence;
use crate::exchange::{
    self, Answer, Ask, Patience, Payload, Session, close_hop, location, note_answer, open_hop, same_origin, taint,
};
use crate::fault::{self, Failure, Handshake, Receive, Send};
use crate::net::Attempt;
use crate::net::stream::{Stream, Tap};

/// More redirects than this are not followed.
const MOST_REDIRECTS: u32 = 10;
/// A lookup that takes longer has a code of its own.
pub(super) const LONGEST_LOOKUP: std::time::Duration = std::time::Duration::from_secs(20);

/// One request of the chain.
pub(super) struct Hop {
    pub(super) url: Url,
    pub(super) leg: Leg,
    pub(super) method: Method,
    /// What the request carries, on the first hop of an upload.
    supply: Option<Supply>,
    followed: u32,
}

impl Hop {
    /// Whether the request has a body.
    const fn has_body(&self, is_upload: bool) -> bool {
        is_upload && self.followed == 0
    }
}

impl Transfer {
    pub(super) async fn over_http(
        &self,
        attempt: &mut Attempt<'_>,
        url: Url,
        supply: Option<Supply>,
    ) -> Result<(), Failure<Fault>> {
        let method = match &self.work {
            Work::Download(_) => Method::GET,
            Work::Upload(upload) => upload.method.clone(),
        };
        let result = self.walk(attempt, Hop { url, leg: Leg::First, method, supply, followed: 0 }).await;
        close_hop(attempt);
        // One request is no chain: what there is to say stands in the result itself.
        if attempt.evidence.hops.len() == 1 {
            attempt.evidence.hops.clear();
        }
        result
    }

    /// Walks the chain of redirects to the final response.
    async fn walk(&self, attempt: &mut Attempt<'_>, mut hop: Hop) -> Result<(), Failure<Fault>> {
        loop {
            open_hop(attempt, &hop.url);
            let answer = self.visit(attempt, &mut hop).await?;
            note_answer(attempt, &answer);
            match self.next_hop(attempt, &hop, &answer) {
                Ok(None) => return self.finish(attempt, &hop, answer).await,
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

    /// P1 to P5: goes to the server of a hop, asks, and waits for the head of the response.
    async fn visit(&self, attempt: &mut Attempt<'_>, hop: &mut Hop) -> Result<Answer, Failure<Fault>> {
        let session = self.reach(attempt, &hop.url, hop.leg).await?;
        let mut length = None;
        let body = match hop.supply.take() {
            Some(supply) => {
                let (bytes, pieces) = supply.stream(self.progress.clone());
                length = Some(bytes);
                Payload::Stream(bytes, pieces)
            }
            None => Bytes::new().into(),
        };
        let uploads = hop.has_body(matches!(self.work, Work::Upload(_)));
        let range = self.first_range();
        let keep = range.is_some();
        let ask = self.ask(&hop.url, hop.method.clone(), body, range, keep);
        let begun = attempt.elapsed();
        let answer = self.exchange(attempt, hop, uploads, session, ask).await?;
        if let (Some(length), Some(sent)) = (length, answer.sent()) {
            let spent = attempt.since_begin(sent).saturating_sub(begun);
            let first_byte = answer.first_byte().map(|at| attempt.since_begin(at));
            attempt.evidence.transfer = Some(evidence::Transfer::new(length, spent, Vec::new(), first_byte));
        } else if length.is_some() {
            attempt.warnings.push("the server answered before it had been sent the whole upload".to_owned());
        }
        Ok(answer)
    }

    /// Sends one request of a hop.
    pub(super) async fn exchange(
        &self,
        attempt: &mut Attempt<'_>,
        hop: &Hop,
        uploads: bool,
        session: Session,
        ask: Ask,
    ) -> Result<Answer, Failure<Fault>> {
        let encrypted = hop.url.scheme() == "https";
        session.ask(attempt, ask).await.map_err(|failure| failure.map(|cause| name(hop.leg, encrypted, uploads, cause)))
    }

    /// P1 to P3: the name, the connection, TLS.
    pub(super) async fn reach(
        &self,
        attempt: &mut Attempt<'_>,
        url: &Url,
        leg: Leg,
    ) -> Result<Session, Failure<Fault>> {
        let on = |failure: Failure| failure.map(|cause| Fault::Net(leg, cause));
        let Some(endpoint) = Endpoint::of_url(url) else {
            return fails(Redirect::Unusable, format!("{url} names no host"));
        };
        // P0 again, for a chain that began without TLS: before any packet of the hop.
        if url.scheme() == "https" {
            let hop = attempt.evidence.hops.len();
            self.tls(attempt)
                .map_err(|failure| Failure { detail: format!("hop {hop}: {}", failure.detail), ..failure })?;
        }
        let addresses = attempt.resolve_within(&endpoint, LONGEST_LOOKUP).await.map_err(on)?;
        let stream = attempt.connect(&addresses).await.map_err(on)?;
        let stream = self.encrypt(attempt, url, leg, &endpoint, stream).await?;
        Session::over(stream, self.http.versions)
            .map_err(|failure| failure.map(|cause| name(leg, url.scheme() == "https", false, cause)))
    }

    pub(super) async fn encrypt(
        &self,
        attempt: &mut Attempt<'_>,
        url: &Url,
        leg: Leg,
        endpoint: &Endpoint,
        stream: Stream,
    ) -> Result<Stream, Failure<Fault>> {
        if url.scheme() != "https" {
            return Ok(stream);
        }
        let on = |failure: Failure| failure.map(|cause| Fault::Net(leg, cause));
        let Some(wire) = stream.into_wire() else {
            return Err(on(Failure::new(Handshake::Other, "the connection is encrypted already")));
        };
        let client = self.tls(attempt)?;
        attempt.encrypt(client, wire, &endpoint.host, self.http.versions.alpn()).await.map_err(on)
    }

    /// A request for a URL of the chain.
    pub(super) fn ask(&self, url: &Url, method: Method, body: Payload, range: Option<HeaderValue>, keep: bool) -> Ask {
        let mut headers = HeaderMap::new();
        headers.insert(header::USER_AGENT, HeaderValue::from_static(concat!("agent/", env!("CARGO_PKG_VERSION"))));
        headers.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
        if self.decodes() {
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(exchange::ACCEPT_ENCODING));
        }
        let at_home = matches!(&self.place, Ok(super::Place::Http(home)) if same_origin(home, url));
        if let (true, Some(login)) = (at_home, &self.login) {
            headers.extend(authorization(login).map(|value| (header::AUTHORIZATION, value)));
        }
        headers.extend(range.map(|range| (header::RANGE, range)));
        Ask {
            method,
            url: url.clone(),
            headers,
            body,
            patience: Some(Patience::FirstByte(self.response_timeout)),
            keep,
            statuses: exchange::is_status,
        }
    }

    pub(super) const fn decodes(&self) -> bool {
        matches!(&self.work, Work::Download(download) if download.decode)
    }

    /// P6: where a response sends us; `None` if it is the final one.
    fn next_hop(&self, attempt: &mut Attempt<'_>, hop: &Hop, answer: &Answer) -> Result<Option<Hop>, Failure<Fault>> {
        let status = answer.status;
        let redirects = matches!(
            status,
            StatusCode::MOVED_PERMANENTLY
                | StatusCode::FOUND
                | StatusCode::SEE_OTHER
                | StatusCode::TEMPORARY_REDIRECT
                | StatusCode::PERMANENT_REDIRECT
        );
        if !redirects || (!self.http.follow_redirects && !answer.headers.contains_key(header::LOCATION)) {
            return Ok(None);
        }
        if !self.http.follow_redirects {
            let code = status.as_u16();
            return fails(
                Redirect::Forbidden,
                format!("{} answered {code}, and the task follows no redirect", hop.url),
            );
        }
        let url = match location(&hop.url, answer, &attempt.conditions.secrets) {
            Ok(url) => url,
            Err(why) => return fails(Redirect::Unusable, why),
        };
        taint(attempt, answer, &url);
        if hop.has_body(matches!(self.work, Work::Upload(_))) && status != StatusCode::SEE_OTHER {
            let detail = format!("{} answered the upload with {}, a redirect to {url}", hop.url, status.as_u16());
            return fails(Redirect::WithBody, detail);
        }
        if hop.followed == MOST_REDIRECTS {
            let detail = format!("{MOST_REDIRECTS} redirects followed, and {} sends us on to {url}", hop.url);
            return fails(Redirect::TooMany, detail);
        }
        let leg = match (hop.url.scheme(), url.scheme()) {
            ("https", "http") => {
                let detail = format!("{} is encrypted and sends us on to {url}, which is not", hop.url);
                return fails(Redirect::Insecure, detail);
            }
            ("http", "https") => Leg::Upgraded,
            _ => Leg::Later,
        };
        let method = if hop.method == Method::HEAD { Method::HEAD } else { Method::GET };
        Ok(Some(Hop { url, leg, method, supply: None, followed: hop.followed + 1 }))
    }

    /// P7 to P10: the final status, the body, what is checked once it is there, and the end of TLS.
    async fn finish(&self, attempt: &mut Attempt<'_>, hop: &Hop, answer: Answer) -> Result<(), Failure<Fault>> {
        let status = answer.status;
        if !status.is_success() && !self.asks_anew(status) {
            answer.leave_body(attempt);
            let detail =
                format!("the server answered {} {}", status.as_u16(), status.canonical_reason().unwrap_or_default());
            return fails(Fault::Status(status.as_u16()), detail.trim_end());
        }
        let tap = match &self.work {
            Work::Download(download) => {
                let (kept, last) = self.download(attempt, hop, answer, download).await?;
                self.verify_headers(&last.headers)?;
                self.verify_md5(&kept.md5)?;
                last.tap
            }
            Work::Upload(_) => {
                let last = Last::of(&answer);
                self.hear_out(attempt, hop, answer).await?;
                self.verify_headers(&last.headers)?;
                last.tap
            }
        };
        attempt.end_tls(&tap).await.map_err(|failure| failure.map(|cause| Fault::Net(Leg::First, cause)))
    }
}

/// What is looked at once the final response is over.
pub(super) struct Last {
    pub(super) headers: HeaderMap,
    pub(super) tap: Tap,
}

impl Last {
    pub(super) fn of(answer: &Answer) -> Self {
        Self { headers: answer.headers.clone(), tap: answer.tap() }
    }
}

fn authorization(login: &Login) -> Option<HeaderValue> {
    let pair = format!("{}:{}", login.username, login.password.expose());
    let mut value = HeaderValue::from_str(&format!("Basic {}", BASE64_STANDARD.encode(pair))).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Names a fault of an exchange: over TLS what cannot be sent is TLS's trouble, and an upload that is not answered is
/// another thing than a question that is not.
pub(super) fn name(leg: Leg, encrypted: bool, uploads: bool, cause: exchange::Fault) -> Fault {
    match cause {
        exchange::Fault::Net(fault::Fault::Send(Send::TimedOut)) if encrypted => Unsent::TimedOut.into(),
        exchange::Fault::Net(fault::Fault::Send(Send::Other)) if encrypted => Unsent::Other.into(),
        exchange::Fault::Net(fault::Fault::Receive(Receive::Silence)) if uploads => Content::Unanswered.into(),
        // Behind the handshake it makes no difference which hop it was.
        exchange::Fault::Net(cause @ (fault::Fault::Send(_) | fault::Fault::Receive(_))) => {
            Fault::Net(Leg::First, cause)
        }
        exchange::Fault::Net(cause) => Fault::Net(leg, cause),
        exchange::Fault::Broken(broken) => broken.into(),
    }
}
