//! Reads TOML so that every mistake has a place: file, line, column, the offending text and what would be right.
//!
//! A [`Document`] hands out its tables; whoever takes a value from a [`Table`] says what it must be, and what nobody
//! takes is an unknown key. All mistakes of a file are collected, not only the first. Any text may stand elsewhere,
//! as `{ env = "NAME" }` or `{ file = "path" }`; such a value is a secret.

mod problem;
mod units;

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use probes::secret::Secrets;
use serde_json::Value as Json;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

pub use problem::{Problem, Problems, disturbs, printable};

/// A text and where it came from.
#[derive(Clone, Debug)]
pub struct Source {
    /// The name to show.
    pub name: String,
    /// Relative paths in the text begin here.
    pub folder: PathBuf,
    /// The text.
    pub text: String,
}

impl Source {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self, Problem> {
        let name = path.display().to_string();
        let folder = path.parent().map(Path::to_owned).unwrap_or_default();
        match fs::read(path) {
            Ok(bytes) => match String::from_utf8(bytes) {
                Ok(text) => Ok(Self { name, folder, text }),
                Err(error) => {
                    let valid = error.utf8_error().valid_up_to();
                    let text = String::from_utf8_lossy(&error.into_bytes()).into_owned();
                    Err(Self { name, folder, text }.problem(valid..valid + 1, "the file is not UTF-8 from here on"))
                }
            },
            Err(error) => Err(Problem::of_file(name, &format!("the file cannot be read: {error}"))),
        }
    }

    /// A text that stands in no file.
    #[must_use]
    pub fn inline(name: &str, text: String) -> Self {
        Self { name: name.to_owned(), folder: PathBuf::new(), text }
    }

    /// A mistake at a place of this text.
    #[must_use]
    pub fn problem(&self, span: Range<usize>, message: impl Into<String>) -> Problem {
        Problem::at(&self.name, &self.text, span, &message.into())
    }
}

/// A parsed file and the mistakes found in it so far.
#[derive(Debug)]
pub struct Document {
    source: Source,
    problems: RefCell<Vec<Problem>>,
    secrets: RefCell<Secrets>,
    /// All of them, for the mistakes that are shown.
    hidden: RefCell<Secrets>,
}

impl Document {
    /// Starts with no mistakes.
    #[must_use]
    pub fn new(source: Source) -> Self {
        Self { source, problems: RefCell::default(), secrets: RefCell::default(), hidden: RefCell::default() }
    }

    /// Parses the text and hands its root table to `read`; the mistakes of syntax go with the others.
    pub fn read<T>(&self, read: impl FnOnce(Table<'_>) -> T) -> Option<T> {
        match DeTable::parse(&self.source.text) {
            Ok(root) => Some(read(Table::new(self, root.get_ref(), root.span(), "the file".to_owned()))),
            Err(error) => {
                let end = self.source.text.len();
                self.push(self.source.problem(error.span().unwrap_or(end..end), error.message()));
                None
            }
        }
    }

    /// Where the text came from.
    pub const fn source(&self) -> &Source {
        &self.source
    }

    /// Adds a mistake.
    pub fn push(&self, problem: Problem) {
        self.problems.borrow_mut().push(problem);
    }

    /// Marks a value as secret.
    pub fn hide(&self, secret: &str) {
        self.secrets.borrow_mut().add(secret);
        self.hidden.borrow_mut().add(secret);
    }

    /// Marks a user name and password as secret, in the form they have on the wire too.
    pub fn hide_basic(&self, username: &str, password: &str) {
        self.secrets.borrow_mut().add_basic(username, password);
        self.hidden.borrow_mut().add_basic(username, password);
    }

    /// Marks the value of a header field as secret, with the parts that could be shown alone.
    pub fn hide_header(&self, value: &str) {
        self.secrets.borrow_mut().add_header(value);
        self.hidden.borrow_mut().add_header(value);
    }

    /// The secrets found since the last call.
    pub fn take_secrets(&self) -> Secrets {
        self.secrets.take()
    }

    /// All mistakes, in the order of the text.
    #[must_use]
    pub fn into_problems(self) -> Problems {
        let mut problems = self.problems.into_inner();
        let hidden = self.hidden.into_inner();
        for problem in &mut problems {
            problem.strike(&hidden);
        }
        problems.sort_by_key(Problem::place);
        problems.dedup();
        Problems(problems)
    }

    /// A path as the text means it.
    #[must_use]
    pub fn path(&self, text: &str) -> PathBuf {
        self.source.folder.join(text)
    }
}

/// A table of a document, and which of its keys were asked for.
#[derive(Debug)]
pub struct Table<'d> {
    document: &'d Document,
    keys: &'d DeTable<'d>,
    span: Range<usize>,
    title: String,
    known: RefCell<BTreeSet<&'static str>>,
    open: bool,
}

impl<'d> Table<'d> {
    fn new(document: &'d Document, keys: &'d DeTable<'d>, span: Range<usize>, title: String) -> Self {
        Self { document, keys, span, title, known: RefCell::default(), open: false }
    }

    /// The document, for secrets and further mistakes.
    #[must_use]
    pub const fn document(&self) -> &'d Document {
        self.document
    }

    /// Whether it has no keys at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Takes a value. From now on the key is a known one.
    pub fn take(&self, key: &'static str) -> Option<Item<'d>> {
        self.known.borrow_mut().insert(key);
        let (name, value) = self.keys.get_key_value(key)?;
        Some(Item::new(self.document, name, value))
    }

    /// A text.
    pub fn text(&self, key: &'static str) -> Option<Text> {
        self.take(key)?.text()
    }

    /// A text that no output may show, however it is given.
    pub fn secret(&self, key: &'static str) -> Option<Text> {
        let text = self.text(key)?;
        self.document.hide(&text.value);
        Some(Text { secret: true, ..text })
    }

    /// A text that means something.
    pub fn parsed<T>(&self, key: &'static str, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        self.take(key)?.parsed(parse)
    }

    /// A boolean.
    pub fn boolean(&self, key: &'static str) -> Option<bool> {
        let item = self.take(key)?;
        item.value.as_bool().or_else(|| item.wrong("true or false"))
    }

    /// A whole number within a range.
    pub fn integer(&self, key: &'static str, range: Range<u64>) -> Option<u64> {
        self.take(key)?.integer(range)
    }

    /// A duration above zero.
    pub fn duration(&self, key: &'static str) -> Option<Duration> {
        let item = self.take(key)?;
        if let DeValue::Integer(_) | DeValue::Float(_) = item.value {
            return item.wrong("a duration");
        }
        let duration = item.parsed(units::duration)?;
        if duration.is_zero() {
            item.fail("a duration must be above zero");
            return None;
        }
        Some(duration)
    }

    /// A number of bytes.
    pub fn size(&self, key: &'static str) -> Option<u64> {
        let item = self.take(key)?;
        match item.value {
            DeValue::Integer(_) => item.integer(0..u64::MAX),
            _ => item.parsed(units::size),
        }
    }

    /// A list of texts.
    pub fn texts(&self, key: &'static str) -> Option<Vec<(Text, Item<'d>)>> {
        let texts = self.take(key)?.items()?.into_iter().filter_map(|item| Some((item.text()?, item)));
        Some(texts.collect())
    }

    /// A table below this one, whose keys are closed: what nobody takes is a mistake.
    pub fn table(&self, key: &'static str) -> Option<Self> {
        let item = self.take(key)?;
        let title = if self.title.starts_with('[') {
            format!("[{}.{key}]", self.title.trim_matches(['[', ']']))
        } else {
            format!("[{key}]")
        };
        item.table(title)
    }

    /// Every key and value of a table with free keys.
    pub fn entries(mut self) -> Vec<(&'d str, Item<'d>)> {
        self.open = true;
        let item = |(name, value): (&'d Spanned<_>, &'d Spanned<DeValue<'d>>)| {
            let item = Item::new(self.document, name, value);
            (item.name, item)
        };
        self.keys.iter().map(item).collect()
    }

    /// Adds a mistake about the value of a key.
    pub fn fail_at(&self, key: &'static str, message: impl Into<String>) {
        match self.take(key) {
            Some(item) => item.fail(message),
            None => self.fail(message),
        }
    }

    /// Adds a mistake about the table as a whole.
    pub fn fail(&self, message: impl Into<String>) {
        let end = self.span.start + self.document.source.text[self.span.clone()].find('\n').unwrap_or(self.span.len());
        self.document.push(self.document.source.problem(self.span.start..end, message));
    }
}

impl Drop for Table<'_> {
    /// What nobody asked for is unknown.
    fn drop(&mut self) {
        if self.open {
            return;
        }
        let known = self.known.borrow();
        for (name, _) in self.keys {
            if !known.contains(&**name.get_ref()) {
                let message = format!("`{}` is no key of {}", name.get_ref(), self.title);
                let problem = self.document.source.problem(name.span(), message);
                let near = units::nearest(name.get_ref(), known.iter().copied());
                let help = near.map_or_else(
                    || format!("the keys are {}", known.iter().copied().collect::<Vec<_>>().join(", ")),
                    |near| format!("did you mean `{near}`?"),
                );
                self.document.push(problem.with_help(help));
            }
        }
    }
}

/// A text, and whether it must stay hidden.
#[derive(Clone, Debug)]
pub struct Text {
    /// The value.
    pub value: String,
    /// Whether it came from the environment or a file, or is a password.
    pub secret: bool,
}

/// One value and its place.
#[derive(Clone, Debug)]
pub struct Item<'d> {
    document: &'d Document,
    name: &'d str,
    name_span: Range<usize>,
    value: &'d DeValue<'d>,
    span: Range<usize>,
}

impl<'d> Item<'d> {
    fn new(document: &'d Document, name: &'d Spanned<Cow<'d, str>>, value: &'d Spanned<DeValue<'d>>) -> Self {
        Self { document, name: name.get_ref(), name_span: name.span(), value: value.get_ref(), span: value.span() }
    }

    /// Adds a mistake about the key of this value, with what would be right.
    pub fn fail_name(&self, message: impl Into<String>, help: &str) {
        self.document.push(self.document.source.problem(self.name_span.clone(), message).with_help(help.to_owned()));
    }

    /// A mistake about this value, for those who judge it later.
    #[must_use]
    pub fn problem(&self, message: impl Into<String>) -> Problem {
        self.document.source.problem(self.span.clone(), message)
    }

    /// Adds a mistake about this value.
    pub fn fail(&self, message: impl Into<String>) {
        self.document.push(self.problem(message));
    }

    /// Adds a mistake about this value, with what would be right.
    pub fn fail_with_help(&self, message: impl Into<String>, help: impl Into<String>) {
        self.document.push(self.problem(message).with_help(help.into()));
    }

    fn wrong<T>(&self, wanted: &str) -> Option<T> {
        let message = format!("`{}` must be {wanted}, and this is of the type {}", self.name, self.value.type_str());
        // Not the value itself: it may be a secret.
        let help = match (wanted, self.value) {
            ("a text", DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_)) => {
                "a text stands in quotes"
            }
            ("a duration", DeValue::Integer(_) | DeValue::Float(_)) => "a duration has a unit, as in \"30s\"",
            ("a whole number", DeValue::String(_)) => "a number stands without quotes",
            ("true or false", DeValue::String(_)) => "true and false stand without quotes",
            ("a list", DeValue::Table(_)) => "[[…]] makes a table one of a list",
            ("a list", _) => "a list stands in brackets, even of one",
            ("a table", DeValue::String(_)) => "a table is written { key = \"value\" }",
            _ => {
                self.fail(message);
                return None;
            }
        };
        self.fail_with_help(message, help);
        None
    }

    /// A text, given here, in the environment or in a file.
    #[must_use]
    pub fn text(&self) -> Option<Text> {
        match self.value {
            DeValue::String(text) => Some(Text { value: text.clone().into_owned(), secret: false }),
            DeValue::Table(_) => {
                let value = self.elsewhere()?;
                self.document.hide(&value);
                Some(Text { value, secret: true })
            }
            _ => self.wrong("a text"),
        }
    }

    fn elsewhere(&self) -> Option<String> {
        let table = self.table(format!("`{}`", self.name))?;
        let literal = |key| {
            let item = table.take(key)?;
            let text = item.value.as_str().map(str::to_owned);
            text.map_or_else(|| item.wrong("a text"), Some).map(|text| (text, item))
        };
        match (literal("env"), literal("file")) {
            (Some((name, item)), None) => match std::env::var(&name) {
                Ok(value) => Some(value),
                Err(std::env::VarError::NotPresent) => {
                    item.fail(format!("the environment variable `{name}` is not set"));
                    None
                }
                Err(std::env::VarError::NotUnicode(_)) => {
                    item.fail(format!("the environment variable `{name}` is not UTF-8"));
                    None
                }
            },
            (None, Some((path, item))) => match fs::read_to_string(self.document.path(&path)) {
                Ok(text) => Some(text.trim_end_matches(['\r', '\n']).to_owned()),
                Err(error) => {
                    item.fail(format!("the file `{path}` cannot be read: {error}"));
                    None
                }
            },
            _ => {
                self.fail(format!("`{}` must be a text, {{ env = \"NAME\" }} or {{ file = \"path\" }}", self.name));
                None
            }
        }
    }

    /// A text that means something.
    pub fn parsed<T>(&self, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        match parse(&self.text()?.value) {
            Ok(value) => Some(value),
            Err(message) => {
                self.fail(message);
                None
            }
        }
    }

    /// A whole number within a range.
    #[must_use]
    pub fn integer(&self, range: Range<u64>) -> Option<u64> {
        let Some(integer) = self.value.as_integer() else { return self.wrong("a whole number") };
        let digits = integer.as_str().replace('_', "");
        let value = u64::from_str_radix(&digits, integer.radix()).ok().filter(|value| range.contains(value));
        if value.is_none() {
            self.fail(format!("`{}` must be a whole number from {} to {}", self.name, range.start, range.end - 1));
        }
        value
    }

    /// The values of a list.
    #[must_use]
    pub fn items(&self) -> Option<Vec<Self>> {
        let Some(list) = self.value.as_array() else { return self.wrong("a list") };
        let item =
            |value: &'d Spanned<DeValue<'d>>| Self { value: value.get_ref(), span: value.span(), ..self.clone() };
        Some(list.iter().map(item).collect())
    }

    /// A table whose keys are closed.
    #[must_use]
    pub fn table(&self, title: String) -> Option<Table<'d>> {
        match self.value.as_table() {
            Some(table) => Some(Table::new(self.document, table, self.span.clone(), title)),
            None => self.wrong("a table"),
        }
    }

    /// The value as JSON has it: texts, numbers and booleans.
    #[must_use]
    pub fn json(&self) -> Option<Json> {
        match self.value {
            DeValue::Boolean(value) => Some((*value).into()),
            DeValue::Integer(value) => {
                let number = i64::from_str_radix(&value.as_str().replace('_', ""), value.radix());
                number.ok().map_or_else(|| self.wrong("a number of 64 bits"), |number| Some(number.into()))
            }
            DeValue::Float(value) => {
                let number = value.as_str().replace('_', "").parse::<f64>();
                number.ok().map_or_else(|| self.wrong("a number"), |number| Some(number.into()))
            }
            _ => self.text().map(|text| text.value.into()),
        }
    }

    /// The text as it stands, if it is one; for values that are looked at again later.
    #[must_use]
    pub const fn document(&self) -> &'d Document {
        self.document
    }
}
