//! Runs that nobody probed, for a store to keep.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use agent::run::Run;
use jiff::Timestamp;
use probes::codes::{Code, Entry, Protocol, entries};
use probes::evidence::{Errno, Exchange};
use probes::fault::Side;
use probes::outcome::{Identity, Idle, Outcome, Verdict, not_begun};
use probes::phases::Phase;

/// Who a run belongs to.
pub fn identity(task: &str, target: &str, labels: &[(&str, &str)]) -> Identity {
    Identity {
        task: task.to_owned(),
        target: target.to_owned(),
        labels: labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect::<BTreeMap<_, _>>(),
        warn_after: None,
        warn_certificate: Duration::ZERO,
    }
}

/// The failures that the book of HTTP has.
pub fn http_codes() -> Vec<&'static Entry> {
    let of_http = |entry: &&Entry| entry.protocol == Protocol::Http && entry.number >= 600;
    entries().iter().filter(of_http).collect()
}

/// A run that ended ok.
pub fn ok(identity: &Identity, started: SystemTime, duration: Duration) -> Run {
    let mut outcome = not_begun(Protocol::Http, identity, started, Idle::Busy);
    outcome.verdict = Verdict::Ok;
    outcome.ok = true;
    outcome.book = Some(Protocol::Http.book());
    set_code(&mut outcome, Code::status(200));
    (outcome.fault, outcome.side, outcome.detail) = (None, None, None);
    outcome.duration = duration;
    outcome.phases.add(Phase::Connect, duration / 4);
    outcome.phases.add(Phase::Wait, duration / 2);
    outcome.remote = Some("192.0.2.7:443".to_owned());
    Run { outcome, due: started, late: Duration::from_micros(1_500), definition: Arc::from("[[task]]\n") }
}

/// A run that failed with a row of the catalogue.
pub fn failed(identity: &Identity, started: SystemTime, duration: Duration, entry: &'static Entry) -> Run {
    failed_with(identity, started, duration, Code::row(entry))
}

/// A run that failed with a code.
pub fn failed_with(identity: &Identity, started: SystemTime, duration: Duration, code: Code) -> Run {
    let mut run = ok(identity, started, duration);
    let outcome = &mut run.outcome;
    outcome.verdict = Verdict::Failed;
    outcome.ok = false;
    set_code(outcome, code);
    outcome.fault = Some("connect.refused");
    outcome.phase = Some(Phase::Connect);
    outcome.side = Some(Side::Target);
    outcome.detail = Some("192.0.2.7:443 refused the connection".to_owned());
    outcome.evidence.errno = Some(Errno { number: 111, text: "Connection refused".to_owned() });
    outcome.evidence.dialogue = vec![Exchange { sent: Some("EHLO lab".to_owned()), received: None }];
    run
}

/// A run that was due and not begun.
pub fn idle(identity: &Identity, due: SystemTime, why: Idle) -> Run {
    let outcome = not_begun(Protocol::Http, identity, due, why);
    Run { outcome, due, late: Duration::ZERO, definition: Arc::from("[[task]]\n") }
}

fn set_code(outcome: &mut Outcome, code: Code) {
    outcome.code = Some(code);
    outcome.name = Some(code.name().into_owned());
    outcome.title = Some(code.title().into_owned());
}

/// A time to the microsecond.
pub fn at(text: &str) -> SystemTime {
    text.parse::<Timestamp>().expect("a time").into()
}
