//! The connections to the service and the download host: one request after the other, over the same one where the server
//! lets us.
//!
//! Every request is a step of the evidence. No redirect is followed, and nothing is asked twice here.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};
use url::Url;

use super::answer::{Data, Heard, Unheard, judge};
use super::fault::{Answer as Unusable, Fault};
use super::sign::Signer;
use super::{Object, table};
use crate::address::Endpoint;
use crate::codes::Code;
use crate::evidence;
use crate::exchange::{self, Answer, Ask, Patience, Payload, Session, Sink, Spilt, Versions, note_answer, same_origin};
use crate::fault::{Failure, Fault as NetFault, Handshake, Named as _, Receive, Send};
use crate::net::Attempt;
use crate::net::stream::Tap;
use crate::secret::Secret;

/// No answer of the service is larger.
const LARGEST_ANSWER: usize = 1 << 20;
/// So many steps stand in the evidence, and the last one.
const MOST_STEPS: usize = 100;
/// So many addresses stand in the evidence, when the server ends every connection.
const MOST_ADDRESSES: usize = 32;

/// One request.
pub(super) struct Request {
    pub(super) method: Method,
    pub(super) url: Url,
    /// Who asks; a download says it in its URL.
    pub(super) sign: Option<Secret>,
    pub(super) content_type: Option<HeaderValue>,
    pub(super) range: Option<HeaderValue>,
    pub(super) body: Payload,
    /// How long the first byte of the answer may take, where there is another try.
    pub(super) patience: Option<Patience>,
}

impl Request {
    /// The same request, if its body can be sent twice.
    fn again(&self) -> Option<Self> {
        let Payload::Whole(body) = &self.body else { return None };
        Some(Self {
            method: self.method.clone(),
            url: self.url.clone(),
            sign: self.sign.clone(),
            content_type: self.content_type.clone(),
            range: self.range.clone(),
            body: body.clone().into(),
            patience: self.patience,
        })
    }
}

/// Whether a connection ended before anything of an answer came over it.
const fn was_ended(fault: exchange::Fault) -> bool {
    matches!(
        fault,
        exchange::Fault::Net(
            NetFault::Receive(Receive::NothingClosed | Receive::NothingReset) | NetFault::Send(Send::Reset)
        )
    )
}

/// Who asks the service, in one run.
pub(super) struct Client<'o> {
    pub(super) object: &'o Object,
    /// The object of the task.
    pub(super) url: Url,
    pub(super) signer: Signer<'o>,
    /// The signature for everything that changes no file.
    reusable: Secret,
    /// One for each origin.
    lines: Vec<Line>,
}

impl<'o> Client<'o> {
    pub(super) fn new(attempt: &mut Attempt<'_>, object: &'o Object, url: Url) -> Self {
        let signer = Signer::new(&object.account, attempt.started, attempt.conditions.limits.timeout);
        let reusable = signer.reusable("");
        attempt.tainted.add_computed(reusable.expose());
        Self { object, url, signer, reusable, lines: Vec::new() }
    }

    /// The signature for requests that change no file.
    pub(super) fn reusable(&self) -> Secret {
        self.reusable.clone()
    }

    /// The signature for one request that changes the file of the task.
    pub(super) fn once(&self, attempt: &mut Attempt<'_>) -> Secret {
        let sign = self.signer.once(&self.object.file_id());
        attempt.tainted.add_computed(sign.expose());
        sign
    }

    /// Asks the service to do something, and gives the data of its answer.
    pub(super) async fn call(
        &mut self,
        attempt: &mut Attempt<'_>,
        step: &str,
        request: Request,
    ) -> Result<Data, Failure<Fault>> {
        let result = match self.hear(attempt, request).await {
            Ok(heard) => {
                let verdict = judge(step, heard, |text| attempt.strike(text));
                attempt.evidence.object.get_or_insert_default().message = verdict.message;
                verdict.result
            }
            Err(failure) => Err(failure),
        };
        note_step(attempt, step, result.as_ref().map(|_| Code::success()));
        result
    }

    /// Asks, and hears the answer to its end.
    async fn hear(&mut self, attempt: &mut Attempt<'_>, request: Request) -> Result<Heard, Failure<Fault>> {
        let url = request.url.clone();
        let answer = self.ask(attempt, request).await?;
        let status = answer.status.as_u16();
        let mut gathered = Gathered::default();
        let body = match self.pour(attempt, &url, answer, &mut gathered).await {
            Ok(()) => Ok(gathered.0),
            Err(Spilt::Sink(TooLarge)) => Err(Unheard::TooLarge),
            Err(Spilt::Exchange(failure)) => Err(Unheard::Broken(failure.map(Fault::from))),
        };
        Ok(Heard { status, body })
    }

    /// Sends a request and waits for the head of its answer.
    pub(super) async fn ask(&mut self, attempt: &mut Attempt<'_>, request: Request) -> Result<Answer, Failure<Fault>> {
        // What an earlier answer said is no evidence of this one.
        attempt.evidence.http = None;
        attempt.evidence.object.get_or_insert_default().message = None;
        attempt.begin_hop();
        let (session, is_used) = self.reach(attempt, &request.url).await?;
        let (tap, again) = (session.tap(), if is_used { request.again() } else { None });
        let arrived = tap.acknowledged();
        let answer = match (session.ask(attempt, ask(request)).await, again) {
            // The service ended the connection before a byte of the request got there: it has not been asked yet.
            (Err(failure), Some(request)) if was_ended(failure.fault) && tap.acknowledged() <= arrived => {
                let (session, _) = self.reach(attempt, &request.url).await?;
                session.ask(attempt, ask(request)).await
            }
            (answer, _) => answer,
        };
        let answer = answer.map_err(|failure| failure.map(Fault::from))?;
        note_answer(attempt, &answer);
        Ok(answer)
    }

    /// Takes in the body of an answer, and keeps the connection if it can be used again.
    pub(super) async fn pour<S: Sink>(
        &mut self,
        attempt: &mut Attempt<'_>,
        url: &Url,
        answer: Answer,
        sink: &mut S,
    ) -> Result<(), Spilt<S::Error>> {
        let session = answer.pour(attempt, false, sink).await.end?;
        if let Some(line) = self.lines.iter_mut().find(|line| same_origin(&line.origin, url)) {
            line.session = session;
        }
        Ok(())
    }

    /// A connection to the origin of a URL: the one that is there, if it is still good.
    /// And whether there were requests on it before.
    async fn reach(&mut self, attempt: &mut Attempt<'_>, url: &Url) -> Result<(Session, bool), Failure<Fault>> {
        let known = self.lines.iter().position(|line| same_origin(&line.origin, url));
        if let Some(index) = known {
            let session = self.lines[index].session.take();
            let session = match session {
                Some(session) => session.still_open(attempt).await,
                None => None,
            };
            if let Some(session) = session {
                attempt.remote = self.lines[index].remote;
                return Ok((session, true));
            }
            attempt.count_in(self.lines.swap_remove(index).tap);
        }
        let failed = attempt.tap.take();
        attempt.count_in(failed);
        let dialled = dial(self.object, attempt, url).await;
        let addresses = &mut attempt.evidence.addresses;
        if addresses.len() > MOST_ADDRESSES {
            addresses.truncate(MOST_ADDRESSES);
            attempt.evidence.truncated = true;
        }
        let session = dialled?;
        let (tap, remote) = (attempt.tap.take(), attempt.remote);
        self.lines.push(Line { origin: url.clone(), session: None, tap, remote });
        Ok((session, false))
    }

    /// Counts what the connections carried; the run is over.
    pub(super) fn settle(self, attempt: &mut Attempt<'_>) {
        for line in self.lines {
            let other = std::mem::replace(&mut attempt.tap, line.tap);
            attempt.count_in(other);
        }
    }
}

/// The connection to one origin.
struct Line {
    origin: Url,
    /// Absent while it is used, and when it cannot be any more.
    session: Option<Session>,
    tap: Option<Tap>,
    remote: Option<SocketAddr>,
}

/// A new connection.
async fn dial(object: &Object, attempt: &mut Attempt<'_>, url: &Url) -> Result<Session, Failure<Fault>> {
    let net = |failure: Failure| failure.map(Fault::Net);
    let Some(endpoint) = Endpoint::of_url(url) else {
        return Err(Failure::new(Unusable::Incomplete, "the service sends us to a URL without a host"));
    };
    let addresses = attempt.resolve(&endpoint).await.map_err(net)?;
    let mut stream = attempt.connect(&addresses).await.map_err(net)?;
    if url.scheme() == "https" {
        let Some(wire) = stream.into_wire() else {
            return Err(Failure::new(
                crate::fault::Fault::from(Handshake::Other),
                "the connection is encrypted already",
            ));
        };
        let alpn = Versions::Http1.alpn();
        stream = attempt.encrypt(&object.tls, wire, &endpoint.host, alpn).await.map_err(net)?;
    }
    Session::over(stream, Versions::Http1).map_err(|failure| failure.map(Fault::from))
}

/// Which numbers are statuses here: those of HTTP, and what the service has beyond.
fn is_status(number: u16) -> bool {
    exchange::is_status(number) || Code::of_front_end(number).is_some()
}

fn ask(request: Request) -> Ask {
    let Request { method, url, sign, content_type, range, body, patience } = request;
    let mut headers = HeaderMap::new();
    headers.insert(header::USER_AGENT, HeaderValue::from_static(concat!("agent/", env!("CARGO_PKG_VERSION"))));
    headers.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
    // Base64 is always fit for a header.
    let authorization = sign.and_then(|sign| HeaderValue::from_str(sign.expose()).ok());
    headers.extend(authorization.map(|mut value| {
        value.set_sensitive(true);
        (header::AUTHORIZATION, value)
    }));
    headers.extend(content_type.map(|value| (header::CONTENT_TYPE, value)));
    headers.extend(range.map(|value| (header::RANGE, value)));
    Ask { method, url, headers, body, patience, keep: true, statuses: is_status }
}

/// Adds a step to the evidence, with the phases since the last one.
pub(super) fn note_step(attempt: &mut Attempt<'_>, name: &str, result: Result<Code, &Failure<Fault>>) {
    let phases = attempt.take_hop_phases();
    let step = match result {
        Ok(code) => evidence::Step { ok: true, code: Some(code.number()), ..evidence::Step::default() },
        Err(failure) => failed(failure),
    };
    push_step(attempt, evidence::Step { name: name.to_owned(), phases, ..step });
}

/// Adds a step that was not taken.
pub(super) fn skip_step(attempt: &mut Attempt<'_>, name: &str, why: &str) {
    let detail = Some(why.to_owned());
    push_step(attempt, evidence::Step { name: name.to_owned(), skipped: true, detail, ..evidence::Step::default() });
}

/// Says that the last step failed after all, and passes the failure on.
pub(super) fn spoil_step(attempt: &mut Attempt<'_>, failure: Failure<Fault>) -> Failure<Fault> {
    if let Some(step) = attempt.evidence.steps.last_mut() {
        let (name, phases) = (std::mem::take(&mut step.name), step.phases);
        *step = evidence::Step { name, phases, ..failed(&failure) };
    }
    failure
}

/// An answer that says that all is well, and lacks what the operation needs.
pub(super) fn incomplete(attempt: &mut Attempt<'_>, what: &str) -> Failure<Fault> {
    let name = attempt.evidence.steps.last().map(|step| step.name.clone()).unwrap_or_default();
    let detail = format!("the answer to {name} has the JSON code 0 and {what}");
    spoil_step(attempt, Failure::new(Unusable::Incomplete, detail))
}

fn failed(failure: &Failure<Fault>) -> evidence::Step {
    evidence::Step {
        code: Some(table::classify(failure.fault).number()),
        fault: Some(failure.fault.name()),
        detail: Some(failure.detail.clone()),
        ..evidence::Step::default()
    }
}

fn push_step(attempt: &mut Attempt<'_>, step: evidence::Step) {
    let steps = &mut attempt.evidence.steps;
    if steps.len() > MOST_STEPS {
        steps.pop();
        attempt.evidence.truncated = true;
    }
    steps.push(step);
}

/// The body of an answer.
#[derive(Default)]
struct Gathered(Vec<u8>);

/// The body is larger than any answer.
struct TooLarge;

impl Sink for Gathered {
    type Error = TooLarge;

    async fn take(&mut self, bytes: Bytes) -> Result<(), TooLarge> {
        if self.0.len() + bytes.len() > LARGEST_ANSWER {
            return Err(TooLarge);
        }
        self.0.extend_from_slice(&bytes);
        Ok(())
    }
}
