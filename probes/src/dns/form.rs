//! What a task may expect of a record's value: the form that its type gives it, checked when the task is read.

use std::net::{Ipv4Addr, Ipv6Addr};

use base64::prelude::{BASE64_STANDARD, Engine as _};
use hickory_proto::rr::RecordType;

use super::value::{algorithm_number, certification};
use crate::net::records::type_text;

/// Whether records of a type can have a value; what is wrong with it if not.
pub(super) fn check(record_type: RecordType, expected: &str) -> Result<(), String> {
    let (fine, form) = match record_type {
        RecordType::TXT => return Ok(()),
        _ if is_generic(expected) => (has_length(expected), "a length and so many pairs of hex, as in \"\\# 2 0a0b\""),
        RecordType::A => (expected.trim().parse::<Ipv4Addr>().is_ok(), "an IPv4 address"),
        RecordType::AAAA => (expected.trim().parse::<Ipv6Addr>().is_ok(), "an IPv6 address"),
        RecordType::CAA => (certification(expected).is_some(), "flags, tag and value, as in \"0 issue ca.example\""),
        other => match fields(other) {
            Some((fields, form)) => (fit(fields, expected), form),
            None => return Ok(()),
        },
    };
    if fine {
        Ok(())
    } else {
        Err(format!("`{expected}` is no value of {} records: write {form}", type_text(record_type)))
    }
}

/// What a field of a value has to be.
#[derive(Clone, Copy, Debug)]
enum Field {
    Byte,
    Short,
    Long,
    Name,
    Algorithm,
    /// The rest, in pieces.
    Hex,
    /// The rest, in pieces.
    Base64,
    /// Any number of words more.
    Words,
}

/// The fields of a type's values, and how they are written (RFC 1035, 2782, 4034, 4255, 6698, 9460).
const fn fields(record_type: RecordType) -> Option<(&'static [Field], &'static str)> {
    use Field::{Algorithm, Base64, Byte, Hex, Long, Name, Short, Words};

    Some(match record_type {
        RecordType::CNAME | RecordType::NS | RecordType::PTR => (&[Name], "a name, as in \"www.example.com\""),
        RecordType::MX => (&[Short, Name], "a preference and a name, as in \"10 mail.example.com\""),
        RecordType::SRV => {
            (&[Short, Short, Short, Name], "priority, weight, port and a name, as in \"10 5 443 host.example.com\"")
        }
        RecordType::SOA => (
            &[Name, Name, Long, Long, Long, Long, Long],
            "two names and five numbers, as in \"ns.example.com admin.example.com 7 3600 900 86400 60\"",
        ),
        RecordType::TLSA | RecordType::SMIMEA => {
            (&[Byte, Byte, Byte, Hex], "usage, selector, matching type and hex, as in \"3 1 1 0a0b\"")
        }
        RecordType::SSHFP => (&[Byte, Byte, Hex], "algorithm, type and hex, as in \"4 2 0a0b\""),
        RecordType::DS | RecordType::CDS => {
            (&[Short, Algorithm, Byte, Hex], "key tag, algorithm, digest type and hex, as in \"60485 13 2 0a0b\"")
        }
        RecordType::DNSKEY | RecordType::CDNSKEY => {
            (&[Short, Byte, Algorithm, Base64], "flags, protocol, algorithm and Base64, as in \"257 3 13 oLk=\"")
        }
        RecordType::HTTPS | RecordType::SVCB => {
            (&[Short, Name, Words], "priority, name and parameters, as in \"1 . alpn=h2,h3\"")
        }
        _ => return None,
    })
}

fn fit(fields: &[Field], text: &str) -> bool {
    let words: Vec<String> = text.split_whitespace().map(|word| word.replace('"', "")).collect();
    let mut rest = words.as_slice();
    for field in fields {
        let data = rest.concat();
        match field {
            Field::Hex => return is_hex(&data) && !data.is_empty(),
            Field::Base64 => return BASE64_STANDARD.decode(&data).is_ok_and(|bytes| !bytes.is_empty()),
            Field::Words => return true,
            Field::Byte | Field::Short | Field::Long | Field::Name | Field::Algorithm => {}
        }
        let Some((word, more)) = rest.split_first() else { return false };
        let fits = match field {
            Field::Byte => word.parse::<u8>().is_ok(),
            Field::Short => word.parse::<u16>().is_ok(),
            Field::Long => word.parse::<u32>().is_ok(),
            Field::Algorithm => algorithm_number(word).is_some(),
            Field::Name | Field::Hex | Field::Base64 | Field::Words => true,
        };
        if !fits {
            return false;
        }
        rest = more;
    }
    rest.is_empty()
}

fn is_hex(text: &str) -> bool {
    text.len().is_multiple_of(2) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Whether a value is written as unknown data, which a value of any type may be (RFC 3597 section 5).
pub(super) fn is_generic(text: &str) -> bool {
    text.split_whitespace().next() == Some("\\#")
}

fn has_length(text: &str) -> bool {
    let mut words = text.split_whitespace().skip(1);
    let length = words.next().and_then(|word| word.parse::<usize>().ok());
    let data: String = words.collect();
    is_hex(&data) && length == Some(data.len() / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expected_values_are_checked_by_their_type() {
        assert!(check(RecordType::A, "192.0.2.7").is_ok());
        assert!(check(RecordType::A, "2001:db8::7").is_err());
        assert!(check(RecordType::MX, "10 mail.test").is_ok());
        assert!(check(RecordType::MX, "mail.test").is_err());
        assert!(check(RecordType::SRV, "10 5 70000 h").is_err());
        assert!(check(RecordType::TXT, "").is_ok());
        let rows = [
            (RecordType::SOA, "a.test. b.test. 1 2 3 4 5", true),
            (RecordType::SOA, "a.test b.test 1 2 3 4", false),
            (RecordType::TLSA, "3 1 1 ab cd", true),
            (RecordType::TLSA, "3 1 1", false),
            (RecordType::HTTPS, "1 .", true),
            (RecordType::HTTPS, "1 . alpn=h2 port=443", true),
            (RecordType::HTTPS, "host.test", false),
            (RecordType::DS, "60485 RSASHA1 1 AB cd", true),
            (RecordType::DS, "60485 256 1 ab", false),
            (RecordType::DNSKEY, "257 3 13 o Lk=", true),
            (RecordType::DNSKEY, "257 3 13 oLk", false),
            (RecordType::DS, "\\# 2 0a 0b", true),
            (RecordType::Unknown(65280), "\\# 1 0a0b", false),
            (RecordType::Unknown(65280), "\\# 0", true),
            (RecordType::NAPTR, "anything", true),
        ];
        for (record_type, text, fine) in rows {
            assert_eq!(check(record_type, text).is_ok(), fine, "{record_type} {text}");
        }
    }
}
