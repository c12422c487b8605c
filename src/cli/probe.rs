//! `agent probe`: runs tasks once, side by side, and prints each result as it ends.

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use probes::net::Host;
use probes::net::policy::Internal;
use probes::outcome::{Outcome, Verdict};
use tracing::Instrument as _;

use super::progress::Bars;
use super::{Format, Probe as Call, Status, colours, complain, conversation, nagios, print, text};
use crate::reader::{Problem, Problems};
use crate::run::json_line;
use crate::settings::Settings;
use crate::task::{self, Probe, Task};

/// How many probes are under way at once.
const CONCURRENCY: usize = 512;

pub(super) fn run(call: &Call) -> Status {
    let (settings, tasks) = match read(call) {
        Ok(read) => read,
        Err(problems) => {
            complain(&problems.to_string());
            // Nagios has its own statuses, and knows nothing of ours.
            return if call.format == Format::Nagios { nagios::unknown(&problems) } else { Status::Usage };
        }
    };
    conversation::listen(call.verbose);
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&format!("error: the runtime cannot be started: {error}\n"));
            return Status::Error;
        }
    };
    let worst = runtime.block_on(run_all(call, &settings, &tasks));
    // Nothing is left to wait for; a name server's connection must not hold the end up.
    runtime.shutdown_background();
    worst
}

/// Reads settings and tasks, and picks the tasks that are to run.
fn read(call: &Call) -> Result<(Settings, Vec<Task>), Problems> {
    let mut settings = super::settings(call.config.as_ref())?;
    if call.allow_internal {
        settings.policy.internal = Internal::Allow;
    }
    let (mut tasks, file) = match (&call.task, &call.url) {
        (Some(path), _) => (task::read_file(path, &settings)?, path.display().to_string()),
        (None, url) => {
            (task::read_url(url.as_deref().unwrap_or_default(), "<command line>", &settings)?, String::new())
        }
    };
    let missing = |name: &&String| !tasks.iter().any(|task| task.name == **name);
    let problems: Vec<_> = call
        .name
        .iter()
        .filter(missing)
        .map(|name| Problem::of_file(file.clone(), &format!("there is no task `{name}` in the file")))
        .collect();
    if !problems.is_empty() {
        return Err(Problems(problems));
    }
    if !call.name.is_empty() {
        tasks.retain(|task| call.name.contains(&task.name));
    }
    if tasks.iter().all(|task| task.probes.is_empty()) {
        let message = "no task to run has a target; one without is a module for /probe";
        return Err(Problems(vec![Problem::of_file(file, message)]));
    }
    if call.deny_internal {
        let probes = tasks.iter_mut().flat_map(|task| &mut task.probes);
        probes.for_each(|probe| probe.conditions.demand.deny_internal = true);
    }
    Ok((settings, tasks))
}

async fn run_all(call: &Call, settings: &Settings, tasks: &[Task]) -> Status {
    let host = settings.host();
    let mut due = tasks.iter().flat_map(|task| task.probes.iter().map(move |probe| (task, probe)));
    let several = tasks.iter().map(|task| task.probes.len()).sum::<usize>() > 1;
    let start = |(task, probe)| start(task, probe, &host, several);
    let mut running: FuturesUnordered<_> = due.by_ref().take(CONCURRENCY).map(start).collect();
    let mut worst = Status::Ok;
    let coloured = colours();
    // The conversation has the standard error for itself.
    let bars = Bars::of(tasks, call.format == Format::Text && !call.verbose);
    while let Some(outcomes) = running.next().await {
        running.extend(due.next().map(start));
        for outcome in &outcomes {
            let words = match call.format {
                Format::Text => text::outcome(outcome, coloured),
                Format::Json => json_line(outcome),
                Format::Nagios => nagios::line(outcome),
            };
            bars.aside(|| print(&words));
        }
        for outcome in &outcomes {
            worst = worst.max(match call.format {
                Format::Nagios => nagios::status(outcome),
                Format::Text | Format::Json => status(outcome),
            });
        }
    }
    worst
}

async fn start(task: &Task, probe: &Probe, host: &Host, several: bool) -> Vec<Outcome> {
    // Only where several speak at once must each line say who speaks.
    let span = if several {
        tracing::info_span!(target: "conversation", "task", name = %task.name)
    } else {
        tracing::Span::none()
    };
    attempts(probe, task.retries, host).instrument(span).await
}

/// Runs a probe, and again after a failure as often as its task wants; every attempt is a run of its own.
async fn attempts(probe: &Probe, retries: u32, host: &Host) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    for attempt in 1..=retries + 1 {
        let mut outcome = probe.run(host).await;
        outcome.attempt = attempt;
        let done = outcome.verdict != Verdict::Failed;
        outcomes.push(outcome);
        if done {
            break;
        }
    }
    outcomes
}

const fn status(outcome: &Outcome) -> Status {
    match outcome.verdict {
        Verdict::Ok => Status::Ok,
        Verdict::Failed => Status::Failed,
        Verdict::Error | Verdict::Skipped | Verdict::Missed => Status::Error,
    }
}
