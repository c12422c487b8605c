//! Reads TOML so that every mistake has a place: file, line, column, the offending text and what would be right.
//!
//! A [`Document`] hands out its tables; whoever takes a value from a [`Table`] says what it must be, and what nobody
//! takes is an unknown key. All mistakes of a file are collected, not only the first. Any text may stand elsewhere,
//! as `{ env = "NAME" }` or `{ file = "path" }`; such a value is a secret.

mod excerpt;
mod file;
mod item;
mod problem;
mod units;

use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use excerpt::Values;
use probes::secret::{Secrets, is_secret_name};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

pub use file::{Stamp, noting, read_file, read_text};
pub use item::{Item, Text};
pub use problem::{Problem, Problems, disturbs, printable, quoted};
pub use units::duration;

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
        match file::read_any(path) {
            Ok(bytes) => match String::from_utf8(bytes) {
                Ok(text) => Ok(Self { name, folder, text }),
                Err(error) => {
                    let valid = error.utf8_error().valid_up_to();
                    let text = String::from_utf8_lossy(&error.into_bytes()).into_owned();
                    Err(Self { name, folder, text }.broken(valid..valid + 1, "the file is not UTF-8 from here on"))
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

    /// A mistake at a place of this text, which does not parse.
    fn broken(&self, span: Range<usize>, message: &str) -> Problem {
        let hide = |line: &Range<usize>| excerpt::hidden_in_broken(&self.text, line).into_iter().collect();
        Problem::at(&self.name, &self.text, span, message, hide)
    }
}

/// A parsed file and the mistakes found in it so far.
#[derive(Debug)]
pub struct Document {
    source: Source,
    values: OnceCell<Values>,
    problems: RefCell<Vec<Problem>>,
    secrets: RefCell<Secrets>,
    /// All of them, for the mistakes that are shown.
    hidden: RefCell<Secrets>,
    /// What was learnt of values, by the beginning and end of each.
    marks: RefCell<BTreeMap<(usize, usize), Mark>>,
}

/// What is known of a value, for those who write it down again.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Mark {
    /// A secret that stands there itself.
    Secret,
    /// A table that says where the text is.
    Reference,
    /// Its end is this path, relative to the file.
    Path(String),
}

impl Document {
    /// Starts with no mistakes.
    #[must_use]
    pub fn new(source: Source) -> Self {
        Self {
            source,
            values: OnceCell::new(),
            problems: RefCell::default(),
            secrets: RefCell::default(),
            hidden: RefCell::default(),
            marks: RefCell::default(),
        }
    }

    /// Parses the text and hands its root table to `read`; the mistakes of syntax go with the others.
    pub fn read<T>(&self, read: impl FnOnce(Table<'_>) -> T) -> Option<T> {
        match DeTable::parse(&self.source.text) {
            Ok(root) => {
                self.values.get_or_init(|| Values::of(root.get_ref()));
                Some(read(Table::new(self, root.get_ref(), root.span(), "the file".to_owned())))
            }
            Err(error) => {
                let end = self.source.text.len();
                self.push(self.source.broken(error.span().unwrap_or(end..end), error.message()));
                None
            }
        }
    }

    /// Where the text came from.
    pub const fn source(&self) -> &Source {
        &self.source
    }

    /// A mistake at a place of the text.
    #[must_use]
    pub fn problem(&self, span: Range<usize>, message: impl Into<String>) -> Problem {
        let Source { name, text, .. } = &self.source;
        match self.values.get() {
            Some(values) => Problem::at(name, text, span, &message.into(), |line| values.hidden(text, line)),
            None => self.source.broken(span, &message.into()),
        }
    }

    /// Says that the value of a key is no secret, unless the key sounds like one.
    fn show(&self, item: &Item<'_>) {
        if let Some(values) = self.values.get()
            && !is_secret_name(item.name)
        {
            values.show(item.value, &item.span);
        }
    }

    fn mark(&self, span: &Range<usize>, mark: Mark) {
        self.marks.borrow_mut().insert((span.start, span.end), mark);
    }

    /// What is known of the value at a place.
    #[must_use]
    pub fn mark_of(&self, span: &Range<usize>) -> Option<Mark> {
        self.marks.borrow().get(&(span.start, span.end)).cloned()
    }

    /// Adds a mistake.
    pub fn push(&self, problem: Problem) {
        self.problems.borrow_mut().push(problem);
    }

    /// Marks a value as secret.
    pub fn hide(&self, secret: &str) {
        self.secrets.borrow_mut().add_text(secret);
        self.hidden.borrow_mut().add_text(secret);
    }

    /// Marks bytes as secret that are no text.
    pub fn hide_bytes(&self, secret: &[u8]) {
        self.secrets.borrow_mut().add_bytes(secret);
        self.hidden.borrow_mut().add_bytes(secret);
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
        let hidden = self.hidden.into_inner().long();
        for problem in &mut problems {
            problem.strike(&hidden);
        }
        problems.sort_by_key(Problem::place);
        problems.dedup();
        Problems(problems)
    }

    /// A path as the text means it, seen from any folder.
    #[must_use]
    pub fn absolute(&self, text: &str) -> String {
        let path = self.path(text);
        std::path::absolute(&path).unwrap_or(path).to_string_lossy().into_owned()
    }

    /// Where a text is that stands elsewhere, as TOML has it and seen from any folder.
    #[must_use]
    pub fn reference(&self, value: &DeValue<'_>) -> Option<String> {
        let of = |name| value.as_table()?.get(name)?.get_ref().as_str();
        match (of("env"), of("file")) {
            (Some(name), _) => Some(format!("{{ env = {} }}", quoted(name))),
            (None, Some(path)) => Some(format!("{{ file = {} }}", quoted(&self.absolute(path)))),
            (None, None) => None,
        }
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

    /// The name for messages, as in `[task.http]`.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Whether it has no keys at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Whether a key is there, known or not.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.keys.contains_key(key)
    }

    /// Takes a value, which mistakes may show. From now on the key is a known one.
    pub fn take(&self, key: &'static str) -> Option<Item<'d>> {
        let item = self.find(key)?;
        self.document.show(&item);
        Some(item)
    }

    /// Takes a value that mistakes may not show.
    fn find(&self, key: &'static str) -> Option<Item<'d>> {
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
        let item = self.find(key)?;
        let text = item.text()?;
        item.mark_secret();
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

    /// A share of a whole: a number from 0 to 1.
    pub fn share(&self, key: &'static str) -> Option<f64> {
        let item = self.take(key)?;
        let number = item.number()?;
        if !(0.0..=1.0).contains(&number) {
            item.fail(format!("`{key}` must be a share from 0.0 (nothing) to 1.0 (all)"));
            return None;
        }
        Some(number)
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
    pub fn entries(self) -> Vec<(&'d str, Item<'d>)> {
        let document = self.document;
        let entries = self.secret_entries();
        for (_, item) in &entries {
            document.show(item);
        }
        entries
    }

    /// The same of one whose values mistakes may not show.
    pub fn secret_entries(mut self) -> Vec<(&'d str, Item<'d>)> {
        self.open = true;
        let item = |(name, value): (&'d Spanned<_>, &'d Spanned<DeValue<'d>>)| {
            let item = Item::new(self.document, name, value);
            (item.name, item)
        };
        self.keys.iter().map(item).collect()
    }

    /// The keys and values as they were parsed.
    #[must_use]
    pub const fn keys(&self) -> &'d DeTable<'d> {
        self.keys
    }

    /// A path, which stands at a key, as the text means it.
    #[must_use]
    pub fn path(&self, key: &'static str, text: &str) -> PathBuf {
        self.find(key).map_or_else(|| self.document.path(text), |item| item.path(text))
    }

    /// Adds a mistake about the value of a key.
    pub fn fail_at(&self, key: &'static str, message: impl Into<String>) {
        match self.find(key) {
            Some(item) => item.fail(message),
            None => self.fail(message),
        }
    }

    /// Adds a mistake about the table as a whole.
    pub fn fail(&self, message: impl Into<String>) {
        let end = self.span.start + self.document.source.text[self.span.clone()].find('\n').unwrap_or(self.span.len());
        self.document.push(self.document.problem(self.span.start..end, message));
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
                let problem = self.document.problem(name.span(), message);
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
