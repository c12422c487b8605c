//! A line of a file as a mistake shows it: without what may be a secret, and with the mark where it belongs.
//!
//! In a file that parses, a value is shown only where somebody took it by a key that does not sound like a secret; in
//! one that does not parse, only behind a few keys. Everything else is `***`, whatever its length.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::Range;

use probes::secret::{MASK, is_secret_name, password_of_url};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Keys whose values may be shown in a file that does not parse.
const HARMLESS: [&str; 14] = [
    "connect_timeout",
    "count",
    "family",
    "interval",
    "max_redirects",
    "method",
    "name",
    "retries",
    "size",
    "timeout",
    "tls",
    "tls_timeout",
    "wait",
    "warn_after",
];

/// Further keys that are known by name, to be shown without their values. A word that only sounds like one may be the
/// secret itself.
const KNOWN: [&str; 7] = ["account", "bearer_token", "body", "headers", "password", "target", "username"];

/// A line and the part of it that is meant, in characters.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Excerpt {
    pub(super) text: String,
    pub(super) begin: usize,
    pub(super) end: usize,
}

impl Excerpt {
    /// The line with these places of the text hidden, each of them in order and within the line.
    pub(super) fn new(text: &str, line: Range<usize>, marked: Range<usize>, hidden: &[Range<usize>]) -> Self {
        let (mut shown, mut from) = (String::new(), line.start);
        let (mut begin, mut end) = (None, None);
        let count = |shown: &str| shown.chars().count();
        for place in hidden.iter().filter(|place| place.start >= line.start && place.end <= line.end) {
            if place.start < from {
                continue;
            }
            let before = |at: usize| count(&shown) + text[from..at].chars().count();
            begin = begin.or_else(|| (marked.start <= place.start).then(|| before(marked.start)));
            end = end.or_else(|| (marked.end <= place.start).then(|| before(marked.end)));
            let start = before(place.start);
            begin = begin.or_else(|| (marked.start < place.end).then_some(start));
            end = end.or_else(|| (marked.end <= place.end).then_some(start + MASK.len()));
            shown.push_str(&text[from..place.start]);
            shown.push_str(MASK);
            from = place.end;
        }
        let before = |at: usize| count(&shown) + text[from..at.max(from)].chars().count();
        let (begin, end) = (begin.unwrap_or_else(|| before(marked.start)), end.unwrap_or_else(|| before(marked.end)));
        shown.push_str(&text[from..line.end]);
        Self { text: shown, begin, end: end.max(begin + 1) }
    }

    /// Strikes out what was found to be a secret after all; the mark moves with the text.
    pub(super) fn strike(&mut self, strike: impl Fn(&mut String)) {
        let part = |letters: &mut dyn Iterator<Item = char>| {
            let mut part: String = letters.collect();
            strike(&mut part);
            part.chars().count()
        };
        let before = part(&mut self.text.chars().take(self.begin));
        let behind = part(&mut self.text.chars().skip(self.end));
        let length = self.text.chars().count();
        strike(&mut self.text);
        let struck = self.text.chars().count();
        if struck != length {
            self.begin = before.min(struck);
            self.end = struck.saturating_sub(behind).max(self.begin + 1);
        }
    }
}

/// The values of a file that parses, and which of them may be shown.
#[derive(Debug, Default)]
pub(super) struct Values {
    leaves: Vec<Range<usize>>,
    names: Vec<Range<usize>>,
    shown: RefCell<BTreeSet<usize>>,
}

impl Values {
    pub(super) fn of(root: &DeTable<'_>) -> Self {
        let mut values = Self::default();
        values.add_table(root);
        values.leaves.sort_by_key(|leaf| leaf.start);
        values
    }

    fn add_table(&mut self, table: &DeTable<'_>) {
        for (name, value) in table {
            self.names.push(name.span());
            self.add(value);
        }
    }

    fn add(&mut self, value: &Spanned<DeValue<'_>>) {
        match value.get_ref() {
            DeValue::Table(table) => self.add_table(table),
            DeValue::Array(list) => list.iter().for_each(|value| self.add(value)),
            _ => self.leaves.push(value.span()),
        }
    }

    /// Says that a value is no secret; the values of a table have keys of their own.
    pub(super) fn show(&self, value: &DeValue<'_>, span: &Range<usize>) {
        match value {
            DeValue::Table(_) => {}
            DeValue::Array(list) => list.iter().for_each(|value| self.show(value.get_ref(), &value.span())),
            _ => {
                self.shown.borrow_mut().insert(span.start);
            }
        }
    }

    /// What is to be hidden of a line.
    pub(super) fn hidden(&self, text: &str, line: &Range<usize>) -> Vec<Range<usize>> {
        let shown = self.shown.borrow();
        let of_leaf = |leaf: &Range<usize>| {
            let content = content(text, leaf);
            let whole = if shown.contains(&leaf.start) {
                let password = password_of_url(&text[content.clone()])?;
                content.start + password.start..content.start + password.end
            } else {
                content
            };
            let part = whole.start.max(line.start)..whole.end.min(line.end);
            (part.start < part.end).then_some(part)
        };
        let mut hidden: Vec<_> = self.leaves.iter().filter_map(of_leaf).collect();
        hidden.extend(self.comment(text, line));
        hidden
    }

    /// The words of the comment at the end of a line.
    fn comment(&self, text: &str, line: &Range<usize>) -> Option<Range<usize>> {
        let covered = |at: usize| self.leaves.iter().chain(&self.names).any(|range| range.contains(&at));
        let (at, _) = text[line.clone()].match_indices('#').find(|(at, _)| !covered(line.start + at))?;
        words(text, line.start + at + 1..line.end)
    }
}

/// A value without its quotes.
fn content(text: &str, leaf: &Range<usize>) -> Range<usize> {
    let value = &text[leaf.clone()];
    let quote = ["\"\"\"", "'''", "\"", "'"].into_iter().find(|quote| value.starts_with(quote));
    let length = quote.map_or(0, str::len);
    if value.len() > 2 * length { leaf.start + length..leaf.end - length } else { leaf.start..leaf.start }
}

/// A range without the blanks around what stands there; nothing if that is all.
fn words(text: &str, range: Range<usize>) -> Option<Range<usize>> {
    let part = &text[range.clone()];
    let start = range.end - part.trim_start().len();
    (!part.trim().is_empty()).then(|| start..start + part.trim().len())
}

/// What is to be hidden of a line of a file that does not parse.
pub(super) fn hidden_in_broken(text: &str, line: &Range<usize>) -> Option<Range<usize>> {
    let all = words(text, line.clone())?;
    let inside = ["\"\"\"", "'''"].iter().any(|quote| text[..line.start].matches(quote).count() % 2 == 1);
    let part = &text[all.clone()];
    if inside || part.chars().all(|letter| "[]{},".contains(letter)) {
        return inside.then_some(all);
    }
    if part.starts_with('#') {
        return words(text, all.start + 1..all.end);
    }
    if part.starts_with('[') {
        let end = part.rfind(']').map_or(part.len(), |at| at + 1);
        let header = part[..end].chars().all(|letter| letter.is_ascii_alphanumeric() || "[]_-. ".contains(letter));
        return if header { words(text, all.start + end..all.end) } else { Some(all) };
    }
    let Some((key, behind)) = key(part) else { return Some(all) };
    let known = HARMLESS.contains(&key) || KNOWN.contains(&key);
    let value = match behind.trim_start().strip_prefix('=').or_else(|| behind.trim_start().strip_prefix(':')) {
        Some(value) if known || behind.trim_start().starts_with('=') => value,
        None if known => behind,
        _ => return Some(all),
    };
    let place = words(text, all.end - value.len()..all.end)?;
    let word = &text[place.clone()];
    let plain =
        !is_secret_name(word) && !word.contains(|letter: char| letter.is_whitespace() || ":=@#".contains(letter));
    (!HARMLESS.contains(&key) || !plain).then_some(place)
}

/// The key that a text begins with, and what stands behind it.
fn key(text: &str) -> Option<(&str, &str)> {
    for quote in ['"', '\''] {
        if let Some(rest) = text.strip_prefix(quote) {
            return rest.split_once(quote);
        }
    }
    let bare = |letter: char| letter.is_ascii_alphanumeric() || "_-.".contains(letter);
    let (key, behind) = text.split_at(text.find(|letter| !bare(letter)).unwrap_or(text.len()));
    (!key.is_empty()).then_some((key, behind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_stays_at_what_it_marks() {
        let text = "a = \"hidden\" é = 5 b = \"word\"";
        let hidden = [5..11, 25..29];
        let rows = [(0..1, "a"), (4..12, "\"***\""), (6..8, "***"), (13..15, "é"), (17..19, " 5"), (25..29, "***")];
        for (marked, wanted) in rows {
            let Excerpt { text: shown, begin, end } = Excerpt::new(text, 0..text.len(), marked.clone(), &hidden);
            assert_eq!(shown, "a = \"***\" é = 5 b = \"***\"");
            assert_eq!(shown.chars().skip(begin).take(end - begin).collect::<String>(), wanted, "{marked:?}");
        }
    }

    #[test]
    fn no_harmless_key_sounds_like_a_secret() {
        assert_eq!(HARMLESS.iter().find(|key| is_secret_name(key)), None);
    }

    #[test]
    fn a_broken_line_keeps_its_key_and_no_secret() {
        let rows = [
            ("password:\"pw-1\"", "password:***"),
            ("password \"pw-1\"", "password ***"),
            ("\"password\" \"pw-1\"", "\"password\" ***"),
            ("  pass: pw-1", "  ***"),
            ("passw0rd", "***"),
            ("\"passw0rd\"", "***"),
            ("pw = \"pw-1", "pw = ***"),
            ("pw \"pw-1\"", "***"),
            ("pw-1", "***"),
            ("account: pw-1", "account: ***"),
            ("timeout = 30s", "timeout = 30s"),
            ("timeout = 30s, password pw-1", "timeout = ***"),
            ("timeout = \"30s", "timeout = \"30s"),
            ("target = \"http://bob:pw@h", "target = ***"),
            ("[task.smtp", "[task.smtp"),
            ("[task.smtp] # pw-1", "[task.smtp] ***"),
            ("[\"pw-1\"", "***"),
            ("# pw-1", "# ***"),
            ("]", "]"),
        ];
        for (line, wanted) in rows {
            let range = 0..line.len();
            let hidden: Vec<_> = hidden_in_broken(line, &range).into_iter().collect();
            assert_eq!(Excerpt::new(line, range, 0..1, &hidden).text, wanted);
        }
        let text = "password = \"\"\"\ntimeout = 5\n";
        assert_eq!(hidden_in_broken(text, &(15..26)), Some(15..26));
    }
}
