//! YAML whose options are asked for by name: what nobody asks for has no counterpart, and is named with its line.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use saphyr::{MarkedYaml, Scalar, YamlData};

/// Everything that stops the import, with its line.
#[derive(Debug, Default)]
pub(super) struct Stops(RefCell<Vec<(usize, String)>>);

impl Stops {
    /// Adds one.
    pub(super) fn add(&self, line: usize, why: String) {
        self.0.borrow_mut().push((line, why));
    }

    /// All of them, in the order of the text.
    pub(super) fn into_all(self) -> Vec<(usize, String)> {
        let mut all = self.0.into_inner();
        all.sort();
        all.dedup();
        all
    }
}

/// What nodes are read from.
#[derive(Clone, Copy)]
pub(super) struct Text<'y> {
    /// The whole text.
    pub(super) whole: &'y str,
    /// Where relative paths begin.
    pub(super) folder: &'y Path,
    /// Where mistakes go.
    pub(super) stops: &'y Stops,
}

/// One value.
#[derive(Clone)]
pub(super) struct Node<'y> {
    source: Text<'y>,
    name: String,
    value: &'y MarkedYaml<'y>,
}

impl<'y> Node<'y> {
    pub(super) fn new(source: Text<'y>, name: &str, value: &'y MarkedYaml<'y>) -> Self {
        Self { source, name: name.to_owned(), value }
    }

    /// The line it stands in.
    pub(super) fn line(&self) -> usize {
        self.value.span.start.line()
    }

    /// Stops the import here.
    pub(super) fn stop(&self, why: String) {
        self.source.stops.add(self.line(), why);
    }

    /// Stops the import: the value is of another type.
    fn wrong<T>(&self, wanted: &str) -> Option<T> {
        self.stop(format!("`{}` must be {wanted}", self.name));
        None
    }

    /// Whether it is there without saying anything.
    pub(super) fn is_nothing(&self) -> bool {
        match &self.value.data {
            YamlData::Value(Scalar::Null) => true,
            YamlData::Mapping(map) => map.is_empty(),
            YamlData::Sequence(list) => list.is_empty(),
            YamlData::Value(_)
            | YamlData::Representation(..)
            | YamlData::Tagged(..)
            | YamlData::Alias(_)
            | YamlData::BadValue => false,
        }
    }

    /// Whether it is a list of nothing.
    pub(super) fn is_empty_list(&self) -> bool {
        matches!(&self.value.data, YamlData::Sequence(list) if list.is_empty())
    }

    /// A text; a number or a word such as `true` is the text that stands there.
    pub(super) fn text(&self) -> Option<String> {
        match &self.value.data {
            YamlData::Value(Scalar::String(text)) => Some(text.clone().into_owned()),
            YamlData::Value(Scalar::Null) => Some(String::new()),
            YamlData::Value(_) => {
                let (start, end) = (self.value.span.start.index(), self.value.span.end.index());
                Some(self.source.whole.chars().skip(start).take(end - start).collect::<String>().trim().to_owned())
            }
            _ => self.wrong("a text"),
        }
    }

    /// True or false.
    pub(super) fn boolean(&self) -> Option<bool> {
        match (&self.value.data, self.text()?.to_ascii_lowercase().as_str()) {
            (YamlData::Value(Scalar::Boolean(value)), _) => Some(*value),
            (_, "yes" | "on" | "true") => Some(true),
            (_, "no" | "off" | "false" | "") => Some(false),
            _ => self.wrong("true or false"),
        }
    }

    /// A whole number.
    pub(super) fn integer(&self) -> Option<i64> {
        match &self.value.data {
            YamlData::Value(Scalar::Integer(number)) => Some(*number),
            _ => self.wrong("a whole number"),
        }
    }

    /// A duration as Go writes it: `5s`, `1m30s`, `500ms`.
    pub(super) fn duration(&self) -> Option<Duration> {
        let text = self.text()?;
        go_duration(&text).or_else(|| self.wrong("a duration, as in 5s or 1m30s"))
    }

    /// The values of a list; nothing is an empty one.
    pub(super) fn list(&self) -> Option<Vec<Self>> {
        match &self.value.data {
            YamlData::Sequence(list) => Some(list.iter().map(|value| Self { value, ..self.clone() }).collect()),
            YamlData::Value(Scalar::Null) => Some(Vec::new()),
            _ => self.wrong("a list"),
        }
    }

    /// A table of options; nothing is an empty one.
    pub(super) fn map(&self) -> Option<Map<'y>> {
        let entries = match &self.value.data {
            YamlData::Mapping(_) => self.entries()?,
            YamlData::Value(Scalar::Null) => Vec::new(),
            _ => return self.wrong("a table of options"),
        };
        Some(Map { source: self.source, line: self.line(), entries, taken: RefCell::default() })
    }

    /// Names and values, with those that `<<` brings in behind the own ones.
    fn entries(&self) -> Option<Vec<(String, usize, Self)>> {
        let YamlData::Mapping(map) = &self.value.data else { return self.wrong("a table of options") };
        let mut entries: Vec<(String, usize, Self)> = Vec::new();
        let mut merged = Vec::new();
        for (key, value) in map {
            let name = Node::new(self.source, "a name", key).text()?;
            let node = Self { source: self.source, name: name.clone(), value };
            match (name.as_str(), &value.data) {
                ("<<", YamlData::Sequence(_)) => {
                    for node in node.list()? {
                        merged.extend(node.entries()?);
                    }
                }
                ("<<", _) => merged.extend(node.entries()?),
                _ => entries.push((name, key.span.start.line(), node)),
            }
        }
        for entry in merged {
            if !entries.iter().any(|(name, ..)| *name == entry.0) {
                entries.push(entry);
            }
        }
        Some(entries)
    }

    /// A path as the file means it, from the root on.
    pub(super) fn path(&self) -> Option<String> {
        let path = self.source.folder.join(self.text()?);
        let whole = std::path::absolute(&path).unwrap_or(path);
        whole.to_str().map(str::to_owned).or_else(|| self.wrong("a path of letters that TOML can hold"))
    }
}

/// A table of options, and which were asked for.
pub(super) struct Map<'y> {
    source: Text<'y>,
    line: usize,
    entries: Vec<(String, usize, Node<'y>)>,
    taken: RefCell<BTreeSet<String>>,
}

impl<'y> Map<'y> {
    /// An option that is known from now on.
    pub(super) fn take(&self, name: &str) -> Option<Node<'y>> {
        self.taken.borrow_mut().insert(name.to_owned());
        self.entries.iter().find(|(key, ..)| key == name).map(|(.., node)| node.clone())
    }

    /// An option that is a table; one without options where it is absent.
    pub(super) fn take_map(&self, name: &str) -> Self {
        let found = self.take(name).and_then(|node| node.map());
        found.unwrap_or(Self { source: self.source, line: self.line, entries: Vec::new(), taken: RefCell::default() })
    }

    /// A text that says something.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.take(name)?.text().filter(|text| !text.is_empty())
    }

    /// True or false; false where it is absent.
    pub(super) fn flag(&self, name: &str) -> bool {
        self.take(name).and_then(|node| node.boolean()).unwrap_or(false)
    }

    /// The values of a list; empty where it is absent.
    pub(super) fn list(&self, name: &str) -> Vec<Node<'y>> {
        self.take(name).and_then(|node| node.list()).unwrap_or_default()
    }

    /// An option that the agent knows in one value only: any other stops the import.
    pub(super) fn only(&self, name: &str, wanted: bool, why: &str) {
        if let Some(node) = self.take(name)
            && node.boolean().is_some_and(|value| value != wanted)
        {
            node.stop(format!("`{name}: {}` has no counterpart in the agent: {why}", !wanted));
        }
    }

    /// Stops the import at this table.
    pub(super) fn stop(&self, why: String) {
        self.source.stops.add(self.line, why);
    }

    /// Asks for everything, so that nothing is named.
    pub(super) fn forgive(&self) {
        self.taken.borrow_mut().extend(self.entries.iter().map(|(name, ..)| name.clone()));
    }

    /// Every name and value of a table with free names.
    pub(super) fn into_entries(self) -> Vec<(String, Node<'y>)> {
        self.forgive();
        self.entries.iter().map(|(name, _, node)| (name.clone(), node.clone())).collect()
    }
}

impl Drop for Map<'_> {
    /// What nobody asked for has no counterpart.
    fn drop(&mut self) {
        let taken = self.taken.borrow();
        for (name, line, _) in self.entries.iter().filter(|(name, ..)| !taken.contains(name)) {
            self.source.stops.add(*line, format!("`{name}` has no counterpart in the agent"));
        }
    }
}

/// `1h30m`, `1.5s`, `500ms`; `0` is no duration at all.
fn go_duration(text: &str) -> Option<Duration> {
    const UNITS: [(&str, f64); 6] = [("ns", 1e-9), ("us", 1e-6), ("ms", 1e-3), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let mut rest = text;
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let (number, after) = rest.split_at(rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.')?);
        let (unit, after) = after.split_at(after.find(|letter: char| letter.is_ascii_digit()).unwrap_or(after.len()));
        seconds += number.parse::<f64>().ok()? * UNITS.iter().find(|(name, _)| *name == unit)?.1;
        rest = after;
    }
    if text.is_empty() { None } else { Duration::try_from_secs_f64(seconds).ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_those_of_go() {
        let rows = [("5s", 5000), ("1m30s", 90_000), ("1.5s", 1500), ("500ms", 500), ("1h", 3_600_000), ("0", 0)];
        for (text, wanted) in rows {
            assert_eq!(go_duration(text), Some(Duration::from_millis(wanted)), "{text}");
        }
        for text in ["", "5", "s", "5 s", "1d", "-1s"] {
            assert_eq!(go_duration(text), None, "{text}");
        }
    }
}
