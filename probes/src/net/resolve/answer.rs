//! Reading an answer: what does it say, where do its aliases lead.

use std::net::IpAddr;

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{DNSClass, Name, RData, RecordType};

use super::{Trouble, address_of};
use crate::evidence;
use crate::fault::Resolve;
use crate::net::message::{flags, rcode_name};
use crate::net::records;

/// How many aliases are followed.
const MOST_ALIASES: usize = 8;

/// What an answer says of a name.
#[derive(Debug)]
pub(super) enum Said {
    /// Addresses.
    Addresses(Vec<IpAddr>),
    /// The name stands for another one, about which the answer says nothing.
    Alias(Name),
}

/// The answers to what was asked about a name.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// Of the family that decided, one for each step of the aliases; the last one is the answer that did.
    pub(super) deciding: Vec<Message>,
    /// Of the other one.
    pub(super) beside: Vec<Message>,
}

/// Follows the aliases inside one answer; `seen` has the names that led here.
pub(super) fn said(
    message: &Message,
    name: &Name,
    record_type: RecordType,
    seen: &mut Vec<Name>,
) -> Result<Said, Trouble> {
    // The rcode is about the last name of the chain (RFC 6604): with one there are no addresses, whatever is there.
    rcode_trouble(message)?;
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
    Err(Trouble::new(fault, format!("the name server answered {}", rcode_name(rcode.into()))))
}

/// Puts the answers into the evidence, in bounded form: rcode and flags of the one that decided, the records of all.
pub(super) fn describe(heard: &Heard, into: &mut evidence::Dns) {
    const MOST_RECORDS: usize = 32;
    if let Some(message) = heard.deciding.last() {
        into.rcode = Some(rcode_name(message.metadata.response_code.into()));
        into.flags = flags(message);
    }
    let messages = heard.deciding.iter().chain(&heard.beside);
    for record in messages.flat_map(|message| message.answers.iter().take(MOST_RECORDS)) {
        let text = records::line(record);
        if into.answers.len() < MOST_RECORDS && !into.answers.contains(&text) {
            into.answers.push(text);
        }
    }
}
