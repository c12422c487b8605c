//! What one run came to: the code beside the phases and the evidence. All that the agent ever sees of a probe.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::time::{Duration, SystemTime};

use futures_util::FutureExt as _;
use jiff::Timestamp;
use serde::{Serialize, Serializer};
use ulid::Ulid;

use crate::address::words;
use crate::check::Check;
use crate::codes::{Book, Code, Protocol};
use crate::evidence::{Errno, Evidence};
use crate::fault::{Failure, Named, Side};
use crate::net::{Attempt, Conditions, Host};
use crate::phases::{Phase, Phases, milliseconds};
use crate::secret::Secrets;

/// How a run ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The target is as the task wants it.
    Ok,
    /// It is not, and the code says why.
    Failed,
    /// The agent itself failed; says nothing about the target.
    Error,
    /// It was due and was deliberately not begun; says nothing about the target.
    Skipped,
    /// It was due at a time at which the agent could not begin it; says nothing about the target.
    Missed,
}

impl Verdict {
    /// The word for it in results.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::Error => "error",
            Self::Skipped => "skipped",
            Self::Missed => "missed",
        }
    }
}

/// Why a run that was due was not begun.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Idle {
    /// The run before it of the same task and target was still under way.
    Overlap,
    /// As many runs as the schedule allows were under way until its next slot came.
    Busy,
    /// None of the guard's targets answered: the agent itself is cut off.
    CutOff,
    /// Its slot passed while the machine was suspended, the clock jumped or the agent was held up.
    Passed,
}

impl Idle {
    /// Every reason.
    pub const ALL: [Self; 4] = [Self::Overlap, Self::Busy, Self::CutOff, Self::Passed];

    /// The fault's name.
    #[must_use]
    pub const fn fault(self) -> &'static str {
        match self {
            Self::Overlap => "agent.overlap",
            Self::Busy => "agent.busy",
            Self::CutOff => "agent.cut_off",
            Self::Passed => "agent.slot_passed",
        }
    }

    /// What happened, within a sentence.
    #[must_use]
    pub fn words(self) -> String {
        let meaning = self.meaning().trim_end_matches('.');
        let (first, rest) = meaning.split_at(1);
        first.to_lowercase() + rest
    }

    /// What happened.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Overlap => "The run before it of the same task and target was still under way.",
            Self::Busy => "As many runs as the schedule allows were under way until its next slot came.",
            Self::CutOff => "None of the guard's targets answered: the agent itself is cut off.",
            Self::Passed => {
                "Its slot passed while the machine was suspended, its clock jumped or the agent was held up."
            }
        }
    }

    /// How such a run is recorded.
    #[must_use]
    pub const fn verdict(self) -> Verdict {
        match self {
            Self::Overlap | Self::Busy | Self::CutOff => Verdict::Skipped,
            Self::Passed => Verdict::Missed,
        }
    }
}

/// Who a run belongs to, and when it is worth a warning.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The name of the task.
    pub task: String,
    /// The target, without credentials.
    pub target: String,
    /// Dimensions for analysis.
    pub labels: BTreeMap<String, String>,
    /// A successful run that took longer is worth a warning.
    pub warn_after: Option<Duration>,
    /// A certificate that ends sooner is worth a warning.
    pub warn_certificate: Duration,
}

/// The result of one run, in the form that users meet.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// Unique, and in the order of time (ULID).
    pub id: String,
    /// The name of the task.
    pub task: String,
    /// The target, without credentials.
    pub target: String,
    /// What was spoken.
    pub protocol: Protocol,
    /// The book of the code; null where there is none.
    pub book: Option<Book>,
    /// How it ended.
    #[serde(rename = "outcome")]
    pub verdict: Verdict,
    /// Whether the target is as the task wants it.
    pub ok: bool,
    /// The documented number; null where the agent itself failed.
    #[serde(serialize_with = "number")]
    pub code: Option<Code>,
    /// The code's name.
    pub name: Option<String>,
    /// The code's title.
    pub title: Option<String>,
    /// What happened, from the closed list.
    pub fault: Option<&'static str>,
    /// The phase in which the run failed.
    pub phase: Option<Phase>,
    /// Whose fault it is.
    pub side: Option<Side>,
    /// What happened, for people.
    pub detail: Option<String>,
    /// The wall clock at the start, RFC 3339 in UTC.
    pub started_at: String,
    /// How long the run took.
    #[serde(serialize_with = "as_milliseconds", rename = "duration_ms")]
    pub duration: Duration,
    /// The phases that were begun.
    pub phases: Phases,
    /// The peer that was tried last.
    pub remote: Option<String>,
    /// Counts the attempts of one due time.
    pub attempt: u32,
    /// Dimensions for analysis.
    pub labels: BTreeMap<String, String>,
    /// Limits of the task that a successful run is over.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warning: Vec<String>,
    /// What a person needs to believe it.
    pub evidence: Evidence,
}

/// The fault of a run that panicked.
pub const PANIC: &str = "agent.panic";

/// What a panic is, for people.
pub const PANIC_MEANING: &str = "The probe itself failed; please report it with the detail.";

/// Runs a check once. A panic fails this run and nothing else.
pub async fn perform<C: Check>(check: &C, identity: &Identity, host: &Host, conditions: &Conditions) -> Outcome {
    let mut attempt = Attempt::new(host, conditions);
    let result = AssertUnwindSafe(check.run(&mut attempt)).catch_unwind().await;
    let duration = attempt.elapsed();
    let mut outcome = begin(C::PROTOCOL, identity, attempt.started, duration);
    match result {
        Ok(Ok(code)) => outcome.succeed(code),
        Ok(Err(failure)) => {
            outcome.fail(&failure, attempt.current());
            match C::classify(failure.fault) {
                Some(code) => outcome.set_code(code),
                None => outcome.blame_agent(),
            }
        }
        Err(panic) => outcome.err(panic.as_ref(), attempt.current()),
    }
    outcome.phases = *attempt.phases();
    outcome.remote = attempt.remote.map(words);
    let tainted = std::mem::take(&mut attempt.tainted);
    outcome.evidence.bytes = attempt.bytes();
    let errno = outcome.evidence.errno.take();
    outcome.evidence = Evidence { errno, bytes: outcome.evidence.bytes, ..attempt.evidence };
    if outcome.ok {
        outcome.warning = warnings(&outcome, identity, attempt.started);
        outcome.warning.append(&mut attempt.warnings);
    }
    outcome.strike(&conditions.secrets);
    outcome.strike(&tainted);
    // Only now: what is cut before it is struck could keep a part of a secret.
    let details = outcome.evidence.steps.iter_mut().filter_map(|step| step.detail.as_mut());
    outcome.detail.iter_mut().chain(details).for_each(shorten);
    outcome
}

/// The record of a run that was due at an instant and was not begun.
#[must_use]
pub fn not_begun(protocol: Protocol, identity: &Identity, due: SystemTime, why: Idle) -> Outcome {
    let mut outcome = begin(protocol, identity, due, Duration::ZERO);
    outcome.blame_agent();
    outcome.verdict = why.verdict();
    outcome.fault = Some(why.fault());
    outcome.detail = Some(why.words());
    outcome
}

fn begin(protocol: Protocol, identity: &Identity, started: SystemTime, duration: Duration) -> Outcome {
    Outcome {
        id: Ulid::from_datetime(started).to_string(),
        task: identity.task.clone(),
        target: identity.target.clone(),
        protocol,
        book: Some(protocol.book()),
        verdict: Verdict::Ok,
        ok: true,
        code: None,
        name: None,
        title: None,
        fault: None,
        phase: None,
        side: None,
        detail: None,
        started_at: wall_clock(started),
        duration,
        phases: Phases::default(),
        remote: None,
        attempt: 1,
        labels: identity.labels.clone(),
        warning: Vec::new(),
        evidence: Evidence::default(),
    }
}

impl Outcome {
    /// Takes a failure back that says nothing about the target; what the run had seen stays in the detail.
    pub fn excuse(&mut self, why: Idle) {
        let seen = [self.fault.unwrap_or_default(), self.detail.as_deref().unwrap_or_default()].join(": ");
        self.blame_agent();
        (self.code, self.name, self.title) = (None, None, None);
        self.verdict = why.verdict();
        self.fault = Some(why.fault());
        self.detail = Some(format!("{}; the run had seen {seen}", why.words()));
    }

    fn succeed(&mut self, code: Code) {
        self.set_code(code);
    }

    fn fail<F: Named>(&mut self, failure: &Failure<F>, phase: Option<Phase>) {
        self.verdict = Verdict::Failed;
        self.ok = false;
        self.fault = Some(failure.fault.name());
        self.side = Some(failure.fault.side());
        self.phase = phase;
        self.detail = Some(failure.detail.clone());
        self.evidence.errno = failure.errno.map(|number| Errno {
            number,
            text: crate::net::connect::kernel_words(&std::io::Error::from_raw_os_error(number)),
        });
    }

    fn err(&mut self, panic: &(dyn std::any::Any + Send), phase: Option<Phase>) {
        let words = panic
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_default();
        self.blame_agent();
        self.fault = Some(PANIC);
        self.phase = phase;
        self.detail = Some(format!("the probe itself failed, please report it: {words}"));
    }

    /// An error of the agent itself has no place in the book.
    fn blame_agent(&mut self) {
        self.verdict = Verdict::Error;
        self.ok = false;
        self.book = None;
        self.side = Some(Side::Agent);
    }

    fn set_code(&mut self, code: Code) {
        self.code = Some(code);
        self.name = Some(code.name().into_owned());
        self.title = Some(code.title().into_owned());
    }

    /// Strikes the secrets of the task out of everything that a peer could have put into the result.
    fn strike(&mut self, secrets: &Secrets) {
        if secrets.is_empty() {
            return;
        }
        // A name, a target or a label may come from the environment too. These are texts of the agent's and of the task's: what
        // a peer said in them has been struck by itself.
        let long = secrets.long();
        let own =
            [&mut self.task, &mut self.target].into_iter().chain(self.labels.values_mut()).chain(&mut self.detail);
        own.for_each(|text| long.strike_in(text));
        self.evidence.each_text(&mut |text| secrets.strike_in(text));
    }
}

/// Cuts a text that a peer made long.
fn shorten(text: &mut String) {
    const LONGEST: usize = 1000;
    if let Some((end, _)) = text.char_indices().nth(LONGEST) {
        text.truncate(end);
        text.push('…');
    }
}

fn warnings(outcome: &Outcome, identity: &Identity, started: SystemTime) -> Vec<String> {
    let mut warnings = Vec::new();
    if let Some(limit) = identity.warn_after.filter(|limit| outcome.duration > *limit) {
        let (took, limit) = (milliseconds(outcome.duration), milliseconds(limit));
        warnings.push(format!("the run took {took} ms, more than warn_after ({limit} ms)"));
    }
    let leaf = outcome.evidence.tls.as_ref().and_then(|tls| tls.chain.first());
    let ends = leaf.and_then(|leaf| leaf.not_after.parse::<Timestamp>().ok());
    if let (Some(ends), Ok(now)) = (ends, Timestamp::try_from(started)) {
        let left = ends.duration_since(now);
        if left < jiff::SignedDuration::try_from(identity.warn_certificate).unwrap_or(jiff::SignedDuration::MAX) {
            let days = left.as_hours() / 24;
            warnings.push(format!("the certificate ends {ends}, in {days} days (warn_certificate)"));
        }
    }
    warnings
}

/// RFC 3339 in UTC, to the microsecond.
fn wall_clock(time: SystemTime) -> String {
    Timestamp::try_from(time).map_or_else(|_| String::new(), |time| format!("{time:.6}"))
}

#[expect(clippy::ref_option, reason = "serde hands the field over by reference")]
fn number<S: Serializer>(code: &Option<Code>, serializer: S) -> Result<S::Ok, S::Error> {
    code.map(Code::number).serialize(serializer)
}

fn as_milliseconds<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(milliseconds(*time))
}
