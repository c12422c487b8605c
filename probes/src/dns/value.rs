//! What a task expects of a record's value, and whether the value is that: pure, tested without sockets.
//!
//! Addresses are compared as addresses, names without case and final dot, numbers as numbers, TXT byte by byte with its
//! strings joined as RFC 7208 section 3.3 and RFC 6376 section 3.6.2.2 join them: without anything between.

use hickory_proto::rr::{RData, RecordType};

use super::form::is_generic;
use crate::net::records::{generic_text, value_text};

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
        RData::TXT(txt) => txt.txt_data.concat() == expected.as_bytes(),
        _ if is_generic(expected) => {
            plain(data.record_type(), &generic_text(data)) == plain(data.record_type(), expected)
        }
        RData::A(address) => expected.trim().parse() == Ok(address.0),
        RData::AAAA(address) => expected.trim().parse() == Ok(address.0),
        RData::CAA(caa) => certification(expected) == Some((caa.flags(), caa.tag.to_ascii_lowercase(), &caa.value)),
        _ => plain(data.record_type(), &value_text(data)) == plain(data.record_type(), expected),
    }
}

/// `0 issue "ca.example"`: flags, tag and value, which may stand in quotes.
pub(super) fn certification(text: &str) -> Option<(u8, String, &[u8])> {
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
        RecordType::TLSA
        | RecordType::SMIMEA
        | RecordType::CERT
        | RecordType::DS
        | RecordType::CDS
        | RecordType::DNSKEY
        | RecordType::CDNSKEY => 3,
        RecordType::SSHFP => 2,
        _ => words.len(),
    };
    let (fields, data) = words.split_at(data.min(words.len()));
    let mut plain: Vec<String> = fields.iter().map(|field| plain_field(field)).collect();
    if let Some(algorithm) = algorithm_field(record_type).and_then(|index| plain.get_mut(index))
        && let Some(number) = algorithm_number(algorithm)
    {
        *algorithm = number.to_string();
    }
    // The parameters of a service have no order.
    if matches!(record_type, RecordType::HTTPS | RecordType::SVCB) && plain.len() > 2 {
        plain[2..].sort_unstable();
    }
    let base64 = matches!(record_type, RecordType::CERT | RecordType::DNSKEY | RecordType::CDNSKEY);
    let data = if base64 { data.concat() } else { data.concat().to_ascii_lowercase() };
    plain.extend((!data.is_empty()).then_some(data));
    plain.join(" ")
}

/// Which field of a record is an algorithm of DNSSEC, a number or a mnemonic.
const fn algorithm_field(record_type: RecordType) -> Option<usize> {
    match record_type {
        RecordType::DS | RecordType::CDS => Some(1),
        RecordType::DNSKEY | RecordType::CDNSKEY => Some(2),
        _ => None,
    }
}

/// The algorithms of DNSSEC by their mnemonics (RFC 4034 appendix A.1 and IANA's registry after it).
const ALGORITHMS: [(&str, u8); 13] = [
    ("RSAMD5", 1),
    ("DH", 2),
    ("DSA", 3),
    ("RSASHA1", 5),
    ("DSA-NSEC3-SHA1", 6),
    ("RSASHA1-NSEC3-SHA1", 7),
    ("RSASHA256", 8),
    ("RSASHA512", 10),
    ("ECC-GOST", 12),
    ("ECDSAP256SHA256", 13),
    ("ECDSAP384SHA384", 14),
    ("ED25519", 15),
    ("ED448", 16),
];

pub(super) fn algorithm_number(text: &str) -> Option<u8> {
    let known = ALGORITHMS.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
    known.map_or_else(|| text.parse().ok(), |(_, number)| Some(*number))
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

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

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
}
