//! What a task asks for: a name and a record type as users write them.

use std::net::IpAddr;

use hickory_proto::rr::{Name, RecordType};

use super::form;
use crate::net::records::{name_text, type_text};

/// A name and a record type.
#[derive(Clone, Debug)]
pub struct Question {
    pub(super) name: Name,
    pub(super) record_type: RecordType,
}

impl Question {
    /// Reads both. The name of a PTR question may be the address itself: its reverse name is made here (RFC 1035 section
    /// 3.5, RFC 3596 section 2.5).
    pub fn parse(name: &str, record_type: &str) -> Result<Self, String> {
        let record_type = parse_type(record_type)?;
        let reverse = name.parse::<IpAddr>().ok().filter(|_| record_type == RecordType::PTR);
        let name = match reverse {
            Some(address) => Name::from(address),
            None => parse_name(name)?,
        };
        Ok(Self { name, record_type })
    }

    /// What is wrong with an expected value, if its type says what values look like.
    pub fn check_value(&self, value: &str) -> Result<(), String> {
        form::check(self.record_type, value)
    }

    /// The name, in lower case without a final dot.
    #[must_use]
    pub fn name(&self) -> String {
        name_text(&self.name)
    }

    /// The record type as dig writes it.
    #[must_use]
    pub fn record_type(&self) -> String {
        type_text(self.record_type)
    }
}

/// A type by its name, or `TYPE65280` (RFC 3597 section 5).
fn parse_type(text: &str) -> Result<RecordType, String> {
    let upper = text.to_ascii_uppercase();
    if let Some(digits) = upper.strip_prefix("TYPE") {
        let number = digits.parse::<u16>().map_err(|_| format!("`{text}` is no record type: TYPE0 to TYPE65535"))?;
        return usable(number.into(), text);
    }
    let known = upper.parse::<RecordType>();
    known.map_err(|_| format!("`{text}` is no record type such as A, MX or TYPE65280")).and_then(|it| usable(it, text))
}

/// Zone transfers are conversations, and OPT and its like are no questions.
fn usable(record_type: RecordType, text: &str) -> Result<RecordType, String> {
    use RecordType::{AXFR, IXFR, OPT, TSIG, ZERO};
    match record_type {
        AXFR | IXFR | OPT | TSIG | ZERO => Err(format!("`{text}` is no type that one asks for")),
        asked => Ok(asked),
    }
}

/// A name of any bytes: letters beyond ASCII become IDNA, `\.` and `\DDD` are what zone files mean by them.
fn parse_name(text: &str) -> Result<Name, String> {
    let bad = |why: &str| format!("`{text}` is no name that can be asked for: {why}");
    let ascii = if text.is_ascii() {
        text.to_owned()
    } else {
        url::Host::parse(text).map_err(|error| bad(&error.to_string()))?.to_string()
    };
    let body = match ascii.strip_suffix('.') {
        Some(body) if !body.ends_with('\\') => body,
        _ => &ascii,
    };
    if body.is_empty() {
        return if text == "." { Ok(Name::root()) } else { Err(bad("it is empty")) };
    }
    let labels = split_labels(body).ok_or_else(|| bad("\\ stands before a letter or three digits up to 255"))?;
    if labels.iter().any(Vec::is_empty) {
        return Err(bad("two dots stand side by side"));
    }
    if labels.iter().any(|label| label.iter().any(u8::is_ascii_whitespace)) && !text.contains('\\') {
        return Err(bad("it has a blank in it"));
    }
    let mut name = Name::from_labels(labels.iter().map(Vec::as_slice))
        .map_err(|_| bad("a label has at most 63 bytes and a name at most 255"))?;
    name.set_fqdn(true);
    Ok(name)
}

fn split_labels(text: &str) -> Option<Vec<Vec<u8>>> {
    let mut labels = vec![Vec::new()];
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let label = labels.last_mut()?;
        match byte {
            b'.' => labels.push(Vec::new()),
            b'\\' => match bytes.next()? {
                first @ b'0'..=b'9' => {
                    let digits = [first, bytes.next()?, bytes.next()?];
                    label.push(std::str::from_utf8(&digits).ok()?.parse().ok()?);
                }
                literal => label.push(literal),
            },
            other => label.push(other),
        }
    }
    Some(labels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_read_as_users_write_them() {
        let rows = [
            ("www.Example.com", "a", "www.example.com", "A"),
            ("www.example.com.", "AAAA", "www.example.com", "AAAA"),
            (".", "NS", ".", "NS"),
            ("_443._tcp.example.com", "TLSA", "_443._tcp.example.com", "TLSA"),
            ("*.example.com", "type65280", "*.example.com", "TYPE65280"),
            ("0/25.2.0.192.in-addr.arpa", "PTR", "0/25.2.0.192.in-addr.arpa", "PTR"),
            ("192.0.2.7", "PTR", "7.2.0.192.in-addr.arpa", "PTR"),
            ("bücher.example", "TYPE1", "xn--bcher-kva.example", "A"),
            ("a\\.b\\000.example", "TXT", "a\\.b\\000.example", "TXT"),
        ];
        for (name, record_type, asked, asked_type) in rows {
            let question = Question::parse(name, record_type).expect(name);
            assert_eq!((question.name(), question.record_type()), (asked.to_owned(), asked_type.to_owned()));
        }
        let reverse = Question::parse("2001:db8::7", "PTR").expect("an address").name();
        assert!(reverse.starts_with("7.0.0.0.") && reverse.ends_with(".8.b.d.0.1.0.0.2.ip6.arpa"), "{reverse}");
        let label = "a".repeat(64);
        for (name, record_type) in [
            ("", "A"),
            ("a..b", "A"),
            ("a b", "A"),
            ("a\\", "A"),
            ("a\\999", "A"),
            (&label, "A"),
            ("a", "B"),
            ("a", "TYPE"),
            ("a", "TYPE65536"),
            ("a", "AXFR"),
            ("a", "TYPE41"),
        ] {
            assert!(Question::parse(name, record_type).is_err(), "{name} {record_type}");
        }
    }
}
