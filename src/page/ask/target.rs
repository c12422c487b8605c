//! The answers for the page of one target.

use std::collections::{BTreeSet, HashMap};
use std::time::SystemTime;

use askama::Template as _;
use probes::codes::Protocol;
use probes::phases::{Phase, milliseconds as in_milliseconds};
use ulid::Ulid;

use super::{Answer, Pages, Range, Request, glance, mark, second, title};
use crate::page::plot::{Column, Kind, Plot};
use crate::page::task::{Row, TaskPage};
use crate::page::words::{Language, Words};
use crate::page::{Chip, Frame, State, milliseconds, percent};
use crate::store::{Bucket, HistoryQuery, Stored, TimelineQuery};

/// How many columns a plot has.
const STEPS: usize = 60;
/// How many runs a page lists.
const ROWS: usize = 50;
/// How many other targets of its task a page leads to.
const TARGETS: usize = 50;
/// How many codes have a colour of their own.
const COLOURS: [&str; 5] = ["c0", "c1", "c2", "c3", "c4"];

impl Pages {
    pub(super) fn target(&self, frame: Frame, request: &Request) -> Answer {
        let task = request.value("name");
        let probes = self.config.tasks.iter().flat_map(|task| &task.probes);
        let shown = probes.map(|probe| (probe.shown(), probe.spec.protocol()));
        let targets: Vec<(String, Protocol)> =
            shown.filter(|((name, _), _)| name == task).map(|((_, target), protocol)| (target, protocol)).collect();
        let wanted = request.value("target");
        let chosen = targets.iter().find(|(target, _)| wanted.is_empty() || target == wanted);
        let newest = HistoryQuery {
            task: Some(task.to_owned()),
            target: Some(chosen.map_or(wanted, |(target, _)| target).to_owned()),
            limit: 1,
            ..HistoryQuery::default()
        };
        let last = self.reader.history(&newest)?.pop();
        // A task that a reload has taken away still has its results.
        let Some(protocol) = chosen.map(|(_, protocol)| *protocol).or(last.as_ref().map(|run| run.protocol)) else {
            return Err(self.missing(frame, task));
        };
        let target = newest.target.clone().unwrap_or_default();
        let range = Range::of(request);
        let now = SystemTime::now();
        let query = TimelineQuery {
            task: task.to_owned(),
            target: Some(target.clone()),
            since: now - range.length(),
            until: now,
            steps: STEPS,
        };
        let steps = self.reader.timeline(&query)?;
        let words = frame.words();
        let runs: u64 = steps.iter().map(|step| step.runs).sum();
        let failed: u64 = steps.iter().map(|step| step.failed).sum();
        let (state, code) = last.as_ref().map_or((State::Odd, "–".to_owned()), |run| glance(run, words));
        let (rows, older) = self.rows(&frame, request, &newest)?;
        let page = TaskPage {
            title: task.to_owned(),
            task: task.to_owned(),
            protocol: protocol.name(),
            targets: chips(task, &targets, &target, &frame),
            target,
            ranges: range.chips(&frame),
            state,
            code,
            sentence: last.as_ref().map_or_else(String::new, |run| sentence(run, frame.language)),
            availability: percent(runs - failed, runs),
            runs,
            failed,
            latency: mean(&steps),
            phases: phases(&steps, range, words).draw(words)?,
            codes: codes(&steps, range, protocol, &frame).draw(words)?,
            filters: filters(&frame, request),
            rows,
            older,
            words,
            frame,
        };
        Ok(page.render()?)
    }

    fn rows(
        &self,
        frame: &Frame,
        request: &Request,
        newest: &HistoryQuery,
    ) -> Result<(Vec<Row>, Option<String>), super::Failure> {
        let query = HistoryQuery {
            failed: request.value("failed") == "1",
            before: Ulid::from_string(request.value("before")).ok(),
            limit: ROWS,
            ..newest.clone()
        };
        let runs = self.reader.history(&query)?;
        let older = runs.last().filter(|_| runs.len() == ROWS).map(|run| frame.with("before", &run.id));
        Ok((runs.iter().map(|run| row(run, frame)).collect(), older))
    }
}

fn chips(task: &str, targets: &[(String, Protocol)], chosen: &str, frame: &Frame) -> Vec<Chip> {
    let chip = |(target, _): &(String, Protocol)| Chip {
        text: target.clone(),
        link: frame.with("target", target),
        chosen: target == chosen,
    };
    let near = targets.iter().enumerate().filter(|(place, (target, _))| *place < TARGETS || target == chosen);
    let mut chips: Vec<Chip> = near.map(|(_, target)| chip(target)).collect();
    if chips.len() < targets.len() {
        let text = format!("{}: {}", frame.words().targets, targets.len());
        chips.push(Chip { text, link: frame.link("/", &[("q", task)]), chosen: false });
    }
    chips
}

fn filters(frame: &Frame, request: &Request) -> Vec<Chip> {
    let words = frame.words();
    let chip = |value: &str, text: &str| Chip {
        text: text.to_owned(),
        link: frame.with("failed", value),
        chosen: request.value("failed") == value,
    };
    vec![chip("", words.all_runs), chip("1", words.failed_only)]
}

fn row(run: &Stored, frame: &Frame) -> Row {
    let (state, code) = glance(run, frame.words());
    Row {
        link: frame.link("/run", &[("id", &run.id)]),
        started: second(run.started),
        state,
        code,
        phase: run.phase.clone().unwrap_or_default(),
        duration: milliseconds(in_milliseconds(run.duration)),
        detail: run.detail.clone().unwrap_or_else(|| run.warning.join("; ")),
    }
}

/// What the last run says, with what happened.
fn sentence(run: &Stored, language: Language) -> String {
    let words = match (run.code, run.name.as_deref(), run.title.as_deref()) {
        (Some(code), Some(name), Some(english)) if !(run.ok && code == 0) => {
            title(run.protocol, code, name, english, language)
        }
        _ => String::new(),
    };
    match (words.is_empty(), &run.detail) {
        (false, Some(detail)) => format!("{words}: {detail}"),
        (true, Some(detail)) => detail.clone(),
        (_, None) => words,
    }
}

/// The mean of all runs that ended ok.
fn mean(steps: &[Bucket]) -> String {
    let well = steps.iter().filter_map(|step| Some((step.duration?.mean, step.runs - step.failed)));
    let (spent, runs) = well.fold((0.0, 0), |(spent, runs), (mean, count)| {
        (spent + in_milliseconds(mean) * f64::from(u32::try_from(count).unwrap_or(u32::MAX)), runs + count)
    });
    if runs == 0 { "–".to_owned() } else { milliseconds(spent / f64::from(u32::try_from(runs).unwrap_or(u32::MAX))) }
}

fn phases(steps: &[Bucket], range: Range, words: &'static Words) -> Plot {
    let begun: BTreeSet<Phase> = steps.iter().flat_map(|step| &step.phases).map(|(phase, _)| *phase).collect();
    let kinds = begun.iter().map(|phase| Kind { class: phase.name(), text: phase.name().to_owned() }).collect();
    let column = |step: &Bucket| Column {
        label: mark(step.start, range),
        parts: begun
            .iter()
            .map(|phase| {
                let times = step.phases.iter().find(|(other, _)| other == phase);
                times.map(|(_, times)| in_milliseconds(times.mean))
            })
            .collect(),
    };
    let columns: Vec<_> = steps.iter().map(column).collect();
    Plot::new(words.phases_over_time, kinds, &columns, milliseconds)
}

fn codes(steps: &[Bucket], range: Range, protocol: Protocol, frame: &Frame) -> Plot {
    let words = frame.words();
    let mut counts: HashMap<(i32, &str), (u64, &str)> = HashMap::new();
    for code in steps.iter().flat_map(|step| &step.codes).filter(|code| code.failed) {
        counts.entry((code.code, &code.name)).or_insert((0, &code.title)).0 += code.count;
    }
    let mut frequent: Vec<_> = counts.into_iter().collect();
    frequent.sort_by_key(|((code, name), (count, _))| (std::cmp::Reverse(*count), *code, *name));
    let own = &frequent[..frequent.len().min(COLOURS.len())];
    let mut kinds = vec![Kind { class: "fine", text: words.ok.to_owned() }];
    kinds.extend(own.iter().zip(COLOURS).map(|(((code, name), (_, english)), class)| Kind {
        class,
        text: format!("{code} {}", title(protocol, *code, name, english, frame.language)),
    }));
    let others = frequent.len() > own.len();
    if others {
        kinds.push(Kind { class: "c5", text: words.other_codes.to_owned() });
    }
    kinds.push(Kind { class: "idle", text: format!("{} / {} / {}", words.error, words.skipped, words.missed) });
    let column = |step: &Bucket| {
        let of = |code: i32, name: &str| {
            let counted = step.codes.iter().filter(|known| known.failed && known.code == code && known.name == name);
            counted.map(|known| known.count).sum::<u64>()
        };
        let named: Vec<u64> = own.iter().map(|((code, name), _)| of(*code, name)).collect();
        let rest = step.failed - named.iter().sum::<u64>().min(step.failed);
        let mut parts = vec![step.runs - step.failed];
        parts.extend(named);
        parts.extend(others.then_some(rest));
        parts.push(step.others);
        let known = step.runs + step.others > 0;
        let height = |count: u64| known.then(|| f64::from(u32::try_from(count).unwrap_or(u32::MAX)));
        Column { label: mark(step.start, range), parts: parts.into_iter().map(height).collect() }
    };
    let columns: Vec<_> = steps.iter().map(column).collect();
    Plot::new(words.codes_over_time, kinds, &columns, |count| format!("{count:.0}")).low()
}
