//! The service at work: every request of a connection, from the wire through the middlebox and the checks to its answer.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};

use super::answer::{Answer, Refusal};
use super::authorize::authorize;
use super::describe::Description;
use super::faults::{Tally, is_about};
use super::fields;
use super::operations::{self, Desk};
use super::request::Request;
use super::state::State;
use super::url::Place;
use super::{download, parameters};
use crate::lab::wire::Record;

/// A service with the files/v1 interface.
pub struct Service {
    description: Description,
    base: String,
    state: Mutex<State>,
    tallies: Mutex<(Vec<Tally>, Vec<Tally>)>,
    oddities: Mutex<Vec<String>>,
}

/// No answer is given: the connection ends.
#[derive(Debug)]
struct Dropped;

impl std::fmt::Display for Dropped {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("the case lets no answer come")
    }
}

impl std::error::Error for Dropped {}

impl Service {
    /// A service as a case describes it.
    pub fn new(description: &Description, address: SocketAddr, encrypted: bool) -> Result<Self, String> {
        let scheme = if encrypted { "https" } else { "http" };
        Ok(Self {
            base: format!("{scheme}://{address}"),
            state: Mutex::new(State::new(description)?),
            tallies: Mutex::new((
                vec![Tally::default(); description.meddle.len()],
                vec![Tally::default(); description.faults.len()],
            )),
            oddities: Mutex::default(),
            description: description.clone(),
        })
    }

    /// What the service keeps, a line each.
    pub fn stored(&self) -> Vec<String> {
        self.state().lines()
    }

    /// What clients sent that no document knows, and rules of the case that were never of use: it does not do what it says.
    pub fn troubles(&self) -> Vec<String> {
        let oddities = self.oddities.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let tallies = self.tallies.lock().unwrap_or_else(PoisonError::into_inner);
        let kinds = [("meddle", &tallies.0), ("faults", &tallies.1)];
        let idle = kinds.iter().flat_map(|(kind, tallies)| {
            let idle = tallies.iter().enumerate().filter(|(_, tally)| !tally.used());
            idle.map(move |(index, _)| format!("rule {} of {kind} was never of use", index + 1))
        });
        oddities.into_iter().chain(idle).collect()
    }

    /// Answers the requests of one connection until it ends.
    pub async fn converse(self: Arc<Self>, stream: impl AsyncRead + AsyncWrite + Unpin, record: Record) {
        let answer = service_fn(|request: hyper::Request<Incoming>| {
            let (service, record) = (Arc::clone(&self), record.clone());
            async move {
                let answer = match service.receive(request, &record).await? {
                    Ok(request) => service.answer(request).await.ok_or(io::Error::other(Dropped))?,
                    Err(refusal) => refusal,
                };
                Ok::<_, io::Error>(respond(answer))
            }
        });
        // A client that ends the connection is no trouble of the case.
        let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
    }

    /// Takes in a request, or says why it cannot be taken in.
    async fn receive(&self, request: hyper::Request<Incoming>, record: &Record) -> io::Result<Result<Request, Answer>> {
        let (head, body) = request.into_parts();
        let text = |value: &hyper::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let headers: Vec<(String, String)> =
            head.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
        let mut request = Request {
            method: head.method.to_string(),
            path: head.uri.path().to_owned(),
            query: head.uri.query().unwrap_or_default().to_owned(),
            headers,
            body: Bytes::new(),
        };
        let body = Limited::new(body, self.description.largest_body).collect().await;
        let whole = body.map(http_body_util::Collected::to_bytes);
        let result = match whole {
            Ok(body) => {
                request.body = body;
                // HTTP/1.1 wants to know the host, once.
                if request.header("host").is_some() { Ok(request.clone()) } else { Err(Answer::empty(400)) }
            }
            Err(error) if error.is::<http_body_util::LengthLimitError>() => Err(Answer::empty(413)),
            Err(error) => return Err(io::Error::other(error)),
        };
        let mut log = record.lock().unwrap_or_else(PoisonError::into_inner);
        log.bytes.extend_from_slice(request.text().as_bytes());
        Ok(result)
    }

    /// The answer to a request, if one is given.
    async fn answer(&self, mut request: Request) -> Option<Answer> {
        let downloaded = download::place_of(&self.description, &request).is_some();
        let operation = if downloaded { "download".to_owned() } else { request.operation() };
        let asked = request.path.clone();
        if let Some(oddity) = fields::oddity(&request, &operation).filter(|_| !downloaded) {
            self.oddities.lock().unwrap_or_else(PoisonError::into_inner).push(oddity);
        }
        let twice = self.meddle(&mut request, &operation, &asked);
        if twice {
            self.carry_out(&request);
        }
        let Some(index) = self.fault_for(&operation, &asked) else { return Some(self.carry_out(&request)) };
        let fault = &self.description.faults[index];
        let done = fault.done.then(|| self.carry_out(&request));
        if let Some(delay) = fault.delay {
            tokio::time::sleep(delay.0).await;
        }
        if fault.drop {
            return None;
        }
        Some(fault.answer().or(done).unwrap_or_else(|| self.carry_out(&request)))
    }

    /// Lets the middlebox change a request; true if it is to be passed on twice.
    fn meddle(&self, request: &mut Request, operation: &str, asked: &str) -> bool {
        let mut tallies = self.tallies.lock().unwrap_or_else(PoisonError::into_inner);
        let mut twice = false;
        for (rule, tally) in self.description.meddle.iter().zip(&mut tallies.0) {
            let fits = is_about(rule.op.as_deref(), rule.path.as_deref(), operation, asked);
            if !tally.counts(rule.nth, fits) {
                continue;
            }
            if let Some(path) = &rule.delete
                && let Ok(place) = Place::read(&request.path, "")
            {
                let _ = operations::delete(&mut self.state(), &place.beside(path));
            }
            rule.change(&self.description, request);
            twice |= rule.twice;
        }
        twice
    }

    fn fault_for(&self, operation: &str, asked: &str) -> Option<usize> {
        let mut tallies = self.tallies.lock().unwrap_or_else(PoisonError::into_inner);
        let rules = self.description.faults.iter().zip(&mut tallies.1).enumerate();
        // Every rule counts every request, also those that an earlier rule answers.
        let chosen = rules.filter_map(|(index, (rule, tally))| {
            let fits = is_about(rule.op.as_deref(), rule.path.as_deref(), operation, asked);
            tally.counts(rule.nth, fits).then_some(index)
        });
        chosen.min()
    }

    /// Does what a request asks for, if all is in order.
    pub fn carry_out(&self, request: &Request) -> Answer {
        match download::place_of(&self.description, request) {
            Some(place) => download::answer(&self.description, &self.state(), &place, request),
            None => Answer::of(&self.operate(request)),
        }
    }

    fn operate(&self, request: &Request) -> Result<Value, Refusal> {
        let place = Place::read(&request.path, &request.query)?;
        if !matches!(request.method.as_str(), "GET" | "POST") {
            return Err(Refusal("ERROR_CGI_REQ_METHOD"));
        }
        let (operation, fields) = fields::read(request)?;
        let mut state = self.state();
        authorize(&self.description, &mut state, &place, operation, request.header("authorization"))?;
        let deed = parameters::read(&self.description, &place, operation, &fields)?;
        let now = self.description.clock.now();
        let mut desk = Desk { state: &mut state, place: &place, base: &self.base, now };
        let data = operations::perform(&mut desk, deed)?;
        Ok(if data.is_null() { json!({}) } else { data })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn respond(answer: Answer) -> hyper::Response<Full<Bytes>> {
    let mut response = hyper::Response::builder().status(answer.status);
    for (name, value) in answer.headers {
        response = response.header(name, value);
    }
    response.body(Full::new(answer.body.into())).expect("a status, and header fields that are some")
}
