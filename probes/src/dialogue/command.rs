//! One command line, and what may be shown of it.

use crate::secret::MASK;

/// A line of a task longer than this is no name, path or address that any server takes.
const LONGEST_LINE: usize = 4096;

/// Whether a text can be part of a command: what has a line end in it would be several commands, and C servers end
/// a line at NUL.
#[must_use]
pub fn fits_a_line(text: &str) -> bool {
    text.len() <= LONGEST_LINE && is_one_line(text.as_bytes())
}

/// Whether bytes would end no command.
#[must_use]
pub fn is_one_line(bytes: &[u8]) -> bool {
    !bytes.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0))
}

/// A command as it is sent, and as it is shown.
#[derive(Clone)]
pub(crate) struct Command {
    line: Vec<u8>,
    shown: String,
}

impl Command {
    /// A command that may be shown.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        let shown = text.into();
        Self { line: format!("{shown}\r\n").into(), shown }
    }

    /// A command whose argument need not be UTF-8, as names of files.
    pub(crate) fn with(verb: &str, argument: &[u8]) -> Self {
        let line = [verb.as_bytes(), b" ", argument, b"\r\n"].concat();
        Self { line, shown: format!("{verb} {}", String::from_utf8_lossy(argument)) }
    }

    /// A command whose argument is shown as `***`; without a verb the whole line is.
    pub(crate) fn secret(verb: &str, argument: &str) -> Self {
        let with = |argument: &str| if verb.is_empty() { argument.to_owned() } else { format!("{verb} {argument}") };
        Self { line: format!("{}\r\n", with(argument)).into(), shown: with(MASK) }
    }

    /// The bytes, line end included.
    pub(super) fn line(&self) -> &[u8] {
        &self.line
    }

    /// What the evidence may have.
    pub(super) fn shown(&self) -> &str {
        &self.shown
    }
}

impl std::fmt::Debug for Command {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.shown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_sent_and_not_shown() {
        let rows = [
            (Command::new("NOOP"), "NOOP\r\n", "NOOP"),
            (Command::secret("PASS", "pw"), "PASS pw\r\n", "PASS ***"),
            (Command::secret("", "cHc="), "cHc=\r\n", "***"),
            (Command::with("CWD", b"a b"), "CWD a b\r\n", "CWD a b"),
        ];
        for (command, line, shown) in rows {
            let said = (command.line(), command.shown(), format!("{command:?}"));
            assert_eq!(said, (line.as_bytes(), shown, shown.to_owned()));
        }
    }

    #[test]
    fn a_line_has_no_line_in_it() {
        assert!(fits_a_line("a name"));
        for text in ["a\r\nDELE b", "a\nb", "a\rb", "a\0b", &"a".repeat(5000)] {
            assert!(!fits_a_line(text), "{text:?}");
        }
    }
}
