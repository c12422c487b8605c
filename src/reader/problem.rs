//! One mistake in a file, and how it is shown.

use std::fmt;
use std::ops::Range;

use probes::secret::{Secrets, is_secret_name, mask_urls};

/// A mistake: where, what, and what would be right.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problem {
    file: String,
    place: Option<Place>,
    message: String,
    help: Option<String>,
}

/// Line and column count from 1; a column is a character.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Place {
    line: usize,
    column: usize,
    text: String,
    marked: usize,
}

/// A line is shown up to this many characters.
const LONGEST_LINE: usize = 160;

impl Problem {
    pub(super) fn at(file: &str, text: &str, span: Range<usize>, message: &str) -> Self {
        let start = (0..=span.start.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
        let end =
            (start..=span.end.clamp(start, line_end)).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(start);
        let place = Place {
            line: text[..line_start].matches('\n').count() + 1,
            column: text[line_start..start].chars().count() + 1,
            text: without_secrets(text[line_start..line_end].trim_end_matches('\r')),
            marked: text[start..end].chars().count().max(1),
        };
        Self { file: file.to_owned(), place: Some(place), message: mask_urls(message), help: None }
    }

    /// A mistake of the file as a whole.
    #[must_use]
    pub fn of_file(file: String, message: &str) -> Self {
        Self { file, place: None, message: mask_urls(message), help: None }
    }

    /// Strikes secrets of the file out of all that is shown.
    pub(super) fn strike(&mut self, secrets: &Secrets) {
        let text = self.place.as_mut().map(|place| &mut place.text);
        text.into_iter().chain([&mut self.message]).chain(&mut self.help).for_each(|text| secrets.strike_in(text));
    }

    /// Says what would be right.
    #[must_use]
    pub fn with_help(mut self, help: String) -> Self {
        self.help = Some(help);
        self
    }

    pub(super) fn place(&self) -> (usize, usize) {
        self.place.as_ref().map_or((0, 0), |place| (place.line, place.column))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "error: {}", printable(&self.message))?;
        let Some(place) = &self.place else {
            return writeln!(formatter, "  --> {}", printable(&self.file));
        };
        let number = place.line.to_string();
        let margin = " ".repeat(number.len());
        let shown: String =
            place.text.chars().take(LONGEST_LINE).map(|letter| if letter == '\t' { ' ' } else { letter }).collect();
        writeln!(formatter, "{margin} --> {}:{}:{}", printable(&self.file), place.line, place.column)?;
        writeln!(formatter, "{margin} |")?;
        writeln!(formatter, "{number} | {}", printable(&shown))?;
        if place.column <= LONGEST_LINE {
            let marked = place.marked.min(LONGEST_LINE + 1 - place.column);
            writeln!(formatter, "{margin} | {}{}", " ".repeat(place.column - 1), "^".repeat(marked))?;
        }
        if let Some(help) = &self.help {
            writeln!(formatter, "{margin} = {}", printable(help))?;
        }
        Ok(())
    }
}

/// A line of a file as it may be shown: what stands behind a key that sounds like a secret is starred out, and so are
/// the passwords of URLs. Every character keeps its column, so that the mark still fits.
fn without_secrets(line: &str) -> String {
    // What stands before an equals sign, back to where a key can begin, is a key.
    let key = |at: usize| line[..at].rsplit(['{', ',', '=']).next().unwrap_or_default();
    let value = line.match_indices('=').find(|(at, _)| is_secret_name(key(*at))).map_or(line.len(), |(at, _)| at + 1);
    let (shown, hidden) = line.split_at(value);
    if names_a_place(hidden) {
        return star_urls(line);
    }
    let mut shown = star_urls(shown);
    let form = |letter: char| letter.is_whitespace() || "\"'{}[],=".contains(letter);
    shown.extend(hidden.chars().map(|letter| if form(letter) { letter } else { '*' }));
    shown
}

/// Whether a value is `{ env = "NAME" }` or `{ file = "path" }` and nothing more: where a secret is, not what it is.
fn names_a_place(value: &str) -> bool {
    let inside = value.trim().strip_prefix('{').and_then(|value| value.strip_suffix('}')).map(str::trim);
    let key = inside.and_then(|inside| inside.strip_prefix("env").or_else(|| inside.strip_prefix("file")));
    let text = key.and_then(|key| key.trim_start().strip_prefix('=')).map(str::trim);
    let text = text.and_then(|text| text.strip_prefix('"')).and_then(|text| text.strip_suffix('"'));
    text.is_some_and(|text| !text.contains(['"', '\\']))
}

/// The same as [`mask_urls`], with a star for every character.
fn star_urls(line: &str) -> String {
    let masked = mask_urls(line);
    if masked == line {
        return masked;
    }
    // What both have in common at the begin and at the end was not masked.
    let begin = line.chars().zip(masked.chars()).take_while(|(one, other)| one == other).count();
    let end = line.chars().rev().zip(masked.chars().rev()).take_while(|(one, other)| one == other).count();
    let length = line.chars().count();
    let hide = |(at, letter)| if at >= begin && at + end < length { '*' } else { letter };
    line.chars().enumerate().map(hide).collect()
}

/// All mistakes found together.
#[derive(Debug, Default)]
pub struct Problems(pub Vec<Problem>);

impl Problems {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                writeln!(formatter)?;
            }
            problem.fmt(formatter)?;
        }
        Ok(())
    }
}

/// Characters that are no control characters and yet end lines or turn the direction of writing.
#[must_use]
pub fn disturbs(letter: char) -> bool {
    matches!(
        letter,
        '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

/// A text that cannot disturb a terminal: control characters and those that change the direction of writing are
/// shown as their code points.
#[must_use]
pub fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        let turns = disturbs(letter);
        match letter {
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            letter if letter.is_control() || turns => shown.push_str(&format!("\\u{{{:x}}}", u32::from(letter))),
            letter => shown.push(letter),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_shows_its_place() {
        let text = "a = 1\nbéd = 2\n";
        let problem = Problem::at("f.toml", text, 6..10, "no").with_help("yes".to_owned());
        assert_eq!(problem.to_string(), "error: no\n  --> f.toml:2:1\n  |\n2 | béd = 2\n  | ^^^\n  = yes\n");
    }

    #[test]
    fn the_line_shown_keeps_its_columns_and_no_secret() {
        let rows = [
            ("password = \"pw-1\" x", "password = \"****\" *"),
            ("passwrod=geheim", "passwrod=******"),
            ("target = \"http://bob:pw@[::1/\"", "target = \"http://bob:**@[::1/\""),
            ("metod = \"GET\"", "metod = \"GET\""),
            ("password = { env = \"SHOP\" }", "password = { env = \"SHOP\" }"),
            ("password={file=\"pw.txt\"}", "password={file=\"pw.txt\"}"),
            ("token = { env = \"A\", file = \"pw\" }", "token = { *** = \"*\", **** = \"**\" }"),
            ("token = { value = \"pw\" }", "token = { ***** = \"**\" }"),
        ];
        for (line, shown) in rows {
            assert_eq!(without_secrets(line), shown);
        }
    }

    #[test]
    fn nothing_printed_can_disturb_a_terminal() {
        assert_eq!(printable("a\u{1b}[31m\u{202e}\n\u{7f}"), "a\\u{1b}[31m\\u{202e}\\n\\u{7f}");
    }
}
