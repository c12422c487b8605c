//! DNS: one question to one server over UDP, TCP, TLS (RFC 7858) or HTTPS (RFC 8484); book `cloudmonitor/dns`.
//!
//! The order of looking: the server's name, the address policy, the exchange, the rcode, whether there are records of
//! the type asked for, their values. Messages with another id or question are counted and passed over until the deadline
//! (RFC 5452 section 9.1); a truncated answer is asked for again over TCP (RFC 7766 section 5). Over UDP the question is
//! repeated after 5 s, three times in all, as dig does: the wait counts from the first one, and the evidence counts them.
//! Of several addresses of a server the next one is asked where one cannot be sent to or ICMP refuses, never after silence.

mod again;
mod form;
mod judge;
mod question;
mod table;
mod talk;
mod tell;
mod value;

use std::net::SocketAddr;
use std::sync::Arc;

use hickory_proto::op::{Message, ResponseCode};
use regex::bytes::Regex;
use url::Url;

use crate::address::Endpoint;
use crate::check::Check;
use crate::codes::{Code, Protocol};
use crate::exchange;
use crate::fault::{self, Datagram, Failure, Handshake, faults, named_by_parts};
use crate::net::stream::Stream;
use crate::net::{Attempt, message, tls};
pub use again::Again;
pub use question::Question;

/// Which server to ask what, and what the answer has to be.
#[derive(Clone, Debug)]
pub struct Dns {
    /// The server.
    pub server: Endpoint,
    /// How to speak to it.
    pub transport: Transport,
    /// What is asked.
    pub question: Question,
    /// Whether the server is asked to find out what it does not know; true.
    pub recursion: bool,
    /// What the answer has to be.
    pub rules: Rules,
    /// For the encrypted transports.
    pub tls: Arc<tls::Client>,
}

/// How to speak to a server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Transport {
    /// UDP, and TCP where an answer is truncated; port 53.
    Udp,
    /// TCP; port 53.
    Tcp,
    /// DNS over TLS; port 853.
    Tls,
    /// DNS over HTTPS: the URL that questions are posted to.
    Https(Box<Url>),
}

/// What an answer has to be.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The rcodes that are good; NOERROR.
    pub rcodes: Vec<Rcode>,
    /// Values of records.
    pub expect: Vec<String>,
    /// How they are compared with the answer.
    pub rule: Rule,
    /// What a value has to match.
    pub matching: Option<Regex>,
    /// What no value may match.
    pub not_matching: Option<Regex>,
}

/// The result of a query as a number (RFC 6895 section 2.3).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Rcode(u16);

impl Rcode {
    /// All is well.
    pub const NOERROR: Self = Self(0);

    /// Reads a name as dig writes it, or a number up to 4095.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        message::rcode_of(text).map(Self)
    }
}

/// How expected values are compared with those of the answer.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Rule {
    /// Every expected value is in the answer.
    #[default]
    InDns,
    /// Every value of the answer is expected.
    DnsIn,
    /// Both.
    Equal,
    /// One value at least is in both.
    Any,
}

faults! {
    /// What can be wrong with the messages of a server.
    pub enum Exchange {
        /// What came is no DNS message, or one with records that cannot be read.
        Garbled = "dns.garbled", Target;
        /// Messages came, and all of them answer something else: another id, another question, or no response at all.
        Foreign = "dns.foreign", Target;
        /// The answer over a stream is marked as truncated, so that the rest of it cannot be had.
        Truncated = "dns.truncated", Target;
        /// The DNS-over-HTTPS server answered with a status other than 200.
        HttpStatus = "dns.http_status", Target;
    }
}

faults! {
    /// Why an answer does not resolve the name.
    pub enum Answer {
        /// The name does not exist (NXDOMAIN).
        Nxdomain = "dns.nxdomain", Target;
        /// The server could not find out (SERVFAIL).
        Servfail = "dns.servfail", Target;
        /// The server does not answer such questions to us (REFUSED).
        Refused = "dns.refused", Target;
        /// The server did not understand the question (FORMERR).
        Formerr = "dns.formerr", Target;
        /// The server does not do such questions (NOTIMP).
        Notimp = "dns.notimp", Target;
        /// The answer has another rcode that is none of those expected.
        Rcode = "dns.rcode", Target;
        /// The answer is NOERROR where the task expects that the name does not resolve.
        Noerror = "dns.noerror", Target;
        /// The name exists and has no record of the type asked for.
        Nodata = "dns.nodata", Target;
        /// The answer has an alias and nothing about what it stands for.
        AliasOnly = "dns.alias_only", Target;
        /// The server knows only which other servers to ask.
        Referral = "dns.referral", Target;
    }
}

faults! {
    /// What is wrong with the records of an answer.
    pub enum Content {
        /// An expected value is not among those of the answer (`IN_DNS`).
        Missing = "dns.content.missing", Target;
        /// The answer has a value that is not expected (`DNS_IN`).
        Unexpected = "dns.content.unexpected", Target;
        /// The values of the answer are not exactly those expected (`EQUAL`).
        Unequal = "dns.content.unequal", Target;
        /// None of the expected values is in the answer (`ANY`).
        NoneShared = "dns.content.none_shared", Target;
        /// No value matches the expression of the task.
        NoMatch = "dns.content.no_match", Target;
        /// A value matches the expression that none may match.
        Forbidden = "dns.content.forbidden", Target;
    }
}

/// What can go wrong in a DNS probe.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    /// On the way to the server, or over a connection.
    Net(fault::Fault),
    /// To a datagram.
    Datagram(Datagram),
    /// Over TCP, after a truncated answer.
    Again(Again),
    /// In HTTP.
    Http(exchange::Broken),
    /// In the messages.
    Exchange(Exchange),
    /// In the answer.
    Answer(Answer),
    /// In its records.
    Content(Content),
}

named_by_parts!(Fault: Net, Datagram, Again, Http, Exchange, Answer, Content);

macro_rules! into_fault {
    ($($Part:ident($List:ty)),+) => { $( impl From<$List> for Fault {
        fn from(fault: $List) -> Self { Self::$Part(fault) }
    } )+ };
}
into_fault!(Datagram(Datagram), Again(Again), Exchange(Exchange), Answer(Answer), Content(Content));

impl From<exchange::Fault> for Fault {
    fn from(fault: exchange::Fault) -> Self {
        match fault {
            exchange::Fault::Net(fault) => Self::Net(fault),
            exchange::Fault::Broken(fault) => Self::Http(fault),
        }
    }
}

impl Check for Dns {
    type Fault = Fault;

    const PROTOCOL: Protocol = Protocol::Dns;

    async fn run(&self, attempt: &mut Attempt<'_>) -> Result<Code, Failure<Fault>> {
        let addresses = attempt.resolve(&self.server).await.map_err(|failure| failure.map(Fault::Net))?;
        tell::begin(attempt, &self.question);
        let plain = message::question(&self.question.name, self.question.record_type, self.recursion);
        let mut answer = self.ask(attempt, &addresses, &message::with_edns(plain.clone())).await?;
        // Servers from before EDNS say so in one of these ways (RFC 6891 section 7).
        let rcode = answer.metadata.response_code;
        if answer.edns.is_none() && matches!(rcode, ResponseCode::FormErr | ResponseCode::NotImp) {
            let answered = attempt.remote.map_or(addresses, |address| vec![address]);
            answer = self.ask(attempt, &answered, &plain).await?;
        }
        tell::answer(attempt, &answer);
        judge::judge(&answer, &self.question, &self.rules)?;
        Ok(Code::success())
    }

    fn classify(fault: Fault) -> Option<Code> {
        Some(table::classify(fault).into())
    }

    fn faults() -> Vec<Fault> {
        let mut all: Vec<Fault> = fault::Fault::all().into_iter().map(Fault::Net).collect();
        all.extend(Datagram::ALL.iter().copied().map(Fault::Datagram));
        all.extend(Again::ALL.iter().copied().map(Fault::Again));
        all.extend(exchange::Broken::ALL.iter().copied().map(Fault::Http));
        all.extend(Exchange::ALL.iter().copied().map(Fault::Exchange));
        all.extend(Answer::ALL.iter().copied().map(Fault::Answer));
        all.extend(Content::ALL.iter().copied().map(Fault::Content));
        all
    }
}

impl Dns {
    /// Asks once, over TCP again where the answer over UDP is truncated.
    async fn ask(
        &self,
        attempt: &mut Attempt<'_>,
        addresses: &[SocketAddr],
        query: &Message,
    ) -> Result<Box<Message>, Failure<Fault>> {
        let answer = match &self.transport {
            Transport::Udp => {
                let answer = talk::over_datagrams(attempt, addresses, query).await?;
                if !answer.metadata.truncation {
                    return Ok(answer);
                }
                tell::truncated(attempt);
                let answered = attempt.remote;
                return self
                    .ask_over_tcp(attempt, answered.as_slice(), query)
                    .await
                    .map_err(|failure| failure.map(again::named));
            }
            Transport::Tcp => return self.ask_over_tcp(attempt, addresses, query).await,
            Transport::Tls => {
                let stream = self.connect(attempt, addresses, &[]).await?;
                talk::over_stream(attempt, stream, query).await?
            }
            Transport::Https(url) => {
                let stream = self.connect(attempt, addresses, exchange::Versions::Auto.alpn()).await?;
                talk::over_https(attempt, stream, url, query).await?
            }
        };
        whole(answer)
    }

    async fn ask_over_tcp(
        &self,
        attempt: &mut Attempt<'_>,
        addresses: &[SocketAddr],
        query: &Message,
    ) -> Result<Box<Message>, Failure<Fault>> {
        let stream = attempt.connect(addresses).await.map_err(|failure| failure.map(Fault::Net))?;
        whole(talk::over_stream(attempt, stream, query).await?)
    }

    /// An encrypted connection to the server.
    async fn connect(
        &self,
        attempt: &mut Attempt<'_>,
        addresses: &[SocketAddr],
        alpn: &[&[u8]],
    ) -> Result<Stream, Failure<Fault>> {
        let net = |failure: Failure| failure.map(Fault::Net);
        let stream = attempt.connect(addresses).await.map_err(net)?;
        let encrypted = || Failure::new(Handshake::Other, "the connection is encrypted already");
        let wire = stream.into_wire().ok_or_else(encrypted).map_err(net)?;
        attempt.encrypt(&self.tls, wire, &self.server.host, alpn).await.map_err(net)
    }
}

/// An answer over a stream has no reason to be truncated.
fn whole(answer: Box<Message>) -> Result<Box<Message>, Failure<Fault>> {
    if answer.metadata.truncation {
        let detail = "the answer is marked as truncated, and this is no datagram";
        return Err(Failure::new(Exchange::Truncated, detail));
    }
    Ok(answer)
}
