//! What is checked once everything has come (P9): the header text, then the MD5.

use http::HeaderMap;

use super::fault::{Content, Fault};
use super::supply::hex;
use super::{Transfer, Work, fails};
use crate::fault::Failure;

impl Transfer {
    /// Looks for the text of the task in the header lines of the final response.
    pub(super) fn verify_headers(&self, headers: &HeaderMap) -> Result<(), Failure<Fault>> {
        let Some(wanted) = &self.http.header_contains else { return Ok(()) };
        let found = headers.iter().any(|(name, value)| has(name.as_str(), value.as_bytes(), wanted.as_bytes()));
        let detail = || format!("no header line of the response has `{wanted}` in it");
        if found { Ok(()) } else { fails(Content::Header, detail()) }
    }

    /// Compares the MD5 of a download.
    pub(super) fn verify_md5(&self, found: &[u8; 16]) -> Result<(), Failure<Fault>> {
        match &self.work {
            Work::Download(download) => match download.md5.filter(|wanted| wanted != found) {
                None => Ok(()),
                Some(wanted) => {
                    let detail = format!("the download has the MD5 {}, the task wants {}", hex(found), hex(&wanted));
                    fails(Content::Md5, detail)
                }
            },
            Work::Upload(_) => Ok(()),
        }
    }
}

/// Whether the line `name: value` has a text in it; what falls on the name is compared without case (RFC 9110 section 5.1).
fn has(name: &str, value: &[u8], wanted: &[u8]) -> bool {
    let line = [name.as_bytes(), b": ", value].concat();
    let fits = |at: usize| {
        let part = &line[at..at + wanted.len()];
        let of_name = name.len().saturating_sub(at).min(wanted.len());
        part[..of_name].eq_ignore_ascii_case(&wanted[..of_name]) && part[of_name..] == wanted[of_name..]
    };
    wanted.len() <= line.len() && (0..=line.len() - wanted.len()).any(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_without_case_and_values_with_it() {
        let rows = [
            ("X-A: c", true),
            ("x-a: c", true),
            ("x-A: C", false),
            ("A: cD", true),
            ("a: cd", false),
            ("cD", true),
            ("cd", false),
            ("X-a", true),
            ("x-a:cD", false),
            ("x-a: cDe", false),
            ("", true),
        ];
        for (wanted, found) in rows {
            assert_eq!(has("x-a", b"cD", wanted.as_bytes()), found, "{wanted}");
        }
    }
}
