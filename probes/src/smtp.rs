//! SMTP: greeting, EHLO, TLS, log-in, and what the server says to a sender and a recipient; nothing is delivered. Book
//! `cloudmonitor/smtp`, RFC 5321, RFC 3207, RFC 4954.
//!
//! The order of looking: the mail addresses of the task, the address policy, the name, the connection, implicit TLS, the
//! greeting, EHLO (HELO where it is refused), STARTTLS with its handshake and a second EHLO, AUTH, MAIL, RCPT. QUIT ends
//! a successful run, and what comes of it decides nothing.

mod login;
mod mailbox;
mod table;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use crate::address::Endpoint;
use crate::check::Check;
use crate::codes::{Code, Protocol};
use crate::dialogue::{
    self, Command, Credentials, Dialogue, Encryption, Grammar as _, Numbered, Reply, Step as _, steps,
};
use crate::fault::{self, Failure, Handshake, faults, named_by_parts};
use crate::net::stream::show;
use crate::net::transcript::excerpt;
use crate::net::{Attempt, tls};
use crate::phases::Phase;

/// Which server to talk to, and how far to go with it.
#[derive(Clone, Debug)]
pub struct Smtp {
    /// Host and port.
    pub endpoint: Endpoint,
    /// Whether and when TLS begins.
    pub encryption: Encryption,
    /// User name and password; without them nobody logs in.
    pub credentials: Option<Credentials>,
    /// The address for MAIL FROM, or `<>`; without it `<>` if there is a recipient, else no mail is begun.
    pub from: Option<String>,
    /// The address for RCPT TO.
    pub to: Option<String>,
    /// For TLS, at once or after STARTTLS.
    pub tls: Arc<tls::Client>,
}

steps! {
    /// The steps of an SMTP conversation.
    pub enum Step of "smtp" {
        /// The server speaks first.
        Greeting = "greeting", "the greeting", [Unavailable, Refused];
        /// EHLO, and HELO where it is refused.
        Ehlo = "ehlo", "the reply to EHLO", [Unavailable, Refused];
        /// STARTTLS.
        StartTls = "starttls", "the reply to STARTTLS", [Unavailable, Refused];
        /// AUTH with all its lines.
        Auth = "auth", "the reply to AUTH", [Unavailable, Refused];
        /// MAIL FROM.
        Mail = "mail", "the reply to MAIL FROM", [Unavailable, Refused];
        /// RCPT TO.
        Recipient = "rcpt", "the reply to RCPT TO", [Unavailable, Refused];
    }
}

faults! {
    /// What no single reply says.
    pub enum Shortcoming {
        /// `from` or `to` of the task is no mail address (RFC 5321 section 4.1.2).
        MalformedAddress = "smtp.malformed_address", Task;
        /// The task demands STARTTLS and the server does not offer it.
        NoStartTls = "smtp.no_starttls", Target;
        /// The TLS handshake after STARTTLS was not over in time.
        StartTlsTimedOut = "smtp.starttls_timeout", Target;
        /// The server offers no AUTH method that the agent speaks.
        NoAuth = "smtp.no_auth", Target;
    }
}

/// What can go wrong in an SMTP probe.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    /// In the network or at a step.
    Dialogue(dialogue::Fault<Step>),
    /// In what the server offers or the task says.
    Shortcoming(Shortcoming),
}

named_by_parts!(Fault: Dialogue, Shortcoming);

type Result<T> = std::result::Result<T, Failure<Fault>>;

fn short(fault: Shortcoming, detail: impl Into<String>) -> Failure<Fault> {
    Failure { fault: Fault::Shortcoming(fault), detail: detail.into(), errno: None }
}

fn in_dialogue(failure: Failure<dialogue::Fault<Step>>) -> Failure<Fault> {
    failure.map(Fault::Dialogue)
}

fn in_net(failure: Failure) -> Failure<Fault> {
    failure.map(|fault| Fault::Dialogue(dialogue::Fault::Net(fault)))
}

impl Check for Smtp {
    type Fault = Fault;

    const PROTOCOL: Protocol = Protocol::Smtp;

    async fn run(&self, attempt: &mut Attempt<'_>) -> Result<Code> {
        let envelope = self.envelope()?;
        let addresses = attempt.resolve(&self.endpoint).await.map_err(in_net)?;
        let stream = attempt.connect(&addresses).await.map_err(in_net)?;
        let mut talk = Talk { dialogue: Dialogue::over(stream, Numbered::smtp()), attempt, encrypted: false };
        if self.encryption == Encryption::Implicit {
            talk = talk.encrypt(self).await?;
        }
        let greeting = talk.hear(Step::Greeting).await?;
        if greeting.code != 220 {
            return Err(talk.refused(Step::Greeting, &greeting));
        }
        let mut offers = talk.hello().await?;
        if self.encryption == Encryption::StartTls {
            talk = talk.start_tls(self, &offers).await?;
            offers = talk.hello().await?;
        }
        if let Some(credentials) = &self.credentials {
            let method = talk.choose(&offers)?;
            talk.dialogue.enter(Phase::Login);
            talk.log_in(method, credentials).await?;
        }
        if let Some((from, to)) = envelope {
            talk.dialogue.enter(Phase::Transfer);
            talk.propose(Step::Mail, &format!("MAIL FROM:{from}"), &[250]).await?;
            if let Some(to) = to {
                talk.propose(Step::Recipient, &format!("RCPT TO:{to}"), &[250, 251]).await?;
            }
        }
        talk.dialogue.take_leave(talk.attempt, &Command::new("QUIT")).await;
        Ok(Code::success())
    }

    fn classify(fault: Fault) -> Option<Code> {
        Some(table::classify(fault).into())
    }

    fn faults() -> Vec<Fault> {
        let mut all: Vec<Fault> = dialogue::Fault::all().into_iter().map(Fault::Dialogue).collect();
        all.extend(Shortcoming::ALL.iter().copied().map(Fault::Shortcoming));
        all
    }
}

impl Smtp {
    /// The paths for MAIL FROM and RCPT TO, if the task has any.
    fn envelope(&self) -> Result<Option<(String, Option<String>)>> {
        let malformed = |key: &str, address: &str| {
            let detail = format!("`{key}` of the task is no mail address: {}", address.escape_debug());
            short(Shortcoming::MalformedAddress, detail)
        };
        let from = self.from.as_deref().map(|from| mailbox::reverse_path(from).ok_or_else(|| malformed("from", from)));
        let to = self.to.as_deref().map(|to| mailbox::forward_path(to).ok_or_else(|| malformed("to", to)));
        let (from, to) = (from.transpose()?, to.transpose()?);
        Ok(match (from, to) {
            (None, None) => None,
            (from, to) => Some((from.unwrap_or_else(|| "<>".to_owned()), to)),
        })
    }
}

/// What a server said that it can do: the lines of its reply to EHLO.
#[derive(Debug, Default)]
struct Offers {
    lines: Vec<String>,
    /// What it said to EHLO, where it knows HELO only and offers nothing.
    refusal: Option<String>,
}

impl Offers {
    fn of(reply: &Reply) -> Self {
        // The first line is the server's name.
        let lines = reply.lines.iter().skip(1);
        let lines = lines.map(|line| String::from_utf8_lossy(line).to_ascii_uppercase()).collect();
        Self { lines, refusal: None }
    }

    fn has(&self, keyword: &str) -> bool {
        self.lines.iter().any(|line| line.split_ascii_whitespace().next() == Some(keyword))
    }

    /// That something is not on offer, and why.
    fn lack(&self, keyword: &str) -> String {
        match &self.refusal {
            None => format!("the server offers no {keyword} in its reply to EHLO"),
            Some(said) => {
                format!("the server offers no {keyword}: EHLO was refused with {said}, and HELO offers nothing")
            }
        }
    }

    /// The words behind a keyword; old servers write `AUTH=` before the first one.
    fn words<'a>(&'a self, keyword: &'a str) -> impl Iterator<Item = &'a str> {
        let behind = move |line: &'a String| line.strip_prefix(keyword)?.strip_prefix([' ', '=', '\t']);
        self.lines.iter().filter_map(behind).flat_map(str::split_ascii_whitespace)
    }
}

/// The conversation under way.
struct Talk<'t, 'a> {
    dialogue: Dialogue<Numbered>,
    attempt: &'t mut Attempt<'a>,
    encrypted: bool,
}

impl Talk<'_, '_> {
    async fn hear(&mut self, step: Step) -> Result<Reply> {
        self.dialogue.hear(self.attempt, step).await.map_err(in_dialogue)
    }

    async fn ask(&mut self, step: Step, command: &Command) -> Result<Reply> {
        self.dialogue.ask(self.attempt, step, command).await.map_err(in_dialogue)
    }

    /// The failure of a reply that does not lead on; 421 means that the service goes away, whatever was asked.
    fn refused(&self, step: Step, reply: &Reply) -> Failure<Fault> {
        in_dialogue(self.dialogue.refused(self.attempt, step, reply))
    }

    /// Asks for something that the server grants with one of these numbers, or may refuse.
    async fn propose(&mut self, step: Step, command: &str, granted: &[u16]) -> Result<Reply> {
        let reply = self.ask(step, &Command::new(command)).await?;
        if granted.contains(&reply.code) { Ok(reply) } else { Err(self.refused(step, &reply)) }
    }

    /// EHLO, and HELO to a server that refuses it; where HELO does not lead on either, the refusal of EHLO stands.
    async fn hello(&mut self) -> Result<Offers> {
        let name = self.dialogue.local_address().map_or_else(|| "[127.0.0.1]".to_owned(), literal);
        let reply = self.ask(Step::Ehlo, &Command::new(format!("EHLO {name}"))).await?;
        match reply.code {
            250 => Ok(Offers::of(&reply)),
            421 | ..400 => Err(self.refused(Step::Ehlo, &reply)),
            _ => self.old_hello(&name, &reply).await,
        }
    }

    async fn old_hello(&mut self, name: &str, refused: &Reply) -> Result<Offers> {
        let mut refusal = self.refused(Step::Ehlo, refused);
        let failure = match self.ask(Step::Ehlo, &Command::new(format!("HELO {name}"))).await {
            Ok(reply) if reply.code == 250 => {
                return Ok(Offers { lines: Vec::new(), refusal: Some(self.shown(refused)) });
            }
            Ok(reply) if reply.code == 421 => self.refused(Step::Ehlo, &reply),
            Ok(reply) => {
                refusal.detail += &format!(", and the one to HELO {}", self.shown(&reply));
                return Err(refusal);
            }
            Err(failure) => failure,
        };
        let failure = of_helo(failure);
        match failure.fault {
            Fault::Dialogue(dialogue::Fault::At(_, cause)) if cause.is_no_answer() => {
                refusal.detail += &if self.dialogue.heard_nothing() {
                    ", and HELO was not answered".to_owned()
                } else {
                    format!(", and then {}", failure.detail)
                };
                Err(refusal)
            }
            _ => Err(failure),
        }
    }

    /// A reply in the server's words, fit to be shown.
    fn shown(&self, reply: &Reply) -> String {
        show(&self.attempt.conditions.secrets, excerpt(&Numbered::said(reply)))
    }

    async fn start_tls(mut self, smtp: &Smtp, offers: &Offers) -> Result<Self> {
        if !offers.has("STARTTLS") {
            return Err(short(Shortcoming::NoStartTls, offers.lack("STARTTLS")));
        }
        self.propose(Step::StartTls, "STARTTLS", &[220]).await?;
        self.encrypt(smtp).await.map_err(|failure| match failure.fault {
            Fault::Dialogue(dialogue::Fault::Net(fault::Fault::Handshake(Handshake::TimedOut))) => {
                failure.map(|_| Fault::Shortcoming(Shortcoming::StartTlsTimedOut))
            }
            _ => failure,
        })
    }

    async fn encrypt(self, smtp: &Smtp) -> Result<Self> {
        let encrypted = self.dialogue.encrypt(self.attempt, &smtp.tls, &smtp.endpoint.host).await;
        Ok(Self { dialogue: encrypted.map_err(in_dialogue)?, attempt: self.attempt, encrypted: true })
    }
}

/// The failure of HELO, which shares its step with EHLO, in its own words.
fn of_helo(mut failure: Failure<Fault>) -> Failure<Fault> {
    failure.detail = failure.detail.replacen(Step::Ehlo.what(), "the reply to HELO", 1);
    failure
}

/// How a client without a name of its own says who it is (RFC 5321 section 4.1.3).
fn literal(address: SocketAddr) -> String {
    match address.ip().to_canonical() {
        IpAddr::V4(address) => format!("[{address}]"),
        IpAddr::V6(address) => format!("[IPv6:{address}]"),
    }
}
