//! Reads TOML so that every mistake has a place: file, line, column, the offending text and what would be right.
//!
//! A [`Document`] hands out its tables; whoever takes a value from a [`Table`] says what it must be, and what nobody
//! takes is an unknown key. All mistakes of a file are collected, not only the first. Any text may stand elsewhere,
//! as `{ env = "NAME" }` or `{ file = "path" }`; such a value is a secret.

mod excerpt;
mod file;
mod item;
mod problem;
mod table;
mod units;

use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use excerpt::Values;
use probes::secret::{Secrets, is_secret_name};
use toml::de::{DeTable, DeValue};

pub use file::{Stamp, noting, read_file, read_text};
pub use item::{Item, Text};
pub use problem::{Problem, Problems, disturbs, printable, quoted};
pub use table::Table;
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
