//! The agent's own source files, for tests that read them: every file of a folder, with its comments blanked out.

use std::fs;
use std::path::{Path, PathBuf};

/// One source file.
#[derive(Debug)]
pub struct Source {
    /// Its path below the folder, without extension: `net/verdict/path`.
    pub module: String,
    /// Its text, with a blank for every letter of a comment; lines keep their numbers.
    pub code: String,
}

impl Source {
    /// A file with this text.
    pub fn new(module: &str, text: &str) -> Self {
        Self { module: module.to_owned(), code: without_comments(text) }
    }
}

/// A file or folder of this repository.
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Every Rust file below a folder, in order of their names.
pub fn below(folder: &str) -> Vec<Source> {
    let root = repository(folder);
    let mut sources = Vec::new();
    let mut open = vec![root.clone()];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            let entries = fs::read_dir(&path).expect("a folder of this repository can be read");
            open.extend(entries.map(|entry| entry.expect("an entry has a path").path()));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("a source file is UTF-8");
            let module = path.strip_prefix(&root).unwrap_or(&path).with_extension("");
            sources.push(Source::new(&module.display().to_string(), &text));
        }
    }
    assert!(!sources.is_empty(), "{folder} has no source files");
    sources.sort_by(|one, other| one.module.cmp(&other.module));
    sources
}

/// Blanks comments out; what looks like a comment inside a text or a character stays.
fn without_comments(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let (length, keep) = match letter {
            '/' if rest.starts_with("//") => (rest.find('\n').unwrap_or(rest.len()), false),
            '/' if rest.starts_with("/*") => (block_comment(rest), false),
            '"' => (quoted(rest), true),
            'r' if !code.ends_with(|last: char| last.is_alphanumeric() || last == '_') => (raw_text(rest), true),
            '\'' => (character(rest), true),
            _ => (letter.len_utf8(), true),
        };
        let (piece, after) = rest.split_at(length);
        let blank = |letter| if letter == '\n' { '\n' } else { ' ' };
        code.extend(piece.chars().map(|letter| if keep { letter } else { blank(letter) }));
        rest = after;
    }
    code
}

/// Block comments stand inside each other.
fn block_comment(text: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < text.len() {
        if text[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if text[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

fn quoted(text: &str) -> usize {
    let mut escaped = false;
    let end = text.char_indices().skip(1).find(|(_, letter)| {
        let ends = *letter == '"' && !escaped;
        escaped = *letter == '\\' && !escaped;
        ends
    });
    end.map_or(text.len(), |(at, _)| at + 1)
}

/// `r"…"` and `r#"…"#`; else just the letter.
fn raw_text(text: &str) -> usize {
    let hashes = text[1..].bytes().take_while(|byte| *byte == b'#').count();
    let start = 1 + hashes;
    if !text[start..].starts_with('"') {
        return 1;
    }
    let end = format!("\"{}", "#".repeat(hashes));
    text[start + 1..].find(&end).map_or(text.len(), |at| start + 1 + at + end.len())
}

/// `'"'` and `'\''`, but not the tick of a lifetime.
fn character(text: &str) -> usize {
    let mut letters = text.char_indices().skip(1);
    match (letters.next(), letters.next()) {
        (Some((_, '\\')), Some((at, escaped))) => {
            let from = at + escaped.len_utf8();
            text[from..].find('\'').map_or(1, |end| from + end + 1)
        }
        (Some(_), Some((at, '\''))) => at + 1,
        _ => 1,
    }
}

#[test]
fn comments_are_blanked_out_and_nothing_else_is() {
    let rows = [
        ("a // b\nc", "a     \nc"),
        ("/* a /* b */ c */d", "                 d"),
        ("\"// no\" // yes", "\"// no\"       "),
        (r##"r#"a " // b"# // c"##, r##"r#"a " // b"#     "##),
        (r#""\"//" // c"#, r#""\"//"     "#),
        ("'\"' // a", "'\"'     "),
        (r"'\'' // a", r"'\''     "),
        ("<'a> // b", "<'a>     "),
        ("for\"//\"", "for\"//\""),
    ];
    for (text, wanted) in rows {
        assert_eq!(without_comments(text), wanted, "{text}");
    }
}
