//! A task under way: its keys in TOML, table by table.

use std::fmt::Write as _;
use std::time::Duration;

/// What `blackbox_exporter` gives a probe where neither the module nor a scrape limits it.
const UNLIMITED: Duration = Duration::from_millis(119_500);
/// The shortest limit that connecting or a handshake has without a word.
const PHASE: Duration = Duration::from_secs(10);

/// A table of a task.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Place {
    /// The task itself.
    Task,
    /// The table of its protocol.
    Protocol,
    /// `[task.tls]`.
    Tls,
    /// `[task.resolver]`.
    Resolver,
}

/// One key.
struct Line {
    place: Place,
    text: String,
    /// Whether it names a file.
    names_a_file: bool,
}

/// A task under way.
pub(super) struct Written {
    name: String,
    protocol: &'static str,
    timeout: Duration,
    comments: Vec<String>,
    lines: Vec<Line>,
}

impl Written {
    pub(super) fn new(name: &str, protocol: &'static str) -> Self {
        let (comments, lines) = (Vec::new(), Vec::new());
        Self { name: name.to_owned(), protocol, timeout: UNLIMITED, comments, lines }
    }

    /// The name of the module.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// How long the module lets a probe take.
    pub(super) const fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Sets how long a probe may take; where the module does not say, only the scrape limits it.
    pub(super) fn limit(&mut self, timeout: Option<Duration>) {
        match timeout.filter(|timeout| !timeout.is_zero()) {
            Some(timeout) => self.timeout = timeout,
            None => self.remark(
                "The module sets no timeout: what a scrape leaves limits a probe, and this one without a scrape.",
            ),
        }
        let timeout = duration(self.timeout);
        self.set(Place::Task, "timeout", timeout.clone());
        if self.timeout > PHASE && self.protocol != "ping" {
            self.set(Place::Task, "connect_timeout", timeout.clone());
            self.set(Place::Task, "tls_timeout", timeout);
        }
    }

    /// Says something above the task.
    pub(super) fn remark(&mut self, sentence: &str) {
        self.comments.push(sentence.to_owned());
    }

    /// Sets a key to a value in TOML.
    pub(super) fn set(&mut self, place: Place, key: &str, value: impl AsRef<str>) {
        let text = format!("{key} = {}", value.as_ref());
        self.lines.push(Line { place, text, names_a_file: false });
    }

    /// Sets a key to a text.
    pub(super) fn set_text(&mut self, place: Place, key: &str, value: &str) {
        self.set(place, key, quoted(value));
    }

    /// Sets a key to the path of a file.
    pub(super) fn set_path(&mut self, place: Place, key: &str, path: &str) {
        self.set_text(place, key, path);
        self.mark_file();
    }

    /// Sets a key to what a file holds.
    pub(super) fn set_file(&mut self, place: Place, key: &str, path: &str) {
        self.set(place, key, format!("{{ file = {} }}", quoted(path)));
        self.mark_file();
    }

    fn mark_file(&mut self) {
        if let Some(line) = self.lines.last_mut() {
            line.names_a_file = true;
        }
    }

    /// The task as TOML, with the keys that name files or without them.
    pub(super) fn text(&self, files: bool) -> String {
        let mut text = String::new();
        for comment in &self.comments {
            let _ = writeln!(text, "# {comment}");
        }
        let _ = writeln!(text, "[[task]]\nname = {}", quoted(&self.name));
        let titles = [
            (Place::Task, String::new()),
            (Place::Protocol, format!("[task.{}]\n", self.protocol)),
            (Place::Tls, "[task.tls]\n".to_owned()),
            (Place::Resolver, "[task.resolver]\n".to_owned()),
        ];
        for (place, title) in titles {
            let lines = || self.lines.iter().filter(|line| line.place == place && (files || !line.names_a_file));
            if place == Place::Protocol || lines().next().is_some() {
                text.push_str(&title);
            }
            lines().for_each(|line| {
                let _ = writeln!(text, "{}", line.text);
            });
        }
        text
    }
}

/// A text in TOML.
pub(super) fn quoted(text: &str) -> String {
    // What JSON escapes in a text, TOML reads in the same way; TOML wants one letter more escaped.
    serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007f")
}

/// Texts as a list in TOML.
pub(super) fn list<'t>(texts: impl IntoIterator<Item = &'t str>) -> String {
    format!("[{}]", texts.into_iter().map(quoted).collect::<Vec<_>>().join(", "))
}

/// A table in a line.
pub(super) fn table(entries: &[(String, String)]) -> String {
    let entries: Vec<_> = entries.iter().map(|(key, value)| format!("{} = {}", quoted(key), quoted(value))).collect();
    format!("{{ {} }}", entries.join(", "))
}

/// A duration in TOML.
pub(super) fn duration(time: Duration) -> String {
    format!("\"{}s\"", time.as_secs_f64())
}
