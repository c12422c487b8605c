//! API monitoring: steps over TCP, TLS, UDP and HTTP(S), one after the other; book `cat-api`.
//!
//! The order of looking: the data of all steps before any packet, first what is sent, then what is verified with; then
//! step by step the name, the connection, TLS, what is sent, whether anything comes back, and what. Which timer counts is
//! in [`clock`]. A step that fails ends the run, and those behind it are skipped. Steps of the same protocol to the same
//! target share a connection, round after round.

mod clock;
mod data;
mod datagrams;
mod digest;
mod extract;
mod fault;
mod line;
mod step;
mod table;
mod template;
mod verify;
mod web;

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::check::Check;
use crate::codes::{Code, Protocol};
use crate::evidence;
use crate::fault::{Failure, Named as _};
use crate::net::{Attempt, tls};
use clock::Clock;
pub use data::{Data, Mode};
pub use extract::{Extract, From};
use fault::Data as Wrong;
pub use fault::{Answer, Fault, Limit};
use step::State;
pub use step::{Action, Step, Timers};
pub use template::{Template, is_name};
pub use verify::Verify;
pub use web::Web;

/// What to do, in order.
#[derive(Clone, Debug)]
pub struct Api {
    /// The steps; at least one.
    pub steps: Vec<Step>,
    /// How often all of them are run; 1.
    pub rounds: u32,
    /// How long one round may take; no longer than the task in any case.
    pub round_timeout: Option<Duration>,
    /// For the steps in TLS.
    pub tls: Arc<tls::Client>,
}

impl Check for Api {
    type Fault = Fault;

    const PROTOCOL: Protocol = Protocol::Api;

    async fn run(&self, attempt: &mut Attempt<'_>) -> Result<Code, Failure<Fault>> {
        let mut records: Vec<evidence::Step> = self.steps.iter().map(Step::record).collect();
        let result = self.play(attempt, &mut records).await;
        if let Some(last) = records.iter().rfind(|record| !record.skipped) {
            let truncated = records.iter().any(|record| record.evidence.truncated);
            attempt.evidence = step::summary(attempt.evidence.tls.take(), last);
            attempt.evidence.truncated = truncated;
        }
        attempt.evidence.steps = records;
        result.map(|()| Code::success())
    }

    fn classify(fault: Fault) -> Option<Code> {
        Some(table::classify(fault))
    }

    fn faults() -> Vec<Fault> {
        Fault::all()
    }
}

impl Api {
    async fn play(&self, attempt: &mut Attempt<'_>, records: &mut [evidence::Step]) -> Result<(), Failure<Fault>> {
        self.refuse_wrong_data(records)?;
        let mut state = State::default();
        for _ in 0..self.rounds {
            let begun = Instant::now();
            for (index, step) in self.steps.iter().enumerate() {
                let clock = self.clock(step, index == 0, begun, attempt.deadline);
                let result = step.play(attempt, &clock, &mut state, &self.tls, &mut records[index]).await;
                if let Err(failure) = result {
                    records[index + 1..].iter_mut().for_each(skip);
                    return Err(self.of_step(index, failure));
                }
            }
        }
        Ok(())
    }

    /// What cannot be sent or compared with is found before any packet; all that is sent comes first.
    fn refuse_wrong_data(&self, records: &mut [evidence::Step]) -> Result<(), Failure<Fault>> {
        let sends = self.steps.iter().map(|step| step.check_send().map_err(|why| (Wrong::Send, why)));
        let verifies = self.steps.iter().map(|step| step.verify.check().map_err(|why| (Wrong::Verify, why)));
        let found =
            sends.enumerate().chain(verifies.enumerate()).find_map(|(index, result)| Some((index, result.err()?)));
        let Some((index, (fault, why))) = found else { return Ok(()) };
        let failure = Failure::new(fault, why);
        fail(&mut records[index], &failure);
        Err(self.of_step(index, failure))
    }

    /// The wider timers of a step that begins now; in a task of one step its limit is one of the round.
    fn clock(&self, step: &Step, first: bool, round: Instant, task: Instant) -> Clock {
        let begun = if first { round } else { Instant::now() };
        let own = step.timers.step.map(|limit| begun + limit);
        let round = self.round_timeout.map(|limit| round + limit);
        if self.steps.len() == 1 {
            return Clock { begun, step: None, round: [own, round].into_iter().flatten().min(), task, first };
        }
        Clock { begun, step: own, round, task, first }
    }

    /// Says in which step it was.
    fn of_step(&self, index: usize, mut failure: Failure<Fault>) -> Failure<Fault> {
        let cause = if failure.fault.is_policy() { "address policy: " } else { "" };
        failure.detail = format!("step {} `{}`: {cause}{}", index + 1, self.steps[index].name, failure.detail);
        failure
    }
}

/// A step that was not run, since an earlier one failed.
fn skip(record: &mut evidence::Step) {
    record.skipped = true;
    record.ok = false;
    record.code = None;
}

/// A step that failed.
fn fail(record: &mut evidence::Step, failure: &Failure<Fault>) {
    record.skipped = false;
    record.ok = false;
    record.code = Some(table::classify(failure.fault).number());
    record.fault = Some(failure.fault.name());
    record.detail = Some(failure.detail.clone());
}
