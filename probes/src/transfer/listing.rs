//! Whether a name stands in a listing, in the forms that servers give one: as `ls -l` (GNU, BSD, ISO dates, day first), as
//! DOS, VMS, EPLF, as MLSD, or one name a line. The form of each line is found first, so that a part of a name, or of another
//! column, is never taken for a name.

use std::sync::OnceLock;

use bytes::Bytes;
use regex::bytes::Regex;

use crate::exchange;

/// A line of a listing that is longer names no file.
const LONGEST_LINE: usize = 8 * 1024;

/// Looks for a name, line by line.
pub(super) struct Listing<'n> {
    name: &'n [u8],
    line: Vec<u8>,
    found: bool,
}

impl<'n> Listing<'n> {
    /// Looks for this name.
    pub(super) fn of(name: &'n [u8]) -> Self {
        Self { name, line: Vec::new(), found: false }
    }

    /// Whether the name stands in it, the last line included.
    pub(super) fn is_found(&mut self) -> bool {
        self.end_line();
        self.found
    }

    fn end_line(&mut self) {
        let line = self.line.strip_suffix(b"\r").unwrap_or(&self.line);
        self.found |= !line.is_empty() && name_of(line) == Some(self.name);
        self.line.clear();
    }
}

impl exchange::Sink for Listing<'_> {
    type Error = std::convert::Infallible;

    async fn take(&mut self, bytes: Bytes) -> Result<(), Self::Error> {
        for byte in bytes {
            match byte {
                b'\n' => self.end_line(),
                _ if self.line.len() < LONGEST_LINE => self.line.push(byte),
                _ => {}
            }
        }
        Ok(())
    }
}

/// The forms that have more than a name, each with the name as its last group.
const FORMS: [&str; 5] = [
    // Permissions, anything, the size (of a device two numbers), a date, one space, the name.
    concat!(
        r"^(?-u)[-dlbcpsDw][-rwxsStTlL]{9}\S*\s+(?:.*?\s)?(?:\d+,\s*)?\d+\s+(?:",
        r"\d{4}-\d{2}-\d{2}\s+\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:\s[-+]\d{4})?",
        r"|\S+\s+\d{1,2}\s+(?:\d{1,2}:\d{2}|\d{4})",
        r"|\d{1,2}\.?\s+\S+\s+(?:\d{1,2}:\d{2}|\d{4})",
        r")\s(.*)$"
    ),
    // 01-31-20  10:00AM  <DIR>  name
    r"^(?-u)\d{1,4}[-/]\d{1,2}[-/]\d{1,4}\s+\d{1,2}:\d{2}\s?(?:[AaPp][Mm])?\s+(?:<\w+>|[\d,.]+)\s+(.*)$",
    // Easily Parsed LIST Format.
    r"^(?-u)\+[^\t]*\t(.*)$",
    // RFC 3659 section 7.
    r"^(?-u)(?:[\w.-]+=[^;]*;)+ (.*)$",
    // VMS: the name has a version behind it, which nobody needs to name.
    r"^(?-u)(\S+?);\d+\s+\d+(?:/\d+)?\s+\d{1,2}-\w{3}-\d{4}\s+\d{1,2}:\d{2}",
];

/// The name in a line; `None` where a line has none.
fn name_of(line: &[u8]) -> Option<&[u8]> {
    static READ: OnceLock<Vec<Regex>> = OnceLock::new();
    let read = READ.get_or_init(|| FORMS.iter().filter_map(|form| Regex::new(form).ok()).collect());
    if line.strip_prefix(b"total ").is_some_and(|count| count.iter().all(u8::is_ascii_digit)) {
        return None;
    }
    let name = read.iter().find_map(|form| form.captures(line)?.get(1)).map_or(line, |name| name.as_bytes());
    // A symbolic link is shown with what it leads to.
    let linked = memchr::memmem::find(name, b" -> ").filter(|_| line.starts_with(b"l"));
    Some(&name[..linked.unwrap_or(name.len())])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::Sink as _;

    fn found(name: &str, parts: &[&str]) -> bool {
        let mut listing = Listing::of(name.as_bytes());
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        for part in parts {
            let Ok(()) = runtime.block_on(listing.take(Bytes::copy_from_slice(part.as_bytes())));
        }
        listing.is_found()
    }

    #[test]
    fn every_form_has_a_name() {
        assert_eq!(FORMS.iter().filter(|form| Regex::new(form).is_ok()).count(), FORMS.len());
        let rows = [
            ("-rw-r--r-- 1 0 0 5 Jan 01 2020 a file", "a file"),
            ("-rw-r--r--    1 ftp      ftp          5 Jan 01 10:00 f", "f"),
            ("-rw-r--r-- 1 ftp 5 Jan  1 2020  f", " f"),
            ("F.DAT;1   3/6   1-JAN-2020 10:00:00  [GROUP,USER]  (RWED,RWED,RE,)", "F.DAT"),
            ("-rw-r--r--+ 1 0 0 5 Jan 01 2020 f ", "f "),
            ("-rw-r--r--. 1 a b 5 1 janv. 2020 f", "f"),
            ("-rw-r--r-- 1 a b 5 2020-01-01 10:00 f", "f"),
            ("-rw-r--r-- 1 a b 5 2020-01-01 10:00:00.000000000 +0100 f", "f"),
            ("crw-rw-rw- 1 root root 1, 3 Jan 01 2020 null", "null"),
            ("drwxr-xr-x 2 0 0 4096 Jan 01 2020 d", "d"),
            ("lrwxrwxrwx 1 0 0 4 Jan 01 2020 link -> f", "link"),
            ("-rw-r--r-- 1 0 0 5 Jan 01 2020 a -> f", "a -> f"),
            ("-rw-r--r-- 1 0 0 5 Jan 01 2020 Jan 02 2021 g", "Jan 02 2021 g"),
            ("01-01-20  10:00AM       5 a f", "a f"),
            ("01-01-2020  10:00       <DIR>          d", "d"),
            ("+i8388621.48594,m825718503,r,s280,\tf", "f"),
            ("type=file;size=5; a f", "a f"),
            ("a f", "a f"),
        ];
        for (line, name) in rows {
            assert_eq!(name_of(line.as_bytes()), Some(name.as_bytes()), "{line}");
        }
        assert_eq!(name_of(b"total 4"), None);
    }

    #[test]
    fn a_name_is_found_whole_or_not_at_all() {
        let unix = "-rw-r--r-- 1 0 0 5 Jan 01 2020 file.bin\r\n";
        assert!(found("file.bin", &[unix]));
        assert!(found("file.bin", &["total 1\r\n", &unix[..20], &unix[20..]]));
        assert!(found("file.bin", &[unix.trim_end()]));
        assert!(found("file.bin", &["file.bin"]));
        for other in
            ["other-file.bin", "a file.bin", "file.bin.old", "FILE.BIN", "d/file.bin", "x -> file.bin", "file.bin "]
        {
            assert!(!found("file.bin", &[&unix.replace("file.bin", other)]), "{other}");
        }
        assert!(!found("4", &["total 4\r\n"]));
        assert!(!found("2020 file.bin", &[unix]));
        assert!(!found("", &["\r\n", "\r\n"]));
        assert!(!found("file.bin", &[]));
    }
}
