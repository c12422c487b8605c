//! POP3: greeting, TLS, log-in, the state of the mailbox; nothing is fetched or deleted. Book `cloudmonitor/pop3`, RFC
//! 1939, RFC 2595.
//!
//! The order of looking: the address policy, the name, the connection, implicit TLS, the greeting, STLS with its
//! handshake, APOP (USER and PASS after it where APOP is not known), or USER and PASS, STAT. QUIT ends a successful run, and what comes of it decides nothing.

mod table;

use std::sync::Arc;

use md5::{Digest as _, Md5};

use crate::address::Endpoint;
use crate::check::Check;
use crate::codes::{Code, Protocol};
use crate::dialogue::{self, Command, Credentials, Dialogue, Encryption, Status, StatusReply, steps};
use crate::fault::Failure;
use crate::net::{Attempt, tls};
use crate::phases::Phase;

/// Which server to talk to, and as whom.
#[derive(Clone, Debug)]
pub struct Pop3 {
    /// Host and port.
    pub endpoint: Endpoint,
    /// Whether and when TLS begins.
    pub encryption: Encryption,
    /// User name and password; without them the greeting is all.
    pub credentials: Option<Credentials>,
    /// For TLS, at once or after STLS.
    pub tls: Arc<tls::Client>,
}

steps! {
    /// The steps of a POP3 conversation.
    pub enum Step of "pop3" {
        /// The server speaks first.
        Greeting = "greeting", "the greeting", [Refused];
        /// STLS.
        StartTls = "stls", "the reply to STLS", [Refused];
        /// APOP.
        Apop = "apop", "the reply to APOP", [Refused];
        /// USER.
        User = "user", "the reply to USER", [Refused];
        /// PASS.
        Pass = "pass", "the reply to PASS", [Refused];
        /// STAT.
        Stat = "stat", "the reply to STAT", [Refused];
    }
}

/// What can go wrong in a POP3 probe.
pub type Fault = dialogue::Fault<Step>;

type Result<T> = std::result::Result<T, Failure<Fault>>;

impl Check for Pop3 {
    type Fault = Fault;

    const PROTOCOL: Protocol = Protocol::Pop3;

    async fn run(&self, attempt: &mut Attempt<'_>) -> Result<Code> {
        let addresses = attempt.resolve(&self.endpoint).await.map_err(|failure| failure.map(Fault::Net))?;
        let stream = attempt.connect(&addresses).await.map_err(|failure| failure.map(Fault::Net))?;
        let mut dialogue = Dialogue::over(stream, Status);
        if self.encryption == Encryption::Implicit {
            dialogue = dialogue.encrypt(attempt, &self.tls, &self.endpoint.host).await?;
        }
        let greeting = dialogue.hear(attempt, Step::Greeting).await?;
        let greeting = led_on(&dialogue, attempt, Step::Greeting, greeting)?;
        if self.encryption == Encryption::StartTls {
            ask(&mut dialogue, attempt, Step::StartTls, &Command::new("STLS")).await?;
            dialogue = dialogue.encrypt(attempt, &self.tls, &self.endpoint.host).await?;
            // Nothing more is asked: a server that wants a client certificate says so only now.
            if self.credentials.is_none() {
                dialogue.hear_of_identity(attempt).await?;
            }
        }
        if let Some(credentials) = &self.credentials {
            dialogue.enter(Phase::Login);
            self.log_in(&mut dialogue, attempt, credentials, &greeting).await?;
            dialogue.enter(Phase::Transfer);
            let state = ask(&mut dialogue, attempt, Step::Stat, &Command::new("STAT")).await?;
            if !is_drop_listing(&state.text) {
                return Err(dialogue.misplaced(attempt, Step::Stat, &state));
            }
        }
        dialogue.take_leave(attempt, &Command::new("QUIT")).await;
        Ok(Code::success())
    }

    fn classify(fault: Fault) -> Option<Code> {
        Some(table::classify(fault).into())
    }

    fn faults() -> Vec<Fault> {
        Fault::all()
    }
}

impl Pop3 {
    /// APOP where the greeting has a timestamp for it, which does not show the password; else USER and PASS.
    async fn log_in(
        &self,
        dialogue: &mut Dialogue<Status>,
        attempt: &mut Attempt<'_>,
        credentials: &Credentials,
        greeting: &StatusReply,
    ) -> Result<()> {
        if let Some(stamp) = timestamp(&greeting.text) {
            let Credentials { username, password } = credentials;
            let digest = apop(stamp, password.expose());
            // Whoever sees it can try passwords against it.
            attempt.tainted.add_computed(&digest);
            let command = Command::secret(&format!("APOP {username}"), &digest);
            let reply = dialogue.ask(attempt, Step::Apop, &command).await?;
            let Err(refusal) = led_on(dialogue, attempt, Step::Apop, reply.clone()) else { return Ok(()) };
            // Some servers greet so and know no APOP. The password may follow only where nobody listens.
            if has_response_code(&reply.text) || self.encryption == Encryption::None {
                return Err(refusal);
            }
            let second = user_and_pass(dialogue, attempt, credentials).await;
            return second.map_err(|failure| standing(dialogue, refusal, failure));
        }
        user_and_pass(dialogue, attempt, credentials).await
    }
}

async fn user_and_pass(
    dialogue: &mut Dialogue<Status>,
    attempt: &mut Attempt<'_>,
    credentials: &Credentials,
) -> Result<()> {
    let Credentials { username, password } = credentials;
    ask(dialogue, attempt, Step::User, &Command::new(format!("USER {username}"))).await?;
    ask(dialogue, attempt, Step::Pass, &Command::secret("PASS", password.expose())).await?;
    Ok(())
}

/// The failure that stands where APOP was refused and what followed failed too: the refusal, if no answer came.
fn standing(dialogue: &Dialogue<Status>, mut refusal: Failure<Fault>, second: Failure<Fault>) -> Failure<Fault> {
    let word = match second.fault {
        Fault::At(Step::User, cause) if cause.is_no_answer() => "USER",
        Fault::At(Step::Pass, cause) if cause.is_no_answer() => "PASS",
        _ => return second,
    };
    refusal.detail += &if dialogue.heard_nothing() {
        format!(", and {word} was not answered")
    } else {
        format!(", and then {}", second.detail)
    };
    refusal
}

/// Whether a refusal says why (RFC 2449 section 8, RFC 3206): then another way to log in would meet the same.
fn has_response_code(text: &[u8]) -> bool {
    text.starts_with(b"[") && text.contains(&b']')
}

/// Says a command that the server may refuse.
async fn ask(
    dialogue: &mut Dialogue<Status>,
    attempt: &mut Attempt<'_>,
    step: Step,
    command: &Command,
) -> Result<StatusReply> {
    let reply = dialogue.ask(attempt, step, command).await?;
    led_on(dialogue, attempt, step, reply)
}

fn led_on(dialogue: &Dialogue<Status>, attempt: &Attempt<'_>, step: Step, reply: StatusReply) -> Result<StatusReply> {
    if reply.ok { Ok(reply) } else { Err(dialogue.refused(attempt, step, &reply)) }
}

/// The message id in a greeting (RFC 1939 section 7). Only what really is one: a server that may choose any bytes can
/// find the password out.
fn timestamp(greeting: &[u8]) -> Option<&[u8]> {
    let begin = memchr::memchr(b'<', greeting)?;
    let end = begin + memchr::memchr(b'>', &greeting[begin..])?;
    let (left, right) = {
        let inner = &greeting[begin + 1..end];
        inner.split_at(memchr::memchr(b'@', inner)?)
    };
    let word = |bytes: &[u8]| !bytes.is_empty() && bytes.iter().all(|byte| byte.is_ascii_graphic() && *byte != b'<');
    (word(left) && word(&right[1..])).then(|| &greeting[begin..=end])
}

/// The MD5 of timestamp and password, in lower-case hex.
fn apop(timestamp: &[u8], password: &str) -> String {
    let digest = Md5::new().chain_update(timestamp).chain_update(password).finalize();
    digest.iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
}

/// How many messages there are and how many octets they have.
fn is_drop_listing(text: &[u8]) -> bool {
    let mut words = text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let mut number = || words.next().is_some_and(|word| word.iter().all(u8::is_ascii_digit));
    number() && number()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_rfc_is_answered_as_there() {
        let stamp = timestamp(b"POP3 server ready <1896.697170952@dbc.mtview.ca.us>").expect("a timestamp");
        assert_eq!(apop(stamp, "tanstaaf"), "c4c9334bac560ecc979e58001b3e22fb");
    }

    #[test]
    fn only_a_message_id_is_a_timestamp() {
        for text in ["ready", "<a>", "<@b>", "<a@>", "<a b@c>", "<a@b", "a@b>", "<a@b\u{e4}>"] {
            assert_eq!(timestamp(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn a_drop_listing_is_two_numbers() {
        let rows =
            [("2 320", true), ("0 0 more", true), ("2", false), ("", false), ("two 320", false), ("-1 0", false)];
        for (text, wanted) in rows {
            assert_eq!(is_drop_listing(text.as_bytes()), wanted, "{text}");
        }
    }
}
