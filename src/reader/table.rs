//! A table of a document: whoever takes a value says what it must be, and what nobody takes is unknown.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Document, Item, Text, units};

/// A table of a document, and which of its keys were asked for.
#[derive(Debug)]
pub struct Table<'d> {
    document: &'d Document,
    pub(super) keys: &'d DeTable<'d>,
    span: Range<usize>,
    title: String,
    known: RefCell<BTreeSet<&'static str>>,
    open: bool,
}

impl<'d> Table<'d> {
    pub(super) fn new(document: &'d Document, keys: &'d DeTable<'d>, span: Range<usize>, title: String) -> Self {
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
    pub(super) fn find(&self, key: &'static str) -> Option<Item<'d>> {
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
