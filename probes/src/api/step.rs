//! One step: what it does, with which connection and timers, and what the evidence keeps of it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::clock::{Clock, Fired};
use super::data::Data;
use super::datagrams::Port;
use super::extract::{Extract, from_bytes, from_response, patterns};
use super::fail;
use super::fault::{Data as Wrong, Fault, Timer};
use super::line::Line;
use super::template::{Template, Variables};
use super::verify::{Judge, Verify, hex};
use super::web::{Web, ask};
use crate::address::Endpoint;
use crate::codes::Code;
use crate::evidence::{self, Bytes, Evidence};
use crate::exchange::Session;
use crate::fault::Failure;
use crate::net::{Attempt, Limits, tls};
use crate::phases::Phases;
use crate::secret::mask_url;

/// One step of a task.
#[derive(Clone, Debug)]
pub struct Step {
    /// Unique within the task.
    pub name: String,
    /// Where to, as results show it.
    pub target: String,
    /// What it does.
    pub action: Action,
    /// What it expects of the answer; of a body over HTTP.
    pub verify: Verify,
    /// What it takes out of the answer.
    pub extract: Vec<Extract>,
    /// Its timers.
    pub timers: Timers,
}

/// What a step does.
#[derive(Clone, Debug)]
pub enum Action {
    /// Talks over a TCP connection.
    Tcp(Endpoint, Data),
    /// Talks over TLS.
    Ssl(Endpoint, Data),
    /// Talks in datagrams.
    Udp(Endpoint, Data),
    /// Asks over HTTP or HTTPS.
    Http(Box<Web>),
}

/// The timers of a step; one that is not set ends with a wider one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Timers {
    /// The whole step.
    pub step: Option<Duration>,
    /// The TCP connection, for each address that is tried.
    pub connect: Option<Duration>,
    /// The TLS handshake.
    pub tls: Option<Duration>,
    /// Silence of the peer: from the last byte sent to the first one received, and from byte to byte.
    pub receive: Option<Duration>,
}

/// Which connection a step may share.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
enum Key {
    Tcp(Endpoint),
    Ssl(Endpoint),
    Udp(Endpoint),
    /// By the origin, what is spoken and the proxy.
    Http(String),
}

/// An HTTP connection between two steps.
struct Kept {
    session: Session,
    remote: Option<SocketAddr>,
}

/// What a step leaves to the next.
#[derive(Default)]
pub(super) struct State {
    variables: Variables,
    lines: HashMap<Key, Line>,
    ports: HashMap<Key, Port>,
    sessions: HashMap<Key, Kept>,
}

impl Step {
    /// What the evidence says of it before it is run.
    pub(super) fn record(&self) -> evidence::Step {
        evidence::Step {
            name: self.name.clone(),
            protocol: Some(self.protocol()),
            target: Some(self.target.clone()),
            ok: false,
            code: None,
            skipped: true,
            rounds: Some(0),
            fault: None,
            detail: None,
            remote: None,
            phases: Phases::default(),
            evidence: Box::default(),
        }
    }

    /// The protocol's name in a task.
    #[must_use]
    pub fn protocol(&self) -> &'static str {
        match &self.action {
            Action::Tcp(..) => "tcp",
            Action::Ssl(..) => "ssl",
            Action::Udp(..) => "udp",
            Action::Http(web) if web.request.url.scheme() == "https" => "https",
            Action::Http(_) => "http",
        }
    }

    /// Everything that may have variables.
    pub fn templates(&self) -> impl Iterator<Item = &Template> {
        let (data, web) = match &self.action {
            Action::Tcp(_, data) | Action::Ssl(_, data) | Action::Udp(_, data) => (Some(&data.template), None),
            Action::Http(web) => (None, Some(web.templates())),
        };
        data.into_iter().chain(web.into_iter().flatten()).chain(self.verify.template())
    }

    /// What is wrong with the data to send, whatever the variables come to.
    pub(super) fn check_send(&self) -> Result<(), String> {
        match &self.action {
            Action::Tcp(_, data) | Action::Ssl(_, data) | Action::Udp(_, data) => data.check(),
            Action::Http(_) => Ok(()),
        }
    }

    /// Runs it once, and takes what was seen into the run and its record.
    pub(super) async fn play(
        &self,
        attempt: &mut Attempt<'_>,
        clock: &Clock,
        state: &mut State,
        tls: &tls::Client,
        record: &mut evidence::Step,
    ) -> Result<(), Failure<Fault>> {
        tracing::debug!(target: "conversation", "* step `{}`: {} {}", self.name, self.protocol(), mask_url(&self.target));
        let mut part = attempt.part(self.limits(clock), clock.end());
        part.silence = self.timers.receive;
        let mut before = Bytes::default();
        let result = match clock.over(Instant::now()) {
            Some(limit) => Err(Failure { fault: Fault::Limit(limit), detail: NO_TIME.to_owned(), errno: None }),
            None => self.act(&mut part, clock, state, tls, &mut before).await,
        };
        let result = result.map_err(|failure| self.timed(&part, clock, failure));
        let bytes = part.bytes().map(|bytes| bytes.since(before));
        part.evidence.bytes = bytes;
        note(record, &part, &result);
        *record.evidence = std::mem::take(&mut part.evidence);
        keep_certificate(&mut attempt.evidence, &record.evidence);
        attempt.join(part, bytes);
        result
    }

    /// The timers of this step.
    fn limits(&self, clock: &Clock) -> Limits {
        let left = clock.end().saturating_duration_since(Instant::now());
        let Timers { connect, tls, .. } = self.timers;
        Limits { timeout: left, connect, tls, setup: left }
    }

    async fn act(
        &self,
        part: &mut Attempt<'_>,
        clock: &Clock,
        state: &mut State,
        tls: &tls::Client,
        before: &mut Bytes,
    ) -> Result<(), Failure<Fault>> {
        match &self.action {
            Action::Tcp(endpoint, data) => {
                let key = Key::Tcp(endpoint.clone());
                self.over_line(part, clock, state, (key, endpoint, None), data, before).await
            }
            Action::Ssl(endpoint, data) => {
                let key = Key::Ssl(endpoint.clone());
                self.over_line(part, clock, state, (key, endpoint, Some(tls)), data, before).await
            }
            Action::Udp(endpoint, data) => self.over_udp(part, clock, state, endpoint, data).await,
            Action::Http(web) => self.over_http(part, clock, state, web, before).await,
        }
    }

    async fn over_line(
        &self,
        part: &mut Attempt<'_>,
        clock: &Clock,
        state: &mut State,
        (key, endpoint, tls): (Key, &Endpoint, Option<&tls::Client>),
        data: &Data,
        before: &mut Bytes,
    ) -> Result<(), Failure<Fault>> {
        let net = |failure: Failure| failure.map(Fault::Net);
        let bytes = bytes_of(data, &state.variables)?;
        let mut judge = self.judge(&state.variables)?;
        let mut line = match state.lines.remove(&key) {
            Some(mut line) => {
                *before = line.resume(part, !bytes.is_empty()).await.map_err(net)?;
                line
            }
            None => Line::open(part, endpoint, tls).await.map_err(net)?,
        };
        let heard = line.talk(part, clock, &bytes, &mut judge).await;
        part.evidence.md5 = judge.md5().map(|md5| hex(&md5));
        heard?;
        from_bytes(&self.extract, judge.kept(), &mut state.variables)?;
        state.lines.insert(key, line);
        Ok(())
    }

    async fn over_udp(
        &self,
        part: &mut Attempt<'_>,
        clock: &Clock,
        state: &mut State,
        endpoint: &Endpoint,
        data: &Data,
    ) -> Result<(), Failure<Fault>> {
        let bytes = bytes_of(data, &state.variables)?;
        let mut judge = self.judge(&state.variables)?;
        let key = Key::Udp(endpoint.clone());
        let socket = match state.ports.remove(&key) {
            Some(socket) => {
                socket.resume(part, !bytes.is_empty()).await;
                socket
            }
            None => Port::open(part, endpoint).await?,
        };
        let heard = socket.talk(part, clock, &bytes, &mut judge).await;
        part.evidence.md5 = judge.md5().map(|md5| hex(&md5));
        heard?;
        from_bytes(&self.extract, judge.kept(), &mut state.variables)?;
        state.ports.insert(key, socket);
        Ok(())
    }

    async fn over_http(
        &self,
        part: &mut Attempt<'_>,
        clock: &Clock,
        state: &mut State,
        web: &Web,
        before: &mut Bytes,
    ) -> Result<(), Failure<Fault>> {
        let request = web.fill(&state.variables)?;
        web.taint(&request, &mut part.tainted);
        let mut judge = Judge::new(&self.verify, Vec::new(), &state.variables)?;
        let proxy = request.proxy.as_ref().map(|proxy| proxy.endpoint.to_string()).unwrap_or_default();
        let origin = request.url.origin().ascii_serialization();
        let key = Key::Http(format!("{origin} {:?} {proxy}", request.versions));
        let kept = state.sessions.remove(&key);
        let mut carried = Bytes::default();
        if let Some(kept) = &kept {
            carried = kept.session.tap().bytes();
            part.tap = Some(kept.session.tap());
            part.remote = kept.remote;
        }
        let asked = ask(part, &request, &mut judge, kept.map(|kept| kept.session)).await;
        // Where no address was tried, it was the connection that was there.
        if part.evidence.addresses.is_empty() {
            *before = carried;
        }
        part.evidence.md5 = judge.md5().map(|md5| hex(&md5));
        let (response, session) = asked?;
        let taken = from_response(&self.extract, part, &response, &mut state.variables).await;
        taken.unwrap_or_else(|| Err(clock.late("the time was over while values were taken out of the answer")))?;
        if let Some(session) = session {
            state.sessions.insert(key, Kept { session, remote: part.remote });
        }
        Ok(())
    }

    fn judge(&self, variables: &Variables) -> Result<Judge, Failure<Fault>> {
        Judge::new(&self.verify, patterns(&self.extract), variables)
    }

    /// The failure of a step whose time was over, as the timer names it that fired.
    fn timed(&self, part: &Attempt<'_>, clock: &Clock, failure: Failure<Fault>) -> Failure<Fault> {
        let Some(timer) = failure.fault.timer() else { return failure };
        let (limit, spent) = match timer {
            Timer::Resolve => (None, Duration::ZERO),
            Timer::Connect => (self.timers.connect, part.in_phase()),
            Timer::Tls => (self.timers.tls, part.in_phase()),
            Timer::Receive => {
                let quiet = part.tap.as_ref().map_or_else(|| part.in_phase(), |tap| tap.last_moved().elapsed());
                (self.timers.receive, quiet)
            }
        };
        match clock.fired(limit, spent + clock.overhead(part.phases()), Instant::now()) {
            Fired::Narrow => failure,
            Fired::Wide(limit) => {
                let detail = format!("the time was over: {}", failure.detail);
                Failure { fault: Fault::Limit(limit), detail, errno: None }
            }
        }
    }
}

const NO_TIME: &str = "the time was over before the step began";

/// The bytes that a step sends.
fn bytes_of(data: &Data, variables: &Variables) -> Result<Vec<u8>, Failure<Fault>> {
    data.bytes(variables).map_err(|why| Failure::new(Wrong::Send, why))
}

/// Puts what came of a step into its record.
fn note(record: &mut evidence::Step, part: &Attempt<'_>, result: &Result<(), Failure<Fault>>) {
    record.skipped = false;
    record.rounds = record.rounds.map(|rounds| rounds + 1);
    record.phases.add_all(part.phases());
    record.remote = part.remote.map(|remote| remote.to_string());
    match result {
        Ok(()) => {
            record.ok = true;
            record.code = Some(Code::success().number());
        }
        Err(failure) => fail(record, failure),
    }
}

/// Keeps the session whose certificate ends first.
fn keep_certificate(run: &mut Evidence, step: &Evidence) {
    let ends = |evidence: &Evidence| {
        let leaf = evidence.tls.as_ref().and_then(|tls| tls.chain.first());
        leaf.map(|leaf| leaf.not_after.clone())
    };
    let sooner = match (ends(run), ends(step)) {
        (Some(earlier), Some(own)) => own <= earlier,
        (None, _) => true,
        (Some(_), None) => false,
    };
    if sooner && step.tls.is_some() {
        run.tls.clone_from(&step.tls);
    }
}

/// What a run shows beside its steps: what the last of them saw, and of a success the certificate that ends first.
pub(super) fn summary(first_to_end: Option<evidence::Tls>, last: &evidence::Step) -> Evidence {
    let own = &last.evidence;
    let tls = if last.ok { first_to_end } else { own.tls.clone().or(first_to_end) };
    Evidence { tls, ..Evidence::clone(own) }
}
