//! Whether an answer is the one that the task wants: pure, tested without sockets.
//!
//! The order of looking: the rcode, records of the type asked for, their values by the rule, the expressions. An answer
//! whose rcode is an expected one other than NOERROR is good as it is. What answers a question are the records of its
//! type and class that the name owns, or the end of its aliases within the message (RFC 1034 section 3.6.2); the server's
//! answer is judged as it stands, and no alias is followed to other servers.

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};

use super::value::{same, searched};
use super::{Answer, Content, Fault, Question, Rcode, Rule, Rules};
use crate::fault::Failure;
use crate::net::message::rcode_name;
use crate::net::records::{name_text, quoted, value_text};

/// How many values a sentence lists.
const MOST_LISTED: usize = 8;

pub(super) fn judge(answer: &Message, question: &Question, rules: &Rules) -> Result<(), Failure<Fault>> {
    let rcode = Rcode(answer.metadata.response_code.into());
    if !rules.rcodes.contains(&rcode) {
        return Err(unexpected_rcode(answer, question, rules));
    }
    if rcode != Rcode::NOERROR {
        return Ok(());
    }
    let records = records(answer, question);
    if records.is_empty() {
        return Err(empty(answer, question));
    }
    let values: Vec<&RData> = records.iter().map(|record| &record.data).collect();
    if !rules.expect.is_empty() {
        compare(&values, rules)?;
    }
    search(&values, rules)
}

fn unexpected_rcode(answer: &Message, question: &Question, rules: &Rules) -> Failure<Fault> {
    let rcode = answer.metadata.response_code;
    let fault = match rcode {
        ResponseCode::NoError => Answer::Noerror,
        ResponseCode::NXDomain => Answer::Nxdomain,
        ResponseCode::ServFail => Answer::Servfail,
        ResponseCode::Refused => Answer::Refused,
        ResponseCode::FormErr => Answer::Formerr,
        ResponseCode::NotImp => Answer::Notimp,
        _ => Answer::Rcode,
    };
    let expected: Vec<_> = rules.rcodes.iter().map(|rcode| rcode_name(rcode.0)).collect();
    let (name, rcode) = (question.name(), rcode_name(rcode.into()));
    Failure::new(fault, format!("{name}: the server answered {rcode}, not {}", expected.join(" or ")))
}

/// The records that answer the question.
fn records<'a>(answer: &'a Message, question: &Question) -> Vec<&'a Record> {
    let wanted = question.record_type;
    let any = wanted == RecordType::ANY;
    let owners = if any || wanted == RecordType::CNAME { vec![&question.name] } else { aliases(answer, question) };
    let answers = answer.answers.iter().filter(|record| record.dns_class == DNSClass::IN);
    let answers = answers.filter(|record| any || record.record_type() == wanted);
    answers.filter(|record| owners.iter().any(|owner| owner.eq_ignore_root(&record.name))).collect()
}

/// The name and what it stands for, step by step; a circle ends where it began.
fn aliases<'a>(answer: &'a Message, question: &'a Question) -> Vec<&'a Name> {
    let mut names = vec![&question.name];
    while let Some(next) = names.last().and_then(|name| alias(answer, name)) {
        if names.iter().any(|known| known.eq_ignore_root(next)) {
            break;
        }
        names.push(next);
    }
    names
}

fn alias<'a>(answer: &'a Message, name: &Name) -> Option<&'a Name> {
    answer.answers.iter().filter(|record| record.name.eq_ignore_root(name)).find_map(|record| match &record.data {
        RData::CNAME(target) => Some(&target.0),
        _ => None,
    })
}

/// NOERROR and nothing of what was asked for: why.
fn empty(answer: &Message, question: &Question) -> Failure<Fault> {
    let (name, record_type) = (question.name(), question.record_type());
    let has = |record_type| answer.authorities.iter().any(|record| record.record_type() == record_type);
    match aliases(answer, question).as_slice() {
        [_, .., last] => {
            let detail = format!("{name} is an alias of {}, of which the answer has no {record_type}", name_text(last));
            Failure::new(Answer::AliasOnly, detail)
        }
        _ if has(RecordType::NS) && !has(RecordType::SOA) && !answer.metadata.authoritative => {
            Failure::new(Answer::Referral, format!("{name}: the server knows only which servers to ask instead"))
        }
        _ => Failure::new(Answer::Nodata, format!("{name}: NOERROR without a record of the type {record_type}")),
    }
}

fn compare(values: &[&RData], rules: &Rules) -> Result<(), Failure<Fault>> {
    let missing: Vec<&String> =
        rules.expect.iter().filter(|wanted| !values.iter().any(|value| same(value, wanted))).collect();
    let unexpected: Vec<&RData> =
        values.iter().copied().filter(|value| !rules.expect.iter().any(|wanted| same(value, wanted))).collect();
    // Texts stand in quotes on both sides, so that quotes within them are told apart.
    let text = values.iter().all(|value| matches!(value, RData::TXT(_)));
    let shown = |wanted: &String| if text { quoted(wanted.as_bytes()) } else { wanted.clone() };
    let came = || list(values.iter().map(|value| value_text(value)));
    let wanted = || list(rules.expect.iter().map(shown));
    let others = || list(unexpected.iter().map(|value| value_text(value)));
    let absent = || list(missing.iter().copied().map(shown));
    match rules.rule {
        Rule::InDns if !missing.is_empty() => {
            Err(Failure::new(Content::Missing, format!("the answer lacks {}; it has {}", absent(), came())))
        }
        Rule::DnsIn if !unexpected.is_empty() => {
            Err(Failure::new(Content::Unexpected, format!("the answer has {}, and may have {}", others(), wanted())))
        }
        Rule::Equal if !missing.is_empty() || !unexpected.is_empty() => {
            Err(Failure::new(Content::Unequal, format!("the answer has {}, and has to have {}", came(), wanted())))
        }
        Rule::Any if missing.len() == rules.expect.len() => {
            Err(Failure::new(Content::NoneShared, format!("the answer has {}, and none of {}", came(), wanted())))
        }
        Rule::InDns | Rule::DnsIn | Rule::Equal | Rule::Any => Ok(()),
    }
}

fn search(values: &[&RData], rules: &Rules) -> Result<(), Failure<Fault>> {
    let came = || list(values.iter().map(|value| value_text(value)));
    if let Some(wanted) = &rules.matching
        && !values.iter().any(|value| wanted.is_match(&searched(value)))
    {
        return Err(Failure::new(Content::NoMatch, format!("no value matches `{wanted}`: {}", came())));
    }
    if let Some(unwanted) = &rules.not_matching
        && let Some(value) = values.iter().find(|value| unwanted.is_match(&searched(value)))
    {
        let value = value_text(value);
        return Err(Failure::new(Content::Forbidden, format!("a value matches `{unwanted}`: {value}")));
    }
    Ok(())
}

fn list(values: impl Iterator<Item = String>) -> String {
    let values: Vec<_> = values.collect();
    let more = values.len().saturating_sub(MOST_LISTED);
    let listed = values[..values.len().min(MOST_LISTED)].join(", ");
    if more > 0 { format!("{listed} and {more} more") } else { listed }
}
