//! The status page as HTML: asks the store, and the running configuration, and renders what they say.
//!
//! Everything is rendered here, with a style sheet and a script of its own beside it and nothing from outside: the pages
//! hold under a strict Content-Security-Policy, work without JavaScript, and renew themselves with it.

pub mod ask;
pub mod overview;
pub mod plot;
pub mod run;
pub mod task;
pub mod words;

use askama::Template;
use url::form_urlencoded;
use words::{Language, Words};

/// The style sheet, served below `/static`.
pub const STYLE: &str = include_str!("page/templates/agent.css");
/// The script that keeps a page up to date.
pub const SCRIPT: &str = include_str!("page/templates/agent.js");
/// The icon.
pub const ICON: &str = include_str!("page/templates/agent.svg");

/// What a page may load: its own style sheet and script, and itself once more.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; \
                                           connect-src 'self'; form-action 'self'; base-uri 'none'; \
                                           frame-ancestors 'none'";

/// What every page has around its contents.
#[derive(Clone, Debug)]
pub struct Frame {
    /// The language.
    pub language: Language,
    /// Whether the reader chose it by a link, so that further links carry it.
    pub chosen: bool,
    /// The name of this host.
    pub host: String,
    /// The version of the agent.
    pub version: &'static str,
    /// When the page was made.
    pub now: String,
    /// Whether the page changes by itself.
    pub live: bool,
    /// The path of this page.
    pub path: String,
    /// Its query, without the language.
    pub query: Vec<(String, String)>,
    /// What everybody who looks has to know.
    pub notices: Vec<Notice>,
}

/// Something that is wrong with the agent itself.
#[derive(Clone, Debug)]
pub struct Notice {
    /// What is wrong.
    pub title: &'static str,
    /// In which way, and since when.
    pub detail: String,
}

/// One choice of several.
#[derive(Clone, Debug)]
pub struct Chip {
    /// What it says.
    pub text: String,
    /// Where it leads.
    pub link: String,
    /// Whether it is the one in force.
    pub chosen: bool,
}

/// How a target is, as a colour.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum State {
    /// Its last run was well.
    Good,
    /// Its last run failed.
    Bad,
    /// Nothing is known of it: the agent itself failed, or no run has ended.
    Odd,
}

impl State {
    /// The class in the style sheet.
    #[must_use]
    pub const fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Bad => "bad",
            Self::Odd => "odd",
        }
    }
}

impl Frame {
    /// The words of this page.
    #[must_use]
    pub const fn words(&self) -> &'static Words {
        self.language.words()
    }

    /// A link to a path of this site, in the language of this page.
    #[must_use]
    pub fn to(&self, path: &str) -> String {
        self.link(path, &[])
    }

    /// A link to a path of this site with a query; empty values are left out.
    #[must_use]
    pub fn link(&self, path: &str, query: &[(&str, &str)]) -> String {
        let language = self.chosen.then(|| ("lang", self.language.tag()));
        join(path, query.iter().copied().chain(language))
    }

    /// A link to this page with one key of its query changed, or taken out where the value is empty.
    #[must_use]
    pub fn with(&self, key: &str, value: &str) -> String {
        let others = self.query.iter().filter(|(name, _)| name != key);
        let mut query: Vec<(&str, &str)> = others.map(|(name, value)| (name.as_str(), value.as_str())).collect();
        query.push((key, value));
        self.link(&self.path, &query)
    }

    /// This page in the other languages.
    fn languages(&self) -> Vec<(Language, String)> {
        let others = Language::ALL.into_iter().filter(|language| *language != self.language);
        let query = || self.query.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        others.map(|language| (language, join(&self.path, query().chain([("lang", language.tag())])))).collect()
    }
}

fn join<'q>(path: &str, query: impl Iterator<Item = (&'q str, &'q str)>) -> String {
    let query: Vec<_> = query.filter(|(_, value)| !value.is_empty()).collect();
    if query.is_empty() {
        return path.to_owned();
    }
    format!("{path}?{}", form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish())
}

/// A page that says that something is not there, or went wrong.
#[derive(Debug, Template)]
#[template(path = "missing.html")]
pub struct Missing {
    /// Around it.
    pub frame: Frame,
    /// The words.
    pub words: &'static Words,
    /// What is not there.
    pub title: String,
    /// What to do.
    pub detail: String,
}

/// A time in milliseconds for people, with three digits that mean something.
#[must_use]
pub fn milliseconds(time: f64) -> String {
    match time {
        ..0.0 => String::new(),
        ..10.0 => format!("{time:.2} ms"),
        ..100.0 => format!("{time:.1} ms"),
        ..10_000.0 => format!("{time:.0} ms"),
        _ => format!("{:.1} s", time / 1000.0),
    }
}

/// A share for people. What is not all is never rounded to all, and what is something never to nothing.
#[must_use]
pub fn percent(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "–".to_owned();
    }
    #[expect(clippy::cast_precision_loss, reason = "counts of runs are far below 2^53")]
    let share = part as f64 / whole as f64 * 100.0;
    let text = format!("{share:.2}");
    match text.as_str() {
        "100.00" if part == whole => "100 %".to_owned(),
        "100.00" => "99.99 %".to_owned(),
        "0.00" if part == 0 => "0 %".to_owned(),
        "0.00" => "0.01 %".to_owned(),
        _ => format!("{text} %"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame() -> Frame {
        Frame {
            language: Language::English,
            chosen: false,
            host: "probe-1".into(),
            version: "0",
            now: String::new(),
            live: true,
            path: "/".into(),
            query: vec![("range".into(), "24h".into()), ("q".into(), "a b&c".into())],
            notices: Vec::new(),
        }
    }

    #[test]
    fn links_keep_what_was_chosen() {
        let chosen = Frame { chosen: true, language: Language::Chinese, ..frame() };
        let rows = [
            (frame().to("/"), "/"),
            (chosen.to("/"), "/?lang=zh"),
            (frame().with("range", "1h"), "/?q=a+b%26c&range=1h"),
            (frame().with("q", ""), "/?range=24h"),
            (chosen.languages()[0].1.clone(), "/?range=24h&q=a+b%26c&lang=en"),
        ];
        for (link, wanted) in rows {
            assert_eq!(link, wanted);
        }
    }

    #[test]
    fn shares_are_never_rounded_to_all_or_nothing() {
        let rows = [
            ((0, 0), "–"),
            ((0, 5), "0 %"),
            ((5, 5), "100 %"),
            ((99_999, 100_000), "99.99 %"),
            ((1, 1_000_000), "0.01 %"),
            ((1, 3), "33.33 %"),
        ];
        for ((part, whole), wanted) in rows {
            assert_eq!(percent(part, whole), wanted, "{part}/{whole}");
        }
    }
}
