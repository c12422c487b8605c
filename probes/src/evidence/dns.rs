//! What name servers said.

use serde::Serialize;

/// What the name servers said of the target's name.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Dns {
    /// The name asked for.
    pub name: String,
    /// The record type asked for, by a DNS probe.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub record_type: Option<String>,
    /// The rcode of the answer that decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rcode: Option<String>,
    /// Header flags of that answer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<&'static str>,
    /// How many records each section of that answer had.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counts: Option<Sections>,
    /// The records of that answer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub answers: Vec<String>,
    /// The records of its authority section, where a DNS probe met no answer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub authorities: Vec<String>,
    /// What the server says of an error beyond the rcode (RFC 8914).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<String>,
    /// How many queries a DNS probe sent: repeated ones, without EDNS and over TCP included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queries: Option<u32>,
    /// Messages that a DNS probe passed over, since they answer something else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ignored: Option<Ignored>,
    /// Whether the answer over UDP was truncated and the question asked again over TCP.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
    /// What came of each name server that was asked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub servers: Vec<NameServer>,
}

/// How many records each section of a DNS message had.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Sections {
    /// The answer section.
    pub answer: usize,
    /// The authority section.
    pub authority: usize,
    /// The additional section, without the OPT record of EDNS.
    pub additional: usize,
}

/// Messages that are no answers to the question, by what is wrong with them.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Ignored {
    /// Another id.
    pub id: u32,
    /// Another question.
    pub question: u32,
    /// Not marked as a response.
    pub query: u32,
}

/// One name server and what came of asking it.
#[derive(Clone, Debug, Serialize)]
pub struct NameServer {
    /// The server as configured.
    pub server: String,
    /// `answered`, or the fault.
    pub result: String,
}
