//! Where a secret stands in what a peer sent, in whichever encoding it came back.

use std::ops::Range;

use super::Needle;

/// How an echo may have been encoded.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Decoding {
    None,
    /// `%2F`, as in URLs.
    Percent,
    /// `%252F`, as in URLs within URLs.
    PercentTwice,
    /// The same with `+` for a space, as in forms.
    Form,
    /// `\"`, `\u0041`, as in JSON.
    Backslash,
    /// `&amp;`, `&#39;`, as in HTML.
    Entity,
    /// `" "` between two pieces, as in TXT records.
    Pieces,
}

impl Decoding {
    pub(super) const ALL: [Self; 7] =
        [Self::None, Self::Percent, Self::PercentTwice, Self::Form, Self::Backslash, Self::Entity, Self::Pieces];
}

/// Bytes decoded, and where each of them came from.
pub(super) struct View {
    decoded: Vec<u8>,
    origins: Vec<usize>,
    end: usize,
}

impl View {
    /// The view of an encoding; `None` if the bytes have none of it.
    pub(super) fn of(bytes: &[u8], decoding: Decoding) -> Option<Self> {
        let mark = match decoding {
            Decoding::None => {
                return Some(Self {
                    decoded: bytes.to_ascii_lowercase(),
                    origins: (0..bytes.len()).collect(),
                    end: bytes.len(),
                });
            }
            Decoding::Percent | Decoding::PercentTwice => b'%',
            Decoding::Form => b'+',
            Decoding::Backslash => b'\\',
            Decoding::Entity => b'&',
            Decoding::Pieces => b'"',
        };
        if !bytes.contains(&mark) {
            return None;
        }
        let mut view = Self { decoded: Vec::new(), origins: Vec::new(), end: bytes.len() };
        let mut at = 0;
        while at < bytes.len() {
            if decoding == Decoding::Pieces && bytes[at..].starts_with(b"\" \"") {
                at += 3;
                continue;
            }
            let (value, length) = decode(&bytes[at..], decoding);
            match value {
                Ok(byte) => view.decoded.push(byte),
                Err(letter) => view.decoded.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes()),
            }
            view.origins.resize(view.decoded.len(), at);
            at += length;
        }
        view.decoded.make_ascii_lowercase();
        // An escape that the end has cut off goes with the rest of what was cut.
        let cut = half_escape(&view.decoded, mark);
        view.decoded.truncate(view.decoded.len() - cut);
        view.origins.truncate(view.decoded.len());
        Some(view)
    }

    /// Where a needle stands in the original, whole or cut off by the end.
    pub(super) fn find(&self, needle: &Needle, ranges: &mut Vec<Range<usize>>) {
        let Needle { shortest, is_word, .. } = *needle;
        let needle = needle.text.as_slice();
        let in_word = |at: Option<usize>| {
            is_word && at.and_then(|at| self.decoded.get(at)).is_some_and(u8::is_ascii_alphanumeric)
        };
        let origin = |at: usize| self.origins.get(at).copied().unwrap_or(self.end);
        for at in memchr::memmem::find_iter(&self.decoded, needle) {
            if !in_word(at.checked_sub(1)) && !in_word(Some(at + needle.len())) {
                ranges.push(origin(at)..origin(at + needle.len()));
            }
        }
        let longest = needle.len().min(self.decoded.len() + 1).saturating_sub(1);
        let cut = (shortest..=longest).rev().find(|length| self.decoded.ends_with(&needle[..*length]));
        if let Some(length) = cut {
            ranges.push(origin(self.decoded.len() - length)..self.end);
        }
    }
}

/// How much of the end is the beginning of an escape.
fn half_escape(decoded: &[u8], mark: u8) -> usize {
    const LONGEST: usize = 5;
    let tail = &decoded[decoded.len().saturating_sub(LONGEST)..];
    let Some(at) = tail.iter().rposition(|byte| *byte == mark) else { return 0 };
    let (length, rest) = (tail.len() - at, &tail[at + 1..]);
    let half = match mark {
        b'%' => length <= 2 && rest.iter().all(u8::is_ascii_hexdigit),
        b'\\' => rest.is_empty() || (rest[0] == b'u' && rest[1..].iter().all(u8::is_ascii_hexdigit)),
        b'&' => rest.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'#'),
        _ => false,
    };
    if half { length } else { 0 }
}

/// One decoded byte or character, and how long its encoded form is.
fn decode(bytes: &[u8], decoding: Decoding) -> (Result<u8, char>, usize) {
    let hex = |digits: &[u8]| std::str::from_utf8(digits).ok().and_then(|digits| u32::from_str_radix(digits, 16).ok());
    match (decoding, bytes) {
        (Decoding::Percent | Decoding::Form, [b'%', high, low, ..]) => {
            match hex(&[*high, *low]).and_then(|byte| u8::try_from(byte).ok()) {
                Some(byte) => (Ok(byte), 3),
                None => (Ok(b'%'), 1),
            }
        }
        (Decoding::PercentTwice, [b'%', b'2', b'5', high, low, ..]) => {
            match hex(&[*high, *low]).and_then(|byte| u8::try_from(byte).ok()) {
                Some(byte) => (Ok(byte), 5),
                None => (Ok(b'%'), 3),
            }
        }
        (Decoding::Form, [b'+', ..]) => (Ok(b' '), 1),
        (Decoding::Backslash, [b'\\', b'u', a, b, c, d, ..]) => match hex(&[*a, *b, *c, *d]).and_then(char::from_u32) {
            Some(letter) => (Err(letter), 6),
            None => (Ok(b'\\'), 1),
        },
        // As zone files have them (RFC 1035 section 5.1).
        (Decoding::Backslash, [b'\\', digits @ ..]) if decimal(digits).is_some() => {
            (Ok(decimal(digits).unwrap_or(0)), 4)
        }
        (Decoding::Backslash, [b'\\', b'x', high, low, ..]) if hex(&[*high, *low]).is_some() => {
            (Ok(hex(&[*high, *low]).and_then(|byte| u8::try_from(byte).ok()).unwrap_or(b'x')), 4)
        }
        (Decoding::Backslash, [b'\\', escaped, ..]) => match escaped {
            b'n' => (Ok(b'\n'), 2),
            b'r' => (Ok(b'\r'), 2),
            b't' => (Ok(b'\t'), 2),
            other => (Ok(*other), 2),
        },
        (Decoding::Entity, [b'&', rest @ ..]) => entity(rest),
        (_, [byte, ..]) => (Ok(*byte), 1),
        (_, []) => (Ok(0), 1),
    }
}

/// Three decimal digits at the beginning that are an octet.
fn decimal(digits: &[u8]) -> Option<u8> {
    let digits = digits.get(..3).filter(|digits| digits.iter().all(u8::is_ascii_digit))?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// A character reference of HTML, of those that pages are escaped with, from behind its `&`.
fn entity(rest: &[u8]) -> (Result<u8, char>, usize) {
    const LONGEST: usize = 8;
    let end = rest.iter().take(LONGEST).position(|byte| *byte == b';');
    let name = end.and_then(|end| std::str::from_utf8(&rest[..end]).ok()).unwrap_or_default();
    let number = name.strip_prefix('#').and_then(|digits| match digits.strip_prefix(['x', 'X']) {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => digits.parse().ok(),
    });
    let letter = match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => number.and_then(char::from_u32),
    };
    letter.map_or((Ok(b'&'), 1), |letter| (Err(letter), name.len() + 2))
}
