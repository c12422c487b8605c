//! One value of a document and its place: asked for as what it must be, it says what is wrong with it.

use std::borrow::Cow;
use std::ops::Range;
use std::path::PathBuf;

use serde_json::Value as Json;
use toml::Spanned;
use toml::de::DeValue;

use super::{Document, Mark, Problem, Table, read_text};

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
    pub(super) name: &'d str,
    name_span: Range<usize>,
    pub(super) value: &'d DeValue<'d>,
    pub(super) span: Range<usize>,
}

impl<'d> Item<'d> {
    pub(super) fn new(
        document: &'d Document,
        name: &'d Spanned<Cow<'d, str>>,
        value: &'d Spanned<DeValue<'d>>,
    ) -> Self {
        Self { document, name: name.get_ref(), name_span: name.span(), value: value.get_ref(), span: value.span() }
    }

    /// Adds a mistake about the key of this value, with what would be right.
    pub fn fail_name(&self, message: impl Into<String>, help: &str) {
        self.document.push(self.document.problem(self.name_span.clone(), message).with_help(help.to_owned()));
    }

    /// Where it begins in the text.
    #[must_use]
    pub const fn begin(&self) -> usize {
        self.span.start
    }

    /// A mistake about this value, for those who judge it later.
    #[must_use]
    pub fn problem(&self, message: impl Into<String>) -> Problem {
        self.document.problem(self.span.clone(), message)
    }

    /// Adds a mistake about this value.
    pub fn fail(&self, message: impl Into<String>) {
        self.document.push(self.problem(message));
    }

    /// Adds a mistake about this value, with what would be right.
    pub fn fail_with_help(&self, message: impl Into<String>, help: impl Into<String>) {
        self.document.push(self.problem(message).with_help(help.into()));
    }

    pub(super) fn wrong<T>(&self, wanted: &str) -> Option<T> {
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
                self.document.mark(&self.span, Mark::Reference);
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
            let item = table.find(key)?;
            let text = item.value.as_str().map(str::to_owned);
            text.map_or_else(|| item.wrong("a text"), Some).map(|text| (text, item))
        };
        let (env, file) = (literal("env"), literal("file"));
        // Where a secret is may be shown, unless somebody took the table for the secret.
        if let (Some((_, item)), None) | (None, Some((_, item))) = (&env, &file)
            && table.keys.len() == 1
        {
            self.document.show(item);
        }
        match (env, file) {
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
            (None, Some((path, item))) => match read_text(&self.document.path(&path)) {
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

    /// Where the text is, as TOML has it and seen from any folder; nothing if it stands here.
    #[must_use]
    pub fn reference(&self) -> Option<String> {
        self.document.reference(self.value)
    }

    /// The value as it was parsed.
    #[must_use]
    pub const fn value(&self) -> &'d DeValue<'d> {
        self.value
    }

    /// Says that the text that stands here, if one does, is a secret.
    pub fn mark_secret(&self) {
        if self.value.is_str() {
            self.document.mark(&self.span, Mark::Secret);
        }
    }

    /// A path, which stands here or at the end of what does, as the text means it.
    #[must_use]
    pub fn path(&self, text: &str) -> PathBuf {
        if self.value.is_str() {
            self.document.mark(&self.span, Mark::Path(text.to_owned()));
        }
        self.document.path(text)
    }

    /// Whether it is a table.
    #[must_use]
    pub const fn is_table(&self) -> bool {
        matches!(self.value, DeValue::Table(_))
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

    /// A number, with a fraction or without.
    #[must_use]
    pub fn number(&self) -> Option<f64> {
        let digits = match self.value {
            DeValue::Integer(value) if value.radix() == 10 => value.as_str(),
            DeValue::Float(value) => value.as_str(),
            _ => return self.wrong("a number"),
        };
        let number = digits.replace('_', "").parse::<f64>();
        number.ok().map_or_else(|| self.wrong("a number"), Some)
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
