//! What a scripted name server knows, as case files write it, and what can be wrong about its answers.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Deserialize;

use super::script::Span;

/// What a name server knows, name by name; a name it does not know is NXDOMAIN.
pub type Zone = BTreeMap<String, Answer>;

/// The answer to questions for one name.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// Its A and AAAA records.
    #[serde(default)]
    pub addresses: Vec<IpAddr>,
    /// Its CNAME record, alone in the answer.
    pub cname: Option<String>,
    /// The answer holds what the alias leads to as well.
    #[serde(default)]
    pub whole_chain: bool,
    /// The rcode, where it is not NOERROR.
    pub rcode: Option<Rcode>,
    /// The rcode for AAAA alone.
    pub aaaa_rcode: Option<Rcode>,
    /// The type that questions for it get no answer to.
    pub silent: Option<String>,
    /// The rcode by its number, where it has no name here; above 15 it goes with EDNS.
    pub rcode_number: Option<u16>,
    /// What is answered to a question of any type, in the order given, whoever owns it.
    #[serde(default)]
    pub records: Vec<String>,
    /// The records of the authority section.
    #[serde(default)]
    pub authorities: Vec<String>,
    /// A TXT record of so many strings of 255 letters.
    pub text_strings: Option<usize>,
    /// The flags `aa`, `ad`, `cd`.
    #[serde(default)]
    pub flags: Vec<String>,
    /// The whole message as hex pairs, but for its id.
    pub raw: Option<String>,
    /// The server knows no EDNS and says FORMERR to it.
    #[serde(default)]
    pub no_edns: bool,
    /// So many queries get no answer, before the first that does.
    #[serde(default)]
    pub lost: u32,
    /// How long it takes.
    pub delay: Option<Span>,
    /// What goes wrong.
    pub wrong: Option<Wrong>,
}

/// An rcode by its name.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Rcode {
    Formerr = 1,
    Servfail = 2,
    Nxdomain = 3,
    Notimp = 4,
    Refused = 5,
}

/// What can be wrong about an answer, or about the way it comes.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum Wrong {
    /// Nothing is answered.
    Silence,
    /// The header is right, and nothing after it can be read.
    Garbage,
    /// The answer has another id.
    Id,
    /// An answer with another id and another address comes first.
    IdFirst,
    /// The answer is to another question.
    Question,
    /// An answer to another question comes first.
    QuestionFirst,
    /// The question comes back unanswered, not marked as a response.
    Echo,
    /// Truncated over UDP; TCP has all.
    Truncated,
    /// Truncated over UDP; TCP ends without an answer.
    TruncatedThenEnd,
    /// Truncated over UDP; TCP is silent.
    TruncatedThenSilence,
    /// Truncated over UDP; TCP is reset.
    TruncatedThenReset,
    /// Truncated over UDP; TCP ends in the middle of the answer.
    TruncatedThenHalf,
    /// Truncated over UDP; TCP stops in the middle of the answer.
    TruncatedThenStall,
    /// Truncated over UDP; what comes over TCP cannot be read.
    TruncatedThenGarbage,
    /// Truncated over UDP; over TCP the answer has another id.
    TruncatedThenId,
    /// Truncated over UDP, over TCP and wherever else it is asked for.
    TruncatedEverywhere,
    /// Answers with another id come without end.
    IdFlood,
    /// TCP ends without an answer.
    End,
    /// TCP ends in the middle of the answer.
    Half,
}
