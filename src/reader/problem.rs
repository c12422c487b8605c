//! One mistake in a file, and how it is shown.

use std::fmt;
use std::ops::Range;

use probes::secret::{Secrets, mask_urls};

use super::excerpt::Excerpt;

/// A mistake: where, what, and what would be right.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problem {
    file: String,
    place: Option<Box<Place>>,
    message: String,
    help: Option<String>,
}

/// Line and column count from 1; a column is a character.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Place {
    line: usize,
    column: usize,
    excerpt: Excerpt,
}

/// A line is shown up to this many characters.
const LONGEST_LINE: usize = 160;

impl Problem {
    /// A mistake at a place of a text; `hide` says what of the line may not be shown.
    pub(super) fn at(
        file: &str,
        text: &str,
        span: Range<usize>,
        message: &str,
        hide: impl FnOnce(&Range<usize>) -> Vec<Range<usize>>,
    ) -> Self {
        let start = (0..=span.start.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
        let end =
            (start..=span.end.clamp(start, line_end)).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(start);
        let line = line_start..line_start + text[line_start..line_end].trim_end_matches('\r').len();
        let hidden = hide(&line);
        let place = Place {
            line: text[..line_start].matches('\n').count() + 1,
            column: text[line_start..start].chars().count() + 1,
            excerpt: Excerpt::new(text, line.clone(), start.min(line.end)..end.min(line.end), &hidden),
        };
        Self { file: file.to_owned(), place: Some(Box::new(place)), message: mask_urls(message), help: None }
    }

    /// A mistake of the file as a whole.
    #[must_use]
    pub fn of_file(file: String, message: &str) -> Self {
        Self { file, place: None, message: mask_urls(message), help: None }
    }

    /// Strikes secrets of the file out of all that is shown.
    pub(super) fn strike(&mut self, secrets: &Secrets) {
        if let Some(place) = &mut self.place {
            place.excerpt.strike(|text| secrets.strike_in(text));
        }
        [&mut self.message].into_iter().chain(&mut self.help).for_each(|text| secrets.strike_in(text));
    }

    /// Says what would be right.
    #[must_use]
    pub fn with_help(mut self, help: String) -> Self {
        self.help = Some(help);
        self
    }

    /// Place and mistake in one line, for a log.
    #[must_use]
    pub fn line(&self) -> String {
        let help = self.help.as_ref().map(|help| format!(" ({help})")).unwrap_or_default();
        let text = match &self.place {
            Some(place) => format!("{}:{}:{}: {}{help}", self.file, place.line, place.column, self.message),
            None => format!("{}: {}{help}", self.file, self.message),
        };
        printable(&text)
    }

    /// Adds the reason, as another mistake found elsewhere has it.
    #[must_use]
    pub fn because(mut self, reason: &Self) -> Self {
        self.message = format!("{}: {}", self.message, reason.message);
        self.help = self.help.or_else(|| reason.help.clone());
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
        let Excerpt { text, begin, end } = &place.excerpt;
        let shown: String =
            text.chars().take(LONGEST_LINE).map(|letter| if letter == '\t' { ' ' } else { letter }).collect();
        writeln!(formatter, "{margin} --> {}:{}:{}", printable(&self.file), place.line, place.column)?;
        writeln!(formatter, "{margin} |")?;
        writeln!(formatter, "{number} | {}", printable(&shown))?;
        if *begin < LONGEST_LINE {
            let marked = end.min(&LONGEST_LINE) - begin;
            writeln!(formatter, "{margin} | {}{}", " ".repeat(*begin), "^".repeat(marked))?;
        }
        if let Some(help) = &self.help {
            writeln!(formatter, "{margin} = {}", printable(help))?;
        }
        Ok(())
    }
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

/// A text as TOML writes it in quotes; nothing in it disturbs a terminal.
#[must_use]
pub fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for letter in text.chars() {
        match letter {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            letter if letter.is_control() || disturbs(letter) => {
                quoted.push_str(&format!("\\U{:08x}", u32::from(letter)));
            }
            letter => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_shows_its_place() {
        let text = "a = 1\nbéd = 2\n";
        let problem = Problem::at("f.toml", text, 6..10, "no", |_| Vec::new()).with_help("yes".to_owned());
        assert_eq!(problem.to_string(), "error: no\n  --> f.toml:2:1\n  |\n2 | béd = 2\n  | ^^^\n  = yes\n");
    }

    #[test]
    fn nothing_printed_can_disturb_a_terminal() {
        assert_eq!(printable("a\u{1b}[31m\u{202e}\n\u{7f}"), "a\\u{1b}[31m\\u{202e}\\n\\u{7f}");
    }
}
