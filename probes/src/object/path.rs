//! Paths of objects: which form an operation wants, and how they stand in a URL.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// All but letters, digits, `-`, `_`, `.`, `~` (RFC 3986 section 2.3) and the slash.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');
/// The same with the slash, for what is one segment.
const ESCAPED_SEGMENT: &AsciiSet = &ESCAPED.add(b'/');

/// What no path may have in it.
const FORBIDDEN: [char; 8] = ['?', '*', ':', '|', '\\', '<', '>', '"'];

/// How a path ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Form {
    /// A folder: with a slash.
    Folder,
    /// A file: without.
    File,
    /// Either.
    Any,
}

/// A path as it stands in a URL.
pub(super) fn encoded(path: &str) -> String {
    utf8_percent_encode(path, ESCAPED).to_string()
}

/// A name as one segment of a URL.
pub(super) fn segment(name: &str) -> String {
    utf8_percent_encode(name, ESCAPED_SEGMENT).to_string()
}

/// Why a path from the root of the bucket is not of a form, if it is not.
pub(super) fn objection(path: &str, form: Form) -> Option<String> {
    match path.strip_prefix('/') {
        Some(rest) => objection_to_segments(path, rest, form),
        None => Some(format!("`{path}` does not begin with `/`")),
    }
}

/// The same of one that may begin at the folder of another.
pub(super) fn objection_to_relative(path: &str, form: Form) -> Option<String> {
    objection_to_segments(path, path.strip_prefix('/').unwrap_or(path), form)
}

fn objection_to_segments(path: &str, segments: &str, form: Form) -> Option<String> {
    if let Some(letter) = path.chars().find(|letter| FORBIDDEN.contains(letter)) {
        return Some(format!("`{path}` has {letter:?} in it, which no path may have"));
    }
    let folder = segments.is_empty() || segments.ends_with('/');
    match form {
        Form::Folder if !folder => return Some(format!("`{path}` is no folder: a folder ends in `/`")),
        Form::File if folder => return Some(format!("`{path}` is no file: a file does not end in `/`")),
        Form::Folder | Form::File | Form::Any => {}
    }
    let inner = segments.strip_suffix('/').unwrap_or(segments);
    if segments.is_empty() {
        return None;
    }
    if inner.split('/').any(|segment| segment.trim().is_empty()) {
        return Some(format!("`{path}` has an empty segment"));
    }
    // Whoever reads a URL takes them away.
    if inner.split('/').any(|segment| matches!(segment, "." | "..")) {
        return Some(format!("`{path}` has a segment `.` or `..`, which no URL can carry"));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_have_a_form() {
        let rows = [
            ("/", Form::Folder, true),
            ("/a/", Form::Folder, true),
            ("/a", Form::Folder, false),
            ("/a", Form::File, true),
            ("/a/", Form::File, false),
            ("/", Form::File, false),
            ("/", Form::Any, true),
            ("/a b/你.txt", Form::File, true),
            ("", Form::Any, false),
            ("a", Form::Any, false),
            ("//", Form::Any, false),
            ("//a", Form::Any, false),
            ("/a//b", Form::Any, false),
            ("/a/ /b", Form::Any, false),
            ("/a//", Form::Any, false),
            ("/a/../b", Form::Any, false),
            ("/./b", Form::Any, false),
            ("/a?b", Form::Any, false),
            ("/a*", Form::Any, false),
            ("/a:b", Form::Any, false),
            ("/a|b", Form::Any, false),
            ("/a\\b", Form::Any, false),
            ("/<a", Form::Any, false),
            ("/a>", Form::Any, false),
            ("/\"a", Form::Any, false),
        ];
        for (path, form, fine) in rows {
            assert_eq!(objection(path, form).is_none(), fine, "{path:?} as {form:?}");
        }
        for (path, fine) in [("a", true), ("/a", true), ("b/a", true), ("", false), ("a/", false), ("a//b", false)] {
            assert_eq!(objection_to_relative(path, Form::File).is_none(), fine, "{path:?}");
        }
    }

    #[test]
    fn all_but_the_slash_and_the_unreserved_is_escaped() {
        assert_eq!(encoded("/a b/+%&=#@你~-_.txt"), "/a%20b/%2B%25%26%3D%23%40%E4%BD%A0~-_.txt");
        assert_eq!(segment("a/b"), "a%2Fb");
    }
}
