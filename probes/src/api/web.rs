//! A step over HTTP: the request with its variables filled in, over the connection that an earlier step left.

use bytes::Bytes;
use http::HeaderValue;
use url::{Position, Url};

use super::fault::{Answer, Data, Fault};
use super::template::{Template, Variables};
use super::verify::Judge;
use crate::exchange::{self, Answer as Arriving, Broken, Session, Sink, Spilt, fits_a_request};
use crate::fault::{self, Failure, Receive};
use crate::net::Attempt;
use crate::request::{self, Reader, Request, Response, show_body};
use crate::secret::Secrets;

/// A request with variables in it.
#[derive(Clone, Debug)]
pub struct Web {
    /// The request; what has variables is put in its place for each run.
    pub request: Request,
    /// What stands behind host and port, where it has variables.
    pub path: Option<Template>,
    /// The values of header fields that have variables, by their place in the list.
    pub headers: Vec<(usize, Template)>,
    /// The body, where it has variables.
    pub body: Option<Template>,
}

impl Web {
    /// Everything that may have variables.
    pub fn templates(&self) -> impl Iterator<Item = &Template> {
        self.path.iter().chain(self.headers.iter().map(|(_, template)| template)).chain(&self.body)
    }

    /// Adds what stands in secret fields now that their variables are filled in.
    pub(super) fn taint(&self, request: &Request, secrets: &mut Secrets) {
        let fields = self.headers.iter().filter_map(|(at, _)| request.headers.get(*at));
        for field in fields.filter(|field| field.secret) {
            secrets.add_header(&String::from_utf8_lossy(field.value.as_bytes()));
        }
    }

    /// The request with these values.
    pub(super) fn fill(&self, variables: &Variables) -> Result<Request, Failure<Fault>> {
        let wrong = |why: &str| Failure::new(Data::Send, why);
        let mut request = self.request.clone();
        if let Some(path) = &self.path {
            request.url = filled_url(&request.url, &path.fill(variables)).map_err(wrong)?;
        }
        for (at, template) in &self.headers {
            if let Some(field) = request.headers.get_mut(*at) {
                let value = HeaderValue::from_bytes(&template.fill(variables));
                let mut value = value.map_err(|_| wrong("a header field cannot carry the value of a variable"))?;
                value.set_sensitive(field.secret);
                field.value = value;
            }
        }
        if let Some(body) = &self.body {
            request.body = Bytes::from(body.fill(variables));
        }
        Ok(request)
    }
}

/// A URL of the same origin with another path.
fn filled_url(origin: &Url, path: &[u8]) -> Result<Url, &'static str> {
    const UNFIT: &str = "the URL cannot carry the value of a variable";
    let path = std::str::from_utf8(path).map_err(|_| UNFIT)?;
    // URL parsers drop line ends and tabs in silence.
    if path.chars().any(char::is_control) {
        return Err(UNFIT);
    }
    let url = Url::parse(&format!("{}{path}", &origin[..Position::BeforePath])).map_err(|_| UNFIT)?;
    if url.origin() == origin.origin() && fits_a_request(&url) { Ok(url) } else { Err(UNFIT) }
}

/// Asks, judges the response and its body, and says which connection can be used again.
pub(super) async fn ask(
    attempt: &mut Attempt<'_>,
    request: &Request,
    judge: &mut Judge,
    kept: Option<Session>,
) -> Result<(Response, Option<Session>), Failure<Fault>> {
    let mut through = Through { kept, judge, session: None };
    let response = request.send(attempt, &mut through).await;
    let session = through.session;
    let response = response.map_err(|failure| name(attempt, failure))?;
    let verdict = judge.end(&attempt.conditions.secrets, " as the body");
    if verdict.is_err() {
        show_body(attempt, &response.body);
    }
    verdict.map(|()| (response, session))
}

/// A failure of the exchange before a byte of an answer is not one of the answer.
fn name(attempt: &Attempt<'_>, failure: Failure<request::Fault>) -> Failure<Fault> {
    let of_answer = matches!(
        failure.fault,
        request::Fault::Net(fault::Fault::Receive(Receive::Other))
            | request::Fault::Broken(Broken::Malformed | Broken::Http2 | Broken::StreamReset | Broken::Goaway)
    );
    let nothing = attempt.tap.as_ref().is_some_and(|tap| tap.application().first_read.is_none());
    if of_answer && nothing {
        return Failure::new(Answer::NothingBroken, failure.detail).with_errno(failure.errno);
    }
    failure.map(Fault::Http)
}

/// Reads a body through the judge to its end, and keeps the connection if it can be used again.
struct Through<'j> {
    kept: Option<Session>,
    judge: &'j mut Judge,
    session: Option<Session>,
}

impl Reader for Through<'_> {
    fn kept(&mut self) -> Option<Session> {
        self.kept.take()
    }

    fn keeps(&self) -> bool {
        true
    }

    fn wants_body(&self) -> bool {
        true
    }

    async fn read(
        &mut self,
        attempt: &mut Attempt<'_>,
        answer: Arriving,
        request: &Request,
    ) -> Result<Vec<u8>, Failure<exchange::Fault>> {
        let mut pail = Pail { judge: self.judge, body: Vec::new(), limit: request.body_limit };
        let poured = answer.pour(attempt, request.compression, &mut pail).await;
        match poured.end {
            Ok(session) => self.session = session,
            Err(Spilt::Sink(Enough)) => {}
            Err(Spilt::Exchange(failure)) => return Err(failure),
        }
        Ok(pail.body)
    }
}

/// Nobody looks at more of the body.
struct Enough;

/// Takes a body in, as far as it is looked at.
struct Pail<'j> {
    judge: &'j mut Judge,
    body: Vec<u8>,
    limit: usize,
}

impl Sink for Pail<'_> {
    type Error = Enough;

    async fn take(&mut self, bytes: Bytes) -> Result<(), Enough> {
        let room = self.limit - self.body.len();
        self.body.extend_from_slice(&bytes[..bytes.len().min(room)]);
        self.judge.take(&bytes);
        let full = self.body.len() == self.limit;
        if full && self.judge.is_enough() { Err(Enough) } else { Ok(()) }
    }
}
