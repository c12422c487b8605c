//! The answers for the first page.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use askama::Template as _;
use probes::codes::Protocol;
use probes::phases::milliseconds as in_milliseconds;

use super::{Answer, Pages, Range, Request, glance, title};
use crate::page::overview::{Frequent, Overview, Row, Summary};
use crate::page::plot::sparkline;
use crate::page::{Chip, Frame, State, milliseconds, percent};
use crate::store::{Dimension, Error, Stored, Summary as Known, TimelineQuery, Top, TopQuery};
use crate::task::Probe;

/// How many targets a page has.
const ROWS: usize = 50;
/// How many combinations of dimensions have their codes shown.
const GROUPS: usize = 20;
/// How many codes each has.
const CODES: usize = 5;
/// How many keys of labels are offered as dimensions.
const LABELS: usize = 8;
/// How many times as long as it took to make, a sum of all targets holds: readers never cost more than a fifth of a core.
const HOLDS: u32 = 4;
/// How many points a sparkline has over an hour.
const POINTS: usize = 30;

/// What is known of one target.
#[derive(Debug, Default)]
struct Target {
    runs: u64,
    failed: u64,
    /// Hour by hour: the mean in milliseconds, and whether something failed.
    hours: Vec<(SystemTime, Option<f64>, bool)>,
    last: Option<Stored>,
}

/// What the store knows of all targets, by range. With many of these it takes a while to sum up, and every reader asks
/// again every few seconds: so one sum is made at a time, and holds for a while that grows with its making.
#[derive(Debug, Default)]
pub struct Lately {
    sums: Mutex<HashMap<Range, Sums>>,
}

#[derive(Debug)]
struct Sums {
    made: Instant,
    took: Duration,
    known: Arc<HashMap<Name, Target>>,
}

impl Pages {
    /// What the store knows in a range, as it was a moment ago.
    fn known(&self, range: Range, since: SystemTime, until: SystemTime) -> Result<Arc<HashMap<Name, Target>>, Error> {
        let mut sums = self.lately.sums.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sums) = sums.get(&range).filter(|sums| sums.made.elapsed() < sums.took * HOLDS) {
            return Ok(Arc::clone(&sums.known));
        }
        let begun = Instant::now();
        let known = Arc::new(known(self.reader.summaries(since, until)?));
        sums.insert(range, Sums { made: Instant::now(), took: begun.elapsed(), known: Arc::clone(&known) });
        Ok(known)
    }

    pub(super) fn overview(&self, frame: Frame, request: &Request) -> Answer {
        let words = frame.words();
        let range = Range::of(request);
        let now = SystemTime::now();
        let (since, until) = range.hours(now);
        let known = self.known(range, since, until)?;
        let by = request.value("by");
        let top = self.reader.top(&TopQuery {
            by: if by.is_empty() { Vec::new() } else { vec![Dimension::parse(by)] },
            since,
            until,
            limit: CODES,
            task: None,
        })?;
        let query = request.value("q").to_lowercase();
        let failing = request.value("failing") == "1";
        let mut found: Vec<Found<'_>> = self
            .probes()
            .map(|probe| {
                let (task, target) = probe.shown();
                let name = Name { task, target };
                Found { protocol: probe.spec.protocol(), known: known.get(&name), name }
            })
            .collect();
        let summary = summary(self.config.tasks.len(), &found, &top);
        found.retain(|found| {
            let fits = |text: &str| text.to_lowercase().contains(&query);
            (fits(&found.name.task) || fits(&found.name.target)) && (!failing || state(found.known) == State::Bad)
        });
        // What fails stands first; what is alike stands as the files have it.
        found.sort_by_key(|found| match state(found.known) {
            State::Bad => 0,
            State::Odd => 1,
            State::Good => 2,
        });
        let page: usize = request.value("page").parse().unwrap_or(0);
        let place = |page: Option<usize>| page.map(|page| frame.with("page", &page.to_string()));
        let first = page.saturating_mul(ROWS);
        let more = found.len() > first.saturating_add(ROWS);
        let rows: Result<Vec<Row>, Error> =
            found.into_iter().skip(first).take(ROWS).map(|found| self.row(&frame, found, range, now)).collect();
        let overview = Overview {
            title: words.overview,
            ranges: range.chips(&frame),
            range: range.word().to_owned(),
            summary,
            dimensions: self.dimensions(&frame, by),
            by: by.to_owned(),
            top: frequent(&top, &frame),
            query: request.value("q").to_owned(),
            failing,
            rows: rows?,
            previous: place(page.checked_sub(1)),
            next: place(more.then_some(page.saturating_add(1))),
            words,
            frame,
        };
        Ok(overview.render()?)
    }

    fn probes(&self) -> impl Iterator<Item = &Probe> {
        self.config.tasks.iter().flat_map(|task| &task.probes)
    }

    /// All together, the labels that there are, and the dimensions that every run has.
    fn dimensions(&self, frame: &Frame, by: &str) -> Vec<Chip> {
        let labels: BTreeSet<&str> =
            self.probes().flat_map(|probe| probe.identity.labels.keys()).map(String::as_str).collect();
        let fixed = ["task", "target", "protocol", "host", "address"];
        let words = labels.into_iter().filter(|label| !fixed.contains(label)).take(LABELS).chain(fixed);
        let chip =
            |word: &str, text: &str| Chip { text: text.to_owned(), link: frame.with("by", word), chosen: word == by };
        let mut chips = vec![chip("", frame.words().of_all)];
        chips.extend(words.map(|word| chip(word, word)));
        chips
    }

    fn row(&self, frame: &Frame, found: Found<'_>, range: Range, now: SystemTime) -> Result<Row, Error> {
        let words = frame.words();
        let Found { name: Name { task, target: address }, protocol, known: target } = found;
        let points = match target {
            None => Vec::new(),
            Some(_) if range == Range::Hour => self.minutes(&task, &address, now)?,
            Some(target) => hours(target, range, now),
        };
        let means: Vec<f64> = points.iter().filter_map(|(mean, _)| *mean).collect();
        let last = target.and_then(|target| target.last.as_ref());
        let (code, title) = match last {
            Some(run) => (glance(run, words).1, sentence(run, frame)),
            None => ("–".to_owned(), words.waiting.to_owned()),
        };
        let age = last.and_then(|run| now.duration_since(run.started + run.duration).ok());
        #[expect(clippy::cast_precision_loss, reason = "a sparkline has a few hundred points")]
        let mean = means.iter().sum::<f64>() / means.len() as f64;
        Ok(Row {
            link: frame.link("/task", &[("name", &task), ("target", &address)]),
            task,
            target: address,
            protocol: protocol.name(),
            state: state(target),
            code,
            title,
            availability: target.map_or_else(String::new, |target| percent(target.runs - target.failed, target.runs)),
            latency: if means.is_empty() { String::new() } else { milliseconds(mean) },
            spark: sparkline(&points),
            age: age.map_or_else(String::new, |age| frame.language.ago(age.as_secs())),
        })
    }

    /// The last hour, in short steps.
    fn minutes(&self, task: &str, target: &str, now: SystemTime) -> Result<Vec<(Option<f64>, bool)>, Error> {
        let query = TimelineQuery {
            task: task.to_owned(),
            target: Some(target.to_owned()),
            since: now - Range::Hour.length(),
            until: now,
            steps: POINTS,
        };
        let steps = self.reader.timeline(&query)?;
        Ok(steps
            .into_iter()
            .map(|step| (step.duration.map(|times| in_milliseconds(times.mean)), step.failed > 0))
            .collect())
    }
}

/// What the store knows, by task and target; what differs in its labels alone is one target.
fn known(summaries: Vec<Known>) -> HashMap<Name, Target> {
    let mut known: HashMap<Name, Target> = HashMap::new();
    for summary in summaries {
        let target = known.entry(Name { task: summary.task, target: summary.target }).or_default();
        target.runs += summary.runs;
        target.failed += summary.failed;
        let hours = summary.hours.iter();
        target.hours.extend(hours.map(|hour| (hour.start, hour.mean.map(in_milliseconds), hour.failed > 0)));
        let newer = |run: &Stored| target.last.as_ref().is_none_or(|last| last.started < run.started);
        if summary.last.as_ref().is_some_and(newer) {
            target.last = summary.last;
        }
    }
    known
}

/// A task and a target, as results have them.
#[derive(Debug, Eq, Hash, PartialEq)]
struct Name {
    task: String,
    target: String,
}

/// A target of the configuration, and what is known of it.
struct Found<'k> {
    name: Name,
    protocol: Protocol,
    known: Option<&'k Target>,
}

fn state(target: Option<&Target>) -> State {
    use probes::outcome::Verdict;
    match target.and_then(|target| target.last.as_ref()).map(|run| run.verdict) {
        Some(Verdict::Ok) => State::Good,
        Some(Verdict::Failed) => State::Bad,
        Some(Verdict::Error | Verdict::Skipped | Verdict::Missed) | None => State::Odd,
    }
}

fn summary(tasks: usize, found: &[Found<'_>], top: &Top) -> Summary {
    Summary {
        tasks,
        targets: found.len(),
        failing: found.iter().filter(|found| state(found.known) == State::Bad).count(),
        runs: top.runs,
        failed: top.failed,
        availability: percent(top.runs - top.failed, top.runs),
    }
}

/// What the last run says: the title of its code, or what hindered it.
fn sentence(run: &Stored, frame: &Frame) -> String {
    let (code, name, english) = (run.code, run.name.as_deref(), run.title.as_deref());
    match (code, name, english) {
        (Some(code), Some(name), Some(english)) if !(run.ok && code == 0) => {
            title(run.protocol, code, name, english, frame.language)
        }
        _ => run.detail.clone().unwrap_or_default(),
    }
}

/// Every hour of the range, also those without a run.
fn hours(target: &Target, range: Range, now: SystemTime) -> Vec<(Option<f64>, bool)> {
    let (mut hour, until) = range.hours(now);
    let mut points = Vec::new();
    while hour < until {
        // The first one of a range may be cut.
        let of = target.hours.iter().filter(|(start, ..)| super::whole_hour(*start) == hour);
        let point = of.fold((None, false), |(mean, failed), (_, other, bad)| (mean.or(*other), failed || *bad));
        points.push(point);
        hour += super::HOUR;
    }
    points
}

fn frequent(top: &Top, frame: &Frame) -> Vec<Frequent> {
    let mut rows = Vec::new();
    for group in top.groups.iter().take(GROUPS) {
        for (place, code) in group.codes.iter().enumerate() {
            let (change, trend) = change(code.count, code.before, frame);
            rows.push(Frequent {
                of: if place == 0 { group.values.join(", ") } else { String::new() },
                code: code.code.into(),
                title: title(code.protocol, code.code, &code.name, &code.title, frame.language),
                book: format!("{}/{}", code.book.name(), code.protocol.name()),
                count: code.count,
                share: percent(code.count, group.failed),
                change,
                trend,
            });
        }
    }
    rows
}

/// A count against the one of the range before.
fn change(count: u64, before: Option<u64>, frame: &Frame) -> (String, &'static str) {
    match before {
        None => ("–".to_owned(), ""),
        Some(0) => (frame.words().new_code.to_owned(), "up"),
        Some(before) if count > before => (format!("+{} ↑", count - before), "up"),
        Some(before) if count < before => (format!("−{} ↓", before - count), "down"),
        Some(_) => ("=".to_owned(), ""),
    }
}
