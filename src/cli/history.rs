//! `agent history`: past runs, the newest first.

use std::time::SystemTime;

use jiff::Timestamp;
use probes::outcome::Verdict;
use probes::phases::milliseconds;

use super::{History as Call, ListFormat, Status, complain, print, store};
use crate::reader::printable;
use crate::run::json_line;
use crate::store::{HistoryQuery, Stored};

pub(super) fn run(call: &Call) -> Status {
    let query = HistoryQuery {
        task: call.task.clone(),
        since: call.since.and_then(|since| SystemTime::now().checked_sub(since)),
        failed: call.failed,
        limit: usize::try_from(call.limit).unwrap_or(usize::MAX),
        ..HistoryQuery::default()
    };
    let answer = store(&call.asked).and_then(|store| {
        let runs = store.history(&query).map_err(|error| format!("error: {error}\n"))?;
        match &call.task {
            Some(task) if runs.is_empty() && !store.has_task(task).map_err(|error| format!("error: {error}\n"))? => {
                Err(format!("error: the store has no run of a task `{}`\n", printable(task)))
            }
            _ => Ok(runs),
        }
    });
    match answer {
        Ok(runs) => {
            print(&match call.format {
                ListFormat::Text => text(&runs),
                ListFormat::Json => runs.iter().map(json_line).collect(),
            });
            Status::Ok
        }
        Err(message) => {
            complain(&message);
            Status::Usage
        }
    }
}

fn text(runs: &[Stored]) -> String {
    if runs.is_empty() {
        return "no runs\n".to_owned();
    }
    let header = ["started", "outcome", "code", "took", "task", "target", "run"].map(str::to_owned);
    let rows: Vec<_> = [header].into_iter().chain(runs.iter().map(cells)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let [starts, outcomes, codes, times, tasks, targets, _] = [0, 1, 2, 3, 4, 5, 6].map(width);
    let line = |[started, outcome, code, took, task, target, run]: &[String; 7]| {
        format!(
            "{started:<starts$}  {outcome:<outcomes$}  {code:<codes$}  {took:>times$}  {task:<tasks$}  \
             {target:<targets$}  {run}\n"
        )
    };
    rows.iter().map(line).collect()
}

fn cells(run: &Stored) -> [String; 7] {
    let outcome = match run.verdict {
        Verdict::Ok => "ok",
        Verdict::Failed => "failed",
        Verdict::Error => "error",
        Verdict::Skipped => "skipped",
        Verdict::Missed => "missed",
    };
    let started = Timestamp::try_from(run.started).map_or_else(|_| String::new(), |time| format!("{time:.3}"));
    let code = match (run.code, &run.name) {
        (Some(code), Some(name)) => format!("{code} {name}"),
        _ => run.fault.clone().unwrap_or_default(),
    };
    let took = match run.verdict {
        Verdict::Skipped | Verdict::Missed => String::new(),
        Verdict::Ok | Verdict::Failed | Verdict::Error => format!("{:.3} ms", milliseconds(run.duration)),
    };
    [started, outcome.to_owned(), printable(&code), took, printable(&run.task), printable(&run.target), run.id.clone()]
}
