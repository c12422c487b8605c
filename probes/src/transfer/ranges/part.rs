//! Which part of a whole an answer brings: its Content-Range is exactly the one asked for, or it is wrong.

use http::{HeaderMap, HeaderValue, StatusCode, header};

use crate::exchange::Answer;

/// The size of a piece.
pub(in crate::transfer) const PIECE: u64 = 1024 * 1024;
/// What the answer to the first request says of the parts.
pub(in crate::transfer) enum Parts {
    /// It is the whole.
    Whole,
    /// It is the first piece of a whole of this kind.
    Some(Kind),
    /// The server has no such part, or does not say how many there are: the whole has to be asked for.
    Anew,
    /// It is a part, but not the one asked for.
    Wrong(String),
}

/// What all pieces of one download have in common.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::transfer) struct Kind {
    pub(super) total: u64,
    pub(super) etag: Option<HeaderValue>,
    last_modified: Option<HeaderValue>,
}

impl Kind {
    /// Whether it is of the same version, as far as the server says.
    pub(super) fn is_same_version(&self, other: &Self) -> bool {
        (&self.etag, &self.last_modified) == (&other.etag, &other.last_modified)
    }
}

impl Parts {
    pub(in crate::transfer) fn of(answer: &Answer, asked: bool) -> Self {
        match answer.status {
            StatusCode::RANGE_NOT_SATISFIABLE if asked => Self::Anew,
            StatusCode::PARTIAL_CONTENT if asked => Self::read(&answer.headers, 0),
            StatusCode::PARTIAL_CONTENT => Self::Wrong("a part came, and the whole was asked for".to_owned()),
            _ => Self::Whole,
        }
    }

    /// Reads the head of an answer to the request for one piece.
    pub(super) fn read(headers: &HeaderMap, index: u64) -> Self {
        let fields: Vec<_> = headers.get_all(header::CONTENT_RANGE).iter().collect();
        if fields.windows(2).any(|pair| pair[0] != pair[1]) {
            return Self::Wrong("a part came with several different Content-Ranges".to_owned());
        }
        let text = fields.first().map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        let Some(text) = text else { return Self::Wrong("a part came without a Content-Range".to_owned()) };
        let Some((first, last, total)) = content_range(&text) else {
            return Self::Wrong(format!("a part came whose Content-Range is `{text}`"));
        };
        let Some(total) = total else { return Self::Anew };
        let begins = index * PIECE;
        if first != begins || last != (begins + PIECE).min(total).wrapping_sub(1) || last >= total {
            return Self::Wrong(format!("the bytes from {begins} on were asked for, and `{text}` came"));
        }
        let field = |name| headers.get(name).cloned();
        Self::Some(Kind { total, etag: field(header::ETAG), last_modified: field(header::LAST_MODIFIED) })
    }
}

/// `bytes first-last/total`, where the total may be open.
fn content_range(text: &str) -> Option<(u64, u64, Option<u64>)> {
    let (unit, rest) = text.trim().split_once(' ')?;
    let (range, total) = rest.trim().split_once('/')?;
    let (first, last) = range.split_once('-')?;
    // `parse` takes a plus sign, and there is none here.
    let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
    let total = if total == "*" { None } else { Some(number(total)?) };
    let (first, last) = (number(first)?, number(last)?);
    (unit.eq_ignore_ascii_case("bytes") && first <= last).then_some((first, last, total))
}

/// The Range that asks for one piece.
pub(super) fn range_of(index: u64, total: Option<u64>) -> Option<HeaderValue> {
    let begins = index * PIECE;
    let ends = total.map_or(begins + PIECE, |total| total.min(begins + PIECE));
    HeaderValue::from_str(&format!("bytes={begins}-{}", ends.saturating_sub(1))).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_range_of_a_part_is_exactly_the_one_asked_for() {
        let of = |text: &str, index| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_RANGE, text.parse().unwrap());
            match Parts::read(&headers, index) {
                Parts::Some(kind) => format!("{}", kind.total),
                Parts::Anew => "anew".to_owned(),
                Parts::Whole => "whole".to_owned(),
                Parts::Wrong(_) => "wrong".to_owned(),
            }
        };
        let rows = [
            ("bytes 0-9/10", 0, "10"),
            ("bytes 0-1048575/3000000", 0, "3000000"),
            ("bytes 1048576-2097151/3000000", 1, "3000000"),
            ("bytes 2097152-2999999/3000000", 2, "3000000"),
            ("bytes 0-1048575/*", 0, "anew"),
            ("bytes 0-9/11", 0, "wrong"),
            ("bytes 0-10/10", 0, "wrong"),
            ("bytes 1-9/10", 0, "wrong"),
            ("bytes 0-1048576/3000000", 0, "wrong"),
            ("bytes 0-1048575/3000000", 1, "wrong"),
            ("bytes 5-4/10", 0, "wrong"),
            ("bytes 0-0/0", 0, "wrong"),
            ("bytes */10", 0, "wrong"),
            ("bytes +0-9/10", 0, "wrong"),
            ("items 0-9/10", 0, "wrong"),
            ("bytes 0-9", 0, "wrong"),
            ("bytes 0-99999999999999999999/10", 0, "wrong"),
            ("", 0, "wrong"),
        ];
        for (text, index, wanted) in rows {
            assert_eq!(of(text, index), wanted, "{text}");
        }
    }
}
