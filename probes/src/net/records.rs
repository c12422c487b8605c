//! DNS records as texts, the way zone files and dig write them (RFC 1035 section 5.1, RFC 3597, RFC 9460 section 2.1).
//!
//! Whatever a server put into a record, its text is printable ASCII for names and character strings. What no rule gives a
//! form to is written as unknown data, `\# length hex`.

use std::fmt::Write as _;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use hickory_proto::rr::rdata::{SVCB, svcb};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use hickory_proto::serialize::binary::BinEncodable as _;

/// A name in lower case with `\DDD` for what no host name has; without its final dot, but for the root.
pub(crate) fn name_text(name: &Name) -> String {
    let mut text = String::new();
    for label in name {
        if !text.is_empty() {
            text.push('.');
        }
        for byte in label {
            match byte {
                b'.' | b'\\' => text.extend(['\\', char::from(*byte)]),
                b'!'..=b'~' => text.push(char::from(byte.to_ascii_lowercase())),
                _ => {
                    let _ = write!(text, "\\{byte:03}");
                }
            }
        }
    }
    if text.is_empty() { ".".to_owned() } else { text }
}

/// The name of a record type; those without one are `TYPE65280` and the like (RFC 3597 section 5).
pub(crate) fn type_text(record_type: RecordType) -> String {
    match record_type {
        RecordType::Unknown(number) => format!("TYPE{number}"),
        known => known.to_string(),
    }
}

/// A record in a line: owner, TTL, class, type, value.
pub(crate) fn line(record: &Record) -> String {
    let (owner, value) = (name_text(&record.name), value_text(&record.data));
    let owner = if owner == "." { owner } else { owner + "." };
    format!("{owner} {} {} {} {value}", record.ttl, record.dns_class, type_text(record.record_type()))
}

/// The value of a record.
pub(crate) fn value_text(data: &RData) -> String {
    match data {
        RData::A(address) => address.to_string(),
        RData::AAAA(address) => address.to_string(),
        RData::CNAME(name) => name_text(name),
        RData::NS(name) => name_text(name),
        RData::PTR(name) => name_text(name),
        RData::MX(mx) => format!("{} {}", mx.preference, name_text(&mx.exchange)),
        RData::SRV(srv) => format!("{} {} {} {}", srv.priority, srv.weight, srv.port, name_text(&srv.target)),
        RData::SOA(soa) => {
            let (master, mailbox) = (name_text(&soa.mname), name_text(&soa.rname));
            format!("{master} {mailbox} {} {} {} {} {}", soa.serial, soa.refresh, soa.retry, soa.expire, soa.minimum)
        }
        RData::TXT(txt) => txt.txt_data.iter().map(|string| quoted(string)).collect::<Vec<_>>().join(" "),
        RData::CAA(caa) => format!("{} {} {}", caa.flags(), caa.tag.to_ascii_lowercase(), quoted(&caa.value)),
        RData::HTTPS(binding) => service(&binding.0),
        RData::SVCB(binding) => service(binding),
        RData::HINFO(host) => format!("{} {}", quoted(&host.cpu), quoted(&host.os)),
        RData::SSHFP(_) | RData::TLSA(_) | RData::SMIMEA(_) | RData::NAPTR(_) | RData::CERT(_) => data.to_string(),
        RData::Unknown { code, rdata } => signing(*code, &rdata.anything).unwrap_or_else(|| unknown(&rdata.anything)),
        // Without data there is nothing that a type could give a form to.
        RData::Update0(_) => unknown(&[]),
        other => unknown(&other.to_bytes().unwrap_or_default()),
    }
}

/// The value of a record as unknown data, whatever its type.
pub(crate) fn generic_text(data: &RData) -> String {
    match data {
        RData::Unknown { rdata, .. } => unknown(&rdata.anything),
        RData::Update0(_) => unknown(&[]),
        other => unknown(&other.to_bytes().unwrap_or_default()),
    }
}

/// DS and DNSKEY with the records that children publish of them (RFC 4034 sections 2.2 and 5.3, RFC 7344).
fn signing(record_type: RecordType, bytes: &[u8]) -> Option<String> {
    let (&[first, second, third, fourth], data) = bytes.split_first_chunk()?;
    let number = u16::from_be_bytes([first, second]);
    match record_type {
        RecordType::DS | RecordType::CDS => {
            let digest = data.iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02X}"));
            Some(format!("{number} {third} {fourth} {digest}"))
        }
        RecordType::DNSKEY | RecordType::CDNSKEY => {
            Some(format!("{number} {third} {fourth} {}", BASE64_STANDARD.encode(data)))
        }
        _ => None,
    }
}

/// A character string in quotes.
pub(crate) fn quoted(bytes: &[u8]) -> String {
    let mut text = String::from("\"");
    for byte in bytes {
        match byte {
            b'"' | b'\\' => text.extend(['\\', char::from(*byte)]),
            b' '..=b'~' => text.push(char::from(*byte)),
            _ => {
                let _ = write!(text, "\\{byte:03}");
            }
        }
    }
    text.push('"');
    text
}

/// Data that no rule gives another form to.
fn unknown(bytes: &[u8]) -> String {
    let mut text = format!("\\# {}", bytes.len());
    if !bytes.is_empty() {
        text.push(' ');
    }
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn service(binding: &SVCB) -> String {
    let mut text = format!("{} {}", binding.svc_priority, name_text(&binding.target_name));
    for (key, value) in &binding.svc_params {
        let _ = write!(text, " {}", parameter(*key, value));
    }
    text
}

fn parameter(key: svcb::SvcParamKey, value: &svcb::SvcParamValue) -> String {
    use svcb::SvcParamValue::{Alpn, EchConfigList, Ipv4Hint, Ipv6Hint, Mandatory, NoDefaultAlpn, Port, Unknown};

    let list = |items: Vec<String>| items.join(",");
    let key = match key {
        svcb::SvcParamKey::Key(number) | svcb::SvcParamKey::Unknown(number) => format!("key{number}"),
        known => known.to_string(),
    };
    match value {
        NoDefaultAlpn => key,
        Alpn(names) => format!("{key}={}", quoted(list(names.0.clone()).as_bytes())),
        Port(port) => format!("{key}={port}"),
        Ipv4Hint(hints) => format!("{key}={}", list(hints.0.iter().map(ToString::to_string).collect())),
        Ipv6Hint(hints) => format!("{key}={}", list(hints.0.iter().map(ToString::to_string).collect())),
        Mandatory(keys) => format!("{key}={}", list(keys.0.iter().map(ToString::to_string).collect())),
        EchConfigList(config) => format!("{key}={}", config.to_string().trim_matches('"')),
        Unknown(bytes) => format!("{key}={}", quoted(&bytes.0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hickory_proto::rr::rdata::{HINFO, MX, NULL, OPT, TXT};

    fn name(labels: &[&[u8]]) -> Name {
        Name::from_labels(labels.iter().copied()).expect("labels")
    }

    #[test]
    fn whatever_stands_in_a_record_is_printable() {
        let rows = [
            (RData::MX(MX::new(10, name(&[b"Mail", b"test"]))), "10 mail.test"),
            (RData::TXT(TXT::from_bytes(vec![b"a b", b"\"\\\x1b\xff", b""])), r#""a b" "\"\\\027\255" """#),
            (RData::HINFO(HINFO::from_bytes(b"x\n".to_vec().into(), b"".to_vec().into())), r#""x\010" """#),
            (RData::Unknown { code: RecordType::Unknown(65280), rdata: NULL::with(vec![1, 0xab]) }, "\\# 2 01ab"),
            (RData::Unknown { code: RecordType::DS, rdata: NULL::with(vec![1, 0, 8, 2, 0xab]) }, "256 8 2 AB"),
            (RData::Unknown { code: RecordType::DS, rdata: NULL::with(vec![1, 0, 8]) }, "\\# 3 010008"),
            (RData::Unknown { code: RecordType::DNSKEY, rdata: NULL::with(vec![1, 1, 3, 8, 3, 1, 0]) }, "257 3 8 AwEA"),
            (RData::Update0(RecordType::A), "\\# 0"),
            (RData::OPT(OPT::default()), "\\# 0"),
        ];
        for (data, text) in rows {
            assert_eq!(value_text(&data), text);
        }
        assert_eq!(name_text(&Name::root()), ".");
        assert_eq!(name_text(&name(&[b"a.b\x00", b"TEST"])), "a\\.b\\000.test");
        assert_eq!(type_text(RecordType::Unknown(65280)), "TYPE65280");
    }
}
