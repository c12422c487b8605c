//! DNS messages: questions made, answers read and told apart from what answers something else (RFC 1035 section 4,
//! RFC 6891). Target lookups and the DNS probe share this, and nothing here opens a socket.

use std::io;

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{Name, RecordType};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};

/// The size of UDP answers that every path carries in one piece (the DNS flag day of 2020).
const PAYLOAD: u16 = 1232;

/// The question for one name and type.
pub(crate) fn question(name: &Name, record_type: RecordType, recursion: bool) -> Message {
    let mut message = Message::query();
    message.metadata.op_code = OpCode::Query;
    message.metadata.recursion_desired = recursion;
    message.add_query(Query::query(name.clone(), record_type));
    message
}

/// The same question by one who understands longer answers (EDNS) and the AD flag (RFC 6840 section 5.7).
pub(crate) fn with_edns(mut message: Message) -> Message {
    let mut edns = Edns::new();
    edns.set_max_payload(PAYLOAD).set_version(0);
    message.set_edns(edns);
    message.metadata.authentic_data = true;
    message
}

/// What a datagram or message is to the one who asked.
pub(crate) enum Received {
    /// The answer to the query.
    Answer(Box<Message>),
    /// An answer to something else.
    Foreign(Foreign),
    /// No DNS message.
    Garbled(String),
}

/// Why a message is no answer to the query.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Foreign {
    /// It is a query itself.
    Query,
    /// It has another id.
    Id,
    /// It has another question.
    Question,
}

impl Foreign {
    /// What it is.
    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::Query => "a query",
            Self::Id => "another id",
            Self::Question => "another question",
        }
    }
}

/// Reads what a server sent in answer to `query`.
pub(crate) fn read(bytes: &[u8], query: &Message) -> Received {
    let message = match Message::from_vec(bytes) {
        Ok(message) => message,
        Err(error) => return Received::Garbled(error.to_string()),
    };
    if message.metadata.message_type != MessageType::Response {
        return Received::Foreign(Foreign::Query);
    }
    if message.metadata.id != query.metadata.id {
        return Received::Foreign(Foreign::Id);
    }
    // Servers that could not read the question may leave it out of their refusal.
    let left_out = message.queries.is_empty() && message.metadata.response_code != ResponseCode::NoError;
    if !left_out && !same_question(&message.queries, &query.queries) {
        return Received::Foreign(Foreign::Question);
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

/// Sends a message with its length before it (RFC 1035 section 4.2.2), in one piece.
pub(crate) async fn write_framed<S: AsyncWrite + Unpin>(stream: &mut S, message: &[u8]) -> io::Result<()> {
    let length = u16::try_from(message.len()).map_err(io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes(), message].concat()).await?;
    stream.flush().await
}

/// Takes the first message from what came over a stream, once all of it is there.
pub(crate) fn take_framed(heard: &mut Vec<u8>) -> Option<Vec<u8>> {
    let length = usize::from(u16::from_be_bytes([*heard.first()?, *heard.get(1)?]));
    let message = heard.get(2..2 + length)?.to_vec();
    heard.drain(..2 + length);
    Some(message)
}

/// The rcodes by their names in IANA's registry, which dig prints too.
const RCODES: [(&str, u16); 20] = [
    ("NOERROR", 0),
    ("FORMERR", 1),
    ("SERVFAIL", 2),
    ("NXDOMAIN", 3),
    ("NOTIMP", 4),
    ("REFUSED", 5),
    ("YXDOMAIN", 6),
    ("YXRRSET", 7),
    ("NXRRSET", 8),
    ("NOTAUTH", 9),
    ("NOTZONE", 10),
    ("DSOTYPENI", 11),
    ("BADVERS", 16),
    ("BADKEY", 17),
    ("BADTIME", 18),
    ("BADMODE", 19),
    ("BADNAME", 20),
    ("BADALG", 21),
    ("BADTRUNC", 22),
    ("BADCOOKIE", 23),
];

/// The rcode as dig prints it.
pub(crate) fn rcode_name(rcode: u16) -> String {
    let known = RCODES.iter().find(|(_, number)| *number == rcode);
    known.map_or_else(|| format!("rcode {rcode}"), |(name, _)| (*name).to_owned())
}

/// The rcode of a name, or of a number as DNS has them.
pub(crate) fn rcode_of(text: &str) -> Option<u16> {
    let known = RCODES.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)).map(|(_, number)| *number);
    known.or_else(|| text.parse().ok().filter(|number| *number < 1 << 12))
}

/// The flags of the header that are set, in the order of the header.
pub(crate) fn flags(message: &Message) -> Vec<&'static str> {
    let flags = [
        (message.metadata.message_type == MessageType::Response, "qr"),
        (message.metadata.authoritative, "aa"),
        (message.metadata.truncation, "tc"),
        (message.metadata.recursion_desired, "rd"),
        (message.metadata.recursion_available, "ra"),
        (message.metadata.authentic_data, "ad"),
        (message.metadata.checking_disabled, "cd"),
    ];
    flags.into_iter().filter_map(|(set, name)| set.then_some(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rcodes_have_names_and_numbers() {
        assert_eq!(rcode_of("nxdomain"), Some(3));
        assert_eq!(rcode_of("23"), Some(23));
        assert_eq!(rcode_of("4096"), None);
        assert_eq!(rcode_of("NOSUCH"), None);
        assert_eq!(rcode_name(16), "BADVERS");
        assert_eq!(rcode_name(3841), "rcode 3841");
    }

    #[test]
    fn messages_come_out_of_a_stream_whole() {
        let mut heard = vec![0, 2, 7];
        assert_eq!(take_framed(&mut heard), None);
        heard.extend([8, 0, 0, 0]);
        assert_eq!(take_framed(&mut heard), Some(vec![7, 8]));
        assert_eq!(take_framed(&mut heard), Some(vec![]));
        assert_eq!(take_framed(&mut heard), None);
        assert_eq!(heard, [0]);
    }
}
