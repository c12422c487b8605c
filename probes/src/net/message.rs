//! DNS messages: questions made, answers read and told apart from what answers something else (RFC 1035 section 4,
//! RFC 6891). Target lookups and the DNS probe share this, and nothing here opens a socket.

use std::io;

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::opt::EdnsOption;
use hickory_proto::rr::{Name, RData, Record, RecordType};
use http::{HeaderMap, header};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};

use crate::secret::Secrets;

/// The size of UDP answers that every path carries in one piece (the DNS flag day of 2020).
const PAYLOAD: u16 = 1232;

/// The media type of DNS messages over HTTPS (RFC 8484 section 6).
pub(crate) const MEDIA_TYPE: &str = "application/dns-message";

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

/// Reads a datagram that came in answer to `query`. Anybody can send one: what has another id is no answer of the one who
/// was asked, readable or not.
pub(crate) fn read_datagram(bytes: &[u8], query: &Message) -> Received {
    if bytes.first_chunk().is_some_and(|id| u16::from_be_bytes(*id) != query.metadata.id) {
        return Received::Foreign(Foreign::Id);
    }
    read(bytes, query)
}

/// Reads what a server sent over its connection in answer to `query`.
pub(crate) fn read(bytes: &[u8], query: &Message) -> Received {
    let message = match decode(bytes) {
        Ok(message) => message,
        Err(why) => return Received::Garbled(why),
    };
    if message.metadata.message_type != MessageType::Response {
        return Received::Foreign(Foreign::Query);
    }
    if message.metadata.id != query.metadata.id {
        return Received::Foreign(Foreign::Id);
    }
    if message.metadata.op_code != OpCode::Query {
        return Received::Foreign(Foreign::Question);
    }
    // Servers that could not read the question may leave it out of their refusal.
    let left_out = message.queries.is_empty() && message.metadata.response_code != ResponseCode::NoError;
    if !left_out && !same_question(&message.queries, &query.queries) {
        return Received::Foreign(Foreign::Question);
    }
    Received::Answer(Box::new(message))
}

/// What an HTTP response without a DNS message says that it is instead, in words to put behind the trouble (RFC 8484
/// section 6); nothing where it claims to be one.
pub(crate) fn other_content_type(headers: &HeaderMap, secrets: &Secrets) -> String {
    const LONGEST: usize = 80;
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return "; it has no content type".to_owned() };
    let media_type = value.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default();
    if media_type.trim_ascii().eq_ignore_ascii_case(MEDIA_TYPE.as_bytes()) {
        return String::new();
    }
    // Struck out before it is cut, so that no secret is left in part.
    let struck = secrets.strike_bytes(value.as_bytes());
    format!("; the content type is {}", struck[..struck.len().min(LONGEST)].escape_ascii())
}

/// Decodes a message, with two kinds that the codec alone refuses: one that was cut off where the datagram was full, which
/// is a truncated answer all the same, and one with records of unknown types that have no data.
fn decode(bytes: &[u8]) -> Result<Message, String> {
    let refused = match Message::from_vec(bytes) {
        Ok(message) => return Ok(message),
        Err(error) => error.to_string(),
    };
    let truncated = bytes.get(2).is_some_and(|flags| flags & TRUNCATED != 0);
    let again = if truncated { without_records(bytes) } else { with_empty_records(bytes) };
    again.ok_or(refused)
}

/// TC in the third byte of a message, and the bits of the opcode with those of UPDATE, to which records without data are
/// no error (RFC 1035 section 4.1.1, RFC 2136 section 2).
const TRUNCATED: u8 = 0x02;
const OPCODE: u8 = 0x78;
const UPDATE: u8 = 5 << 3;

/// The header and the question alone.
fn without_records(bytes: &[u8]) -> Option<Message> {
    let mut head = bytes.to_vec();
    head.get_mut(6..12)?.fill(0);
    Message::from_vec(&head).ok()
}

fn with_empty_records(bytes: &[u8]) -> Option<Message> {
    let mut update = bytes.to_vec();
    let flags = update.get_mut(2).filter(|flags| **flags & OPCODE == 0)?;
    *flags |= UPDATE;
    let mut message = Message::from_vec(&update).ok()?;
    message.metadata.op_code = OpCode::Query;
    // A type with a form of its own has data.
    let fine = |record: &Record| match record.data {
        RData::Update0(record_type) => matches!(record_type, RecordType::Unknown(_) | RecordType::NULL),
        _ => true,
    };
    let all_fine = message.all_sections().all(fine);
    all_fine.then_some(message)
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

/// What a server says of an error beyond the rcode (RFC 8914): the number, its meaning and the server's own words.
pub(crate) fn extended_errors(message: &Message) -> Vec<String> {
    const EXTENDED_ERROR: u16 = 15;
    let options = message.edns.iter().flat_map(|edns| &edns.options().options);
    let errors = options.filter_map(|(_, option)| match option {
        EdnsOption::Unknown(EXTENDED_ERROR, data) => data.split_at_checked(2),
        _ => None,
    });
    let words = |(number, text): (&[u8], &[u8])| {
        let number = number.iter().fold(0, |number, byte| number << 8 | usize::from(*byte));
        let meaning = EXTENDED_ERRORS.get(number).map(|meaning| format!(" {meaning}")).unwrap_or_default();
        let text = String::from_utf8_lossy(text);
        if text.is_empty() { format!("{number}{meaning}") } else { format!("{number}{meaning}: {text}") }
    };
    errors.map(words).collect()
}

/// The extended errors by number, in the words of IANA's registry.
const EXTENDED_ERRORS: [&str; 25] = [
    "Other",
    "Unsupported DNSKEY Algorithm",
    "Unsupported DS Digest Type",
    "Stale Answer",
    "Forged Answer",
    "DNSSEC Indeterminate",
    "DNSSEC Bogus",
    "Signature Expired",
    "Signature Not Yet Valid",
    "DNSKEY Missing",
    "RRSIGs Missing",
    "No Zone Key Bit Set",
    "NSEC Missing",
    "Cached Error",
    "Not Ready",
    "Blocked",
    "Censored",
    "Filtered",
    "Prohibited",
    "Stale NXDOMAIN Answer",
    "Not Authoritative",
    "Not Supported",
    "No Reachable Authority",
    "Network Error",
    "Invalid Data",
];

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

    /// A response with the id 7 to a question for the address of `a`, and a record of these bytes.
    fn response(flags: u8, record: &[u8]) -> Vec<u8> {
        [&[0, 7, flags, 0x80, 0, 1, 0, 1, 0, 0, 0, 0, 1, b'a', 0, 0, 1, 0, 1, 0xc0, 12], record].concat()
    }

    #[test]
    fn what_the_codec_refuses_and_is_a_message_is_one() {
        let mut query = question(&Name::from_ascii("a.").expect("a name"), RecordType::A, true);
        query.metadata.id = 7;
        let address = [0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 7];
        let answered = |bytes: &[u8]| match read(bytes, &query) {
            Received::Answer(message) => Some((message.metadata.truncation, message.answers.len())),
            Received::Foreign(_) | Received::Garbled(_) => None,
        };
        assert_eq!(answered(&response(0x81, &address)), Some((false, 1)));
        // Cut off, with TC and without.
        assert_eq!(answered(&response(0x83, &address[..9])), Some((true, 0)));
        assert_eq!(answered(&response(0x81, &address[..9])), None);
        // Without data: of a type that nobody knows, and of one that has a form.
        assert_eq!(answered(&response(0x81, &[0xff, 0, 0, 1, 0, 0, 0, 60, 0, 0])), Some((false, 1)));
        assert_eq!(answered(&response(0x81, &[0, 1, 0, 1, 0, 0, 0, 60, 0, 0])), None);
        assert_eq!(answered(&[0; 3]), None);
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
