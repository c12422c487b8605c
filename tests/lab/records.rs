//! Records of a scripted name server, as case files write them: `lab.test MX 10 mail.lab.test.`, or for data of any kind
//! `lab.test TYPE65280 \# 0a0b`.

use hickory_proto::rr::rdata::NULL;
use hickory_proto::rr::{Name, RData, Record, RecordType};

use super::script::from_hex;

/// One record; its time to live is 300.
pub fn record(line: &str) -> Result<Record, String> {
    let bad = |why: String| format!("the record `{line}`: {why}");
    let mut words = line.splitn(3, ' ');
    let (Some(owner), Some(record_type), value) = (words.next(), words.next(), words.next().unwrap_or_default()) else {
        return Err(bad("has no type".to_owned()));
    };
    let owner =
        Name::from_ascii(format!("{}.", owner.trim_end_matches('.'))).map_err(|error| bad(error.to_string()))?;
    let record_type = match record_type.strip_prefix("TYPE") {
        Some(number) => number.parse::<u16>().map_err(|error| bad(error.to_string()))?.into(),
        None => record_type.parse::<RecordType>().map_err(|error| bad(error.to_string()))?,
    };
    let data = match value.strip_prefix("\\#") {
        Some(hex) => {
            let bytes = from_hex(hex).map_err(|error| bad(error.to_string()))?;
            if bytes.is_empty() {
                RData::Update0(record_type)
            } else {
                RData::Unknown { code: record_type, rdata: NULL::with(bytes) }
            }
        }
        None => RData::try_from_str(record_type, value).map_err(|error| bad(error.to_string()))?,
    };
    Ok(Record::from_rdata(owner, 300, data))
}
