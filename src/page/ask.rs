//! What a reader asks for, and the answers of the store and of the running configuration. These questions block.

mod overview;
mod target;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use askama::Template as _;
use jiff::Timestamp;
use probes::codes::{Protocol, entries};
use probes::outcome::Verdict;
use ulid::Ulid;

pub use overview::Lately;

use super::run::{RunPage, title_of};
use super::words::{Language, Words};
use super::{Chip, Frame, Missing, Notice, State};
use crate::config::Config;
use crate::store::{Reader, Stored};

/// What the pages are made of.
#[derive(Clone, Debug)]
pub struct Pages {
    /// The running configuration.
    pub config: Arc<Config>,
    /// The store.
    pub reader: Reader,
    /// What everybody who looks has to know of the agent itself.
    pub notices: Vec<Trouble>,
    /// What was summed up lately, for all readers.
    pub lately: Arc<Lately>,
}

/// What can be wrong with the agent itself.
#[derive(Clone, Debug)]
pub enum Trouble {
    /// The results cannot be stored.
    Store(String),
    /// A new configuration was refused.
    Reload(String),
    /// None of the guard's targets answers.
    CutOff,
}

/// What a reader asks for: a path and its query.
#[derive(Clone, Debug)]
pub struct Request {
    /// The path.
    pub path: String,
    /// The query, key by key.
    pub query: Vec<(String, String)>,
    /// The header `Accept-Language`; empty without one.
    pub languages: String,
}

/// A page, or why there is none.
pub type Answer = Result<String, Failure>;

/// Why there is no page.
#[derive(Debug)]
pub enum Failure {
    /// What is asked for is not there; a page says so.
    Missing(String),
    /// The store cannot be asked, or the page not be written; a page says so.
    Broken(String),
}

impl Request {
    fn value(&self, key: &str) -> &str {
        self.query.iter().find(|(name, _)| name == key).map_or("", |(_, value)| value)
    }
}

/// A range of time up to now.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum Range {
    Hour,
    Day,
    Week,
    Month,
}

const HOUR: Duration = Duration::from_secs(60 * 60);

impl Range {
    const ALL: [Self; 4] = [Self::Hour, Self::Day, Self::Week, Self::Month];

    /// The word of a query.
    const fn word(self) -> &'static str {
        match self {
            Self::Hour => "1h",
            Self::Day => "24h",
            Self::Week => "7d",
            Self::Month => "30d",
        }
    }

    /// The one asked for, or a day.
    fn of(request: &Request) -> Self {
        let word = request.value("range");
        Self::ALL.into_iter().find(|range| range.word() == word).unwrap_or(Self::Day)
    }

    const fn text(self, words: &Words) -> &'static str {
        match self {
            Self::Hour => words.last_hour,
            Self::Day => words.last_day,
            Self::Week => words.last_week,
            Self::Month => words.last_month,
        }
    }

    fn length(self) -> Duration {
        HOUR * match self {
            Self::Hour => 1,
            Self::Day => 24,
            Self::Week => 7 * 24,
            Self::Month => 30 * 24,
        }
    }

    /// The whole hours of the range, which the store has sums of; of the last hour, the minutes that count.
    fn hours(self, now: SystemTime) -> (SystemTime, SystemTime) {
        let since = now - self.length();
        let until = whole_hour(now) + HOUR;
        (if self == Self::Hour { since } else { whole_hour(since) }, until)
    }

    fn chips(self, frame: &Frame) -> Vec<Chip> {
        let chip = |range: Self| Chip {
            text: range.text(frame.words()).to_owned(),
            link: frame.with("range", range.word()),
            chosen: range == self,
        };
        Self::ALL.into_iter().map(chip).collect()
    }
}

/// The last whole hour not after a time.
fn whole_hour(time: SystemTime) -> SystemTime {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    UNIX_EPOCH + Duration::from_secs(since - since % HOUR.as_secs())
}

impl Pages {
    /// The page of a request.
    pub fn answer(&self, request: &Request) -> Answer {
        let frame = self.frame(request);
        match request.path.as_str() {
            "/" => self.overview(frame, request),
            "/task" => self.target(frame, request),
            "/run" => self.run(frame, request.value("id")),
            path => Err(self.missing(frame, path)),
        }
    }

    fn frame(&self, request: &Request) -> Frame {
        let chosen = Language::of_tag(request.value("lang"));
        let language = chosen.unwrap_or_else(|| Language::accepted(&request.languages));
        let words = language.words();
        let notice = |trouble: &Trouble| match trouble {
            Trouble::Store(detail) => Notice { title: words.store_trouble, detail: detail.clone() },
            Trouble::Reload(detail) => Notice { title: words.reload_refused, detail: detail.clone() },
            Trouble::CutOff => Notice { title: words.cut_off, detail: String::new() },
        };
        Frame {
            language,
            chosen: chosen.is_some(),
            host: self.config.settings.labels.get("host").cloned().unwrap_or_default(),
            version: env!("CARGO_PKG_VERSION"),
            now: second(SystemTime::now()),
            live: request.path != "/run",
            path: request.path.clone(),
            query: request.query.iter().filter(|(name, _)| name != "lang").cloned().collect(),
            notices: self.notices.iter().map(notice).collect(),
        }
    }

    fn run(&self, frame: Frame, id: &str) -> Answer {
        let Ok(ulid) = Ulid::from_string(id) else { return Err(self.missing(frame, id)) };
        match self.reader.run(ulid)? {
            Some(run) => {
                let run = serde_json::to_value(&run).map_err(|error| Failure::Broken(error.to_string()))?;
                Ok(RunPage::new(frame, &run).render()?)
            }
            None => Err(self.missing(frame, id)),
        }
    }

    #[expect(clippy::unused_self, reason = "a page is one of these pages")]
    fn missing(&self, mut frame: Frame, what: &str) -> Failure {
        let words = frame.words();
        frame.live = false;
        let page = Missing { title: words.not_found.to_owned(), detail: what.to_owned(), words, frame };
        page.render().map_or_else(Failure::from, Failure::Missing)
    }

    /// The page that says that the store cannot be asked.
    #[must_use]
    pub fn broken(&self, request: &Request, why: &str) -> String {
        let frame = self.frame(request);
        let words = frame.words();
        let page = Missing { title: words.unreadable.to_owned(), detail: why.to_owned(), words, frame };
        page.render().unwrap_or_else(|error| format!("{why}; {error}"))
    }
}

impl From<askama::Error> for Failure {
    fn from(error: askama::Error) -> Self {
        Self::Broken(error.to_string())
    }
}

impl From<crate::store::Error> for Failure {
    fn from(error: crate::store::Error) -> Self {
        Self::Broken(error.to_string())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Missing(text) | Self::Broken(text)) = self;
        formatter.write_str(text)
    }
}

/// How a run is shown at a glance: its code, or its outcome where it has none.
fn glance(run: &Stored, words: &Words) -> (State, String) {
    let code = run.code.filter(|code| *code != 0).map(|code| code.to_string());
    match run.verdict {
        Verdict::Ok => (State::Good, code.unwrap_or_else(|| words.ok.to_owned())),
        Verdict::Failed => (State::Bad, code.unwrap_or_else(|| words.failed.to_owned())),
        Verdict::Error => (State::Odd, words.error.to_owned()),
        Verdict::Skipped => (State::Odd, words.skipped.to_owned()),
        Verdict::Missed => (State::Odd, words.missed.to_owned()),
    }
}

/// The title of a code in a language; the store keeps the English one.
fn title(protocol: Protocol, code: i32, name: &str, english: &str, language: Language) -> String {
    let row = entries().iter().find(|row| row.protocol == protocol && row.number == code && row.name == name);
    row.map_or_else(|| english.to_owned(), |row| title_of(row, language).to_owned())
}

/// An instant to the second, in UTC.
fn second(time: SystemTime) -> String {
    Timestamp::try_from(time).map_or_else(|_| String::new(), |time| time.strftime("%Y-%m-%d %H:%M:%SZ").to_string())
}

/// An instant on an axis as long as a range.
fn mark(time: SystemTime, range: Range) -> String {
    let format = match range {
        Range::Hour => "%H:%MZ",
        Range::Day | Range::Week | Range::Month => "%m-%d %H:%MZ",
    };
    Timestamp::try_from(time).map_or_else(|_| String::new(), |time| time.strftime(format).to_string())
}
