//! What a DNS probe tells: the conversation to whoever listens, and the answer to the evidence, bounded.

use std::net::SocketAddr;
use std::time::Duration;

use hickory_proto::op::Message;

use super::{Fault, Question};
use crate::evidence;
use crate::fault::{Failure, Named as _};
use crate::net::Attempt;
use crate::net::message::{Foreign, extended_errors, flags, rcode_name};
use crate::net::records::{line, name_text, type_text};
use crate::phases::{Phase, Phases};

/// The evidence has so many lines of a section, and so much of each.
const MOST_LINES: usize = 32;
const LONGEST_LINE: usize = 1024;

/// From here on the evidence is about this question, not about the server's name.
pub(super) fn begin(attempt: &mut Attempt<'_>, question: &Question) {
    let (name, record_type) = (question.name(), Some(question.record_type()));
    attempt.evidence.dns = Some(evidence::Dns { name, record_type, queries: Some(0), ..evidence::Dns::default() });
}

/// An address of the server, and what came of asking it.
pub(super) fn address(
    attempt: &mut Attempt<'_>,
    address: SocketAddr,
    spent: Duration,
    failure: Option<&Failure<Fault>>,
) {
    let mut phases = Phases::default();
    phases.add(if attempt.current() == Some(Phase::Send) { Phase::Send } else { Phase::Wait }, spent);
    let cause = failure.map(|failure| failure.fault.name());
    attempt.evidence.addresses.push(evidence::Address { ip: address.ip(), cause, phases });
}

/// A query that goes out.
pub(super) fn query(attempt: &mut Attempt<'_>, query: &Message, length: usize) {
    if let Some(queries) = attempt.evidence.dns.get_or_insert_default().queries.as_mut() {
        *queries += 1;
    }
    for asked in &query.queries {
        let name = attempt.conditions.secrets.strike(&name_text(asked.name()));
        let record_type = type_text(asked.query_type());
        let edns = if query.edns.is_some() { ", EDNS" } else { "" };
        let flags = flags(query).join(" ");
        tracing::debug!(target: "conversation", "> {name} {record_type} ({flags}{edns}, {length} bytes)");
    }
}

/// A message that answers something else.
pub(super) fn ignored(attempt: &mut Attempt<'_>, what: Foreign) {
    let ignored = attempt.evidence.dns.get_or_insert_default().ignored.get_or_insert_default();
    let count = match what {
        Foreign::Id => &mut ignored.id,
        Foreign::Question => &mut ignored.question,
        Foreign::Query => &mut ignored.query,
    };
    *count = count.saturating_add(1);
    // A flood of them would drown the rest of the conversation.
    if *count <= 8 {
        tracing::debug!(target: "conversation", "* {} came; still waiting", what.words());
    }
}

/// A truncated answer.
pub(super) fn truncated(attempt: &mut Attempt<'_>) {
    attempt.evidence.dns.get_or_insert_default().truncated = true;
    tracing::debug!(target: "conversation", "* the answer is truncated; asking again over TCP");
}

/// The answer.
pub(super) fn answer(attempt: &mut Attempt<'_>, answer: &Message) {
    let (rcode, flags) = (rcode_name(answer.metadata.response_code.into()), flags(answer));
    let counts = evidence::Sections {
        answer: answer.answers.len(),
        authority: answer.authorities.len(),
        additional: answer.additionals.len(),
    };
    let evidence::Sections { answer: records, authority, additional } = counts;
    tracing::debug!(
        target: "conversation",
        "< {rcode} ({}), {records} in the answer, {authority} in authority, {additional} additional",
        flags.join(" ")
    );
    let answers = lines(attempt, answer.answers.iter().map(line));
    let authorities = match answers.as_slice() {
        [] => lines(attempt, answer.authorities.iter().map(line)),
        _ => Vec::new(),
    };
    let errors = lines(attempt, extended_errors(answer).into_iter());
    let dns = attempt.evidence.dns.get_or_insert_default();
    *dns = evidence::Dns {
        rcode: Some(rcode),
        flags,
        counts: Some(counts),
        answers,
        authorities,
        errors,
        ..std::mem::take(dns)
    };
}

/// Lines of a section, told and kept.
fn lines(attempt: &mut Attempt<'_>, texts: impl ExactSizeIterator<Item = String>) -> Vec<String> {
    attempt.evidence.truncated |= texts.len() > MOST_LINES;
    let mut lines = Vec::new();
    for text in texts.take(MOST_LINES) {
        // Struck out before it is cut, so that no secret is left in part.
        let mut text = attempt.conditions.secrets.strike(&text);
        if let Some((end, _)) = text.char_indices().nth(LONGEST_LINE) {
            text.truncate(end);
            text.push('…');
            attempt.evidence.truncated = true;
        }
        tracing::debug!(target: "conversation", "< {text}");
        lines.push(text);
    }
    lines
}
