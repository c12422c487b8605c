//! Reading an answer: is it ours, what does it say, where do its aliases lead.

use std::net::IpAddr;

use hickory_proto::op::{Message, MessageType, Query, ResponseCode};
use hickory_proto::rr::{DNSClass, Name, RData, RecordType};

use super::{Trouble, address_of};
use crate::evidence;
use crate::fault::Resolve;

/// How many aliases are followed.
const MOST_ALIASES: usize = 8;

/// What a datagram or message is to the one who asked.
pub(super) enum Received {
    /// The answer to the query.
    Answer(Box<Message>),
    /// An answer to something else: another id or another question.
    Foreign(&'static str),
    /// No DNS message.
    Garbled(String),
}

/// Reads what a server sent in answer to `query`.
pub(super) fn read(bytes: &[u8], query: &Message) -> Received {
    let message = match Message::from_vec(bytes) {
        Ok(message) => message,
        Err(error) => return Received::Garbled(error.to_string()),
    };
    if message.metadata.message_type != MessageType::Response {
        return Received::Foreign("a query");
    }
    if message.metadata.id != query.metadata.id {
        return Received::Foreign("another id");
    }
    // Servers that could not read the question may leave it out of their refusal.
    let left_out = message.queries.is_empty() && message.metadata.response_code != ResponseCode::NoError;
    if !left_out && !same_question(&message.queries, &query.queries) {
        return Received::Foreign("another question");
    }
    Received::Answer(Box::new(message))
}

fn same_question(theirs: &[Query], ours: &[Query]) -> bool {
    match (theirs, ours) {
        ([theirs], [ours]) => {
            theirs.query_type() == ours.query_type()
                && theirs.query_class() == ours.query_class()
                && theirs.name().eq_ignore_root(ours.name())
        }
        _ => false,
    }
}

/// What an answer says of a name.
#[derive(Debug)]
pub(super) enum Said {
    /// Addresses.
    Addresses(Vec<IpAddr>),
    /// The name stands for another one, about which the answer says nothing.
    Alias(Name),
}

/// Follows the aliases inside one answer; `seen` has the names that led here.
pub(super) fn said(
    message: &Message,
    name: &Name,
    record_type: RecordType,
    seen: &mut Vec<Name>,
) -> Result<Said, Trouble> {
    let mut current = name.clone();
    loop {
        let addresses: Vec<_> = message
            .answers
            .iter()
            .filter(|record| record.dns_class == DNSClass::IN && record.record_type() == record_type)
            .filter(|record| record.name.eq_ignore_root(&current))
            .filter_map(|record| address_of(&record.data))
            .collect();
        if !addresses.is_empty() {
            return Ok(Said::Addresses(addresses));
        }
        let Some(next) = alias(message, &current) else { break };
        if seen.iter().any(|known| known.eq_ignore_root(&next)) {
            return Err(Trouble::new(Resolve::CnameLoop, format!("the aliases go in a circle: {next} again")));
        }
        // `seen` begins with the name itself, which is no alias.
        if seen.len() > MOST_ALIASES {
            return Err(Trouble::new(
                Resolve::CnameLoop,
                format!("the aliases go on for more than {MOST_ALIASES} steps"),
            ));
        }
        seen.push(next.clone());
        current = next;
    }
    // The rcode is about the last name of the chain (RFC 6604).
    rcode_trouble(message)?;
    let negative = message.authorities.iter().any(|record| record.record_type() == RecordType::SOA);
    if current.eq_ignore_root(name) || negative {
        return Err(Trouble::new(Resolve::Nodata, format!("NOERROR without an address ({record_type})")));
    }
    Ok(Said::Alias(current))
}

fn alias(message: &Message, name: &Name) -> Option<Name> {
    message.answers.iter().filter(|record| record.name.eq_ignore_root(name)).find_map(|record| match &record.data {
        RData::CNAME(target) => Some(target.0.clone()),
        _ => None,
    })
}

fn rcode_trouble(message: &Message) -> Result<(), Trouble> {
    let rcode = message.metadata.response_code;
    let fault = match rcode {
        ResponseCode::NoError => return Ok(()),
        ResponseCode::NXDomain => Resolve::Nxdomain,
        ResponseCode::ServFail => Resolve::Servfail,
        ResponseCode::Refused => Resolve::Refused,
        _ => Resolve::Rcode,
    };
    Err(Trouble::new(fault, format!("the name server answered {}", rcode_name(rcode))))
}

/// The rcode as dig prints it.
pub(super) fn rcode_name(rcode: ResponseCode) -> String {
    match rcode {
        ResponseCode::NoError => "NOERROR".to_owned(),
        ResponseCode::FormErr => "FORMERR".to_owned(),
        ResponseCode::ServFail => "SERVFAIL".to_owned(),
        ResponseCode::NXDomain => "NXDOMAIN".to_owned(),
        ResponseCode::NotImp => "NOTIMP".to_owned(),
        ResponseCode::Refused => "REFUSED".to_owned(),
        other => format!("rcode {}", u16::from(other)),
    }
}

/// Puts the answer that decided into the evidence, in bounded form.
pub(super) fn describe(message: &Message, into: &mut evidence::Dns) {
    const MOST_RECORDS: usize = 32;
    into.rcode = Some(rcode_name(message.metadata.response_code));
    let flags = [
        (message.metadata.authoritative, "aa"),
        (message.metadata.truncation, "tc"),
        (message.metadata.recursion_desired, "rd"),
        (message.metadata.recursion_available, "ra"),
        (message.metadata.authentic_data, "ad"),
    ];
    into.flags = flags.into_iter().filter_map(|(set, name)| set.then_some(name)).collect();
    for record in message.answers.iter().take(MOST_RECORDS) {
        let text = record.to_string();
        if into.answers.len() < MOST_RECORDS && !into.answers.contains(&text) {
            into.answers.push(text);
        }
    }
}
