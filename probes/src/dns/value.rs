//! What a task expects of a record's value, and whether the value is that: pure, tested without sockets.
//!
//! Addresses are compared as addresses, names without case and final dot, numbers as numbers, TXT byte by byte with its
//! strings joined as RFC 7208 section 3.3 and RFC 6376 section 3.6.2.2 join them: without anything between.

use std::net::{Ipv4Addr, Ipv6Addr};

use hickory_proto::rr::{RData, RecordType};

use crate::net::records::value_text;

/// What regular expressions search: the bytes of a TXT record, the text of all others.
pub(super) fn searched(data: &RData) -> Vec<u8> {
    match data {
        RData::TXT(txt) => txt.txt_data.concat(),
        _ => value_text(data).into_bytes(),
    }
}

/// Whether a value is the one expected.
pub(super) fn same(data: &RData, expected: &str) -> bool {
    match data {
        RData::A(address) => expected.trim().parse() == Ok(address.0),
        RData::AAAA(address) => expected.trim().parse() == Ok(address.0),
        RData::TXT(txt) => txt.txt_data.concat() == expected.as_bytes(),
        RData::CAA(caa) => certification(expected) == Some((caa.flags(), caa.tag.to_ascii_lowercase(), &caa.value)),
        _ => plain(data.record_type(), &value_text(data)) == plain(data.record_type(), expected),
    }
}

/// `0 issue "ca.example"`: flags, tag and value, which may stand in quotes.
fn certification(text: &str) -> Option<(u8, String, &[u8])> {
    let (flags, rest) = text.trim().split_once(char::is_whitespace)?;
    let (tag, value) = rest.trim_start().split_once(char::is_whitespace)?;
    let value = value.trim();
    let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
    Some((flags.parse().ok()?, tag.to_ascii_lowercase(), value.as_bytes()))
}

/// A value in the one spelling in which values are compared.
fn plain(record_type: RecordType, text: &str) -> String {
    let words: Vec<String> = text.split_whitespace().map(|word| word.replace('"', "")).collect();
    let data = match record_type {
        // Hex and Base64 may be broken up anywhere; unknown data may be of any type.
        _ if words.first().is_some_and(|word| word == "\\#") => 2,
        RecordType::TLSA | RecordType::SMIMEA | RecordType::CERT => 3,
        RecordType::SSHFP => 2,
        _ => words.len(),
    };
    let (fields, data) = words.split_at(data.min(words.len()));
    let mut plain: Vec<String> = fields.iter().map(|field| plain_field(field)).collect();
    // The parameters of a service have no order.
    if matches!(record_type, RecordType::HTTPS | RecordType::SVCB) && plain.len() > 2 {
        plain[2..].sort_unstable();
    }
    plain.extend((!data.is_empty()).then(|| data.concat().to_ascii_lowercase()));
    plain.join(" ")
}

/// A number without leading zeros, a name without final dot and in lower case, in ASCII as it is on the wire.
fn plain_field(field: &str) -> String {
    if !field.is_ascii()
        && let Ok(host) = url::Host::parse(field)
    {
        return plain_field(&host.to_string());
    }
    match (field.parse::<u64>(), field.strip_suffix('.')) {
        (Ok(number), _) => number.to_string(),
        (_, Some("") | None) => field.to_ascii_lowercase(),
        (_, Some(name)) => name.to_ascii_lowercase(),
    }
}

/// Whether records of a type can have a value; what is wrong with it if not.
pub(super) fn check(record_type: RecordType, expected: &str) -> Result<(), String> {
    let numbers = |count: usize| {
        let words: Vec<_> = expected.split_whitespace().collect();
        words.len() == count + 1 && words[..count].iter().all(|word| word.parse::<u16>().is_ok())
    };
    let (fine, form) = match record_type {
        RecordType::A => (expected.trim().parse::<Ipv4Addr>().is_ok(), "an IPv4 address"),
        RecordType::AAAA => (expected.trim().parse::<Ipv6Addr>().is_ok(), "an IPv6 address"),
        RecordType::MX => (numbers(1), "a preference and a name, as in \"10 mail.example.com\""),
        RecordType::SRV => (numbers(3), "priority, weight, port and a name, as in \"10 5 443 host.example.com\""),
        RecordType::CAA => (certification(expected).is_some(), "flags, tag and value, as in \"0 issue ca.example\""),
        RecordType::CNAME | RecordType::NS | RecordType::PTR => {
            (expected.split_whitespace().count() == 1, "a name, as in \"www.example.com\"")
        }
        _ => return Ok(()),
    };
    if fine { Ok(()) } else { Err(format!("`{expected}` is no value of {record_type} records: write {form}")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hickory_proto::rr::Name;
    use hickory_proto::rr::rdata::{CNAME, MX, NULL, SRV, TXT};

    fn name(text: &str) -> Name {
        Name::from_ascii(text).expect("a name")
    }

    #[test]
    fn values_are_compared_as_what_they_are() {
        let rows = [
            (RData::AAAA(Ipv6Addr::LOCALHOST.into()), "0:0:0:0:0:0:0:1", true),
            (RData::A(Ipv4Addr::new(192, 0, 2, 7).into()), "192.0.2.07", false),
            (RData::CNAME(CNAME(name("WWW.Example.test."))), "www.example.TEST", true),
            (RData::CNAME(CNAME(name("www.example.test."))), "www.example.test.", true),
            (RData::CNAME(CNAME(name("xn--bcher-kva.test."))), "bücher.test", true),
            (RData::CNAME(CNAME(Name::root())), ".", true),
            (RData::MX(MX::new(10, name("mail.test."))), "10  Mail.test.", true),
            (RData::MX(MX::new(10, name("mail.test."))), "010 mail.test", true),
            (RData::MX(MX::new(10, name("mail.test."))), "20 mail.test", false),
            (RData::SRV(SRV::new(10, 5, 443, name("h.test."))), "10 5 443 h.test", true),
            (RData::TXT(TXT::from_bytes(vec![b"v=spf1 ", b"-all"])), "v=spf1 -all", true),
            (RData::TXT(TXT::from_bytes(vec![b"v=spf1 -all"])), "V=spf1 -all", false),
            (RData::TXT(TXT::from_bytes(vec![b"a "])), "a", false),
            (unknown(vec![0xab, 1]), "\\# 2 AB 01", true),
            (RData::Update0(RecordType::Unknown(65280)), "\\# 0", true),
        ];
        for (data, expected, wanted) in rows {
            assert_eq!(same(&data, expected), wanted, "{data:?} and {expected}");
        }
    }

    fn unknown(bytes: Vec<u8>) -> RData {
        RData::Unknown { code: RecordType::Unknown(65280), rdata: NULL::with(bytes) }
    }

    #[test]
    fn expected_values_are_checked_by_their_type() {
        assert!(check(RecordType::A, "192.0.2.7").is_ok());
        assert!(check(RecordType::A, "2001:db8::7").is_err());
        assert!(check(RecordType::MX, "10 mail.test").is_ok());
        assert!(check(RecordType::MX, "mail.test").is_err());
        assert!(check(RecordType::SRV, "10 5 70000 h").is_err());
        assert!(check(RecordType::TXT, "").is_ok());
    }
}
