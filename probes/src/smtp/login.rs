//! AUTH by what the server offers (RFC 4954): PLAIN (RFC 4616), LOGIN, CRAM-MD5 (RFC 2195).
//!
//! Where TLS hides the conversation the password may go as it is; in clear text CRAM-MD5 is preferred, which does not
//! show it.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use hmac::{Hmac, KeyInit as _, Mac as _};
use md5::Md5;

use super::{Fault, Offers, Result, Shortcoming, Step, Talk, in_dialogue, short};
use crate::dialogue::{Command, Credentials, Reply};
use crate::fault::Failure;

/// A way to prove who one is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Method {
    Plain,
    Login,
    CramMd5,
}

impl Method {
    const fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::Login => "LOGIN",
            Self::CramMd5 => "CRAM-MD5",
        }
    }

    /// The best of what is on offer.
    fn choose(offers: &Offers, encrypted: bool) -> Option<Self> {
        let order = if encrypted {
            [Self::Plain, Self::Login, Self::CramMd5]
        } else {
            [Self::CramMd5, Self::Plain, Self::Login]
        };
        order.into_iter().find(|method| offers.words("AUTH").any(|offered| offered == method.name()))
    }
}

impl Talk<'_, '_> {
    /// The method to log in by.
    pub(super) fn choose(&self, offers: &Offers) -> Result<Method> {
        Method::choose(offers, self.encrypted).ok_or_else(|| {
            let offered: Vec<_> = offers.words("AUTH").collect();
            let detail = match offered.as_slice() {
                [] => offers.lack("AUTH"),
                _ => format!("the server offers AUTH {}, of which the agent speaks none", offered.join(" ")),
            };
            short(Shortcoming::NoAuth, detail)
        })
    }

    pub(super) async fn log_in(&mut self, method: Method, credentials: &Credentials) -> Result<()> {
        let Credentials { username, password } = credentials;
        let verdict = match method {
            Method::Plain => {
                let proof = BASE64_STANDARD.encode(format!("\0{username}\0{}", password.expose()));
                let reply = self.ask(Step::Auth, &Command::secret("AUTH PLAIN", &proof)).await?;
                // A server may overlook what came with the command, and ask for it.
                if reply.code == 334 { self.answer(&proof).await? } else { reply }
            }
            Method::Login => {
                let mut reply = self.ask(Step::Auth, &Command::new("AUTH LOGIN")).await?;
                for word in [username.as_str(), password.expose()] {
                    match reply.code {
                        334 => reply = self.answer(&BASE64_STANDARD.encode(word)).await?,
                        // Nobody has proved anything yet.
                        200..300 => return Err(self.malformed(&reply)),
                        _ => break,
                    }
                }
                reply
            }
            Method::CramMd5 => {
                let reply = self.ask(Step::Auth, &Command::new("AUTH CRAM-MD5")).await?;
                if reply.code == 334 { self.answer_challenge(credentials, &reply).await? } else { reply }
            }
        };
        match verdict.code {
            235 => Ok(()),
            // Neither yes nor no: the server has lost its place (RFC 4954 section 6).
            100..400 => Err(self.malformed(&verdict)),
            _ => Err(self.refused(Step::Auth, &verdict)),
        }
    }

    /// One more line of the proof.
    async fn answer(&mut self, line: &str) -> Result<Reply> {
        self.ask(Step::Auth, &Command::secret("", line)).await
    }

    /// The HMAC of the server's challenge under the password.
    async fn answer_challenge(&mut self, credentials: &Credentials, reply: &Reply) -> Result<Reply> {
        let Ok(challenge) = BASE64_STANDARD.decode(reply.last().trim_ascii()) else {
            return Err(self.malformed(reply));
        };
        let digest = cram_md5(credentials.password.expose(), &challenge);
        let proof = BASE64_STANDARD.encode(format!("{} {digest}", credentials.username));
        // Whoever sees it can try passwords against it.
        self.attempt.tainted.add_computed(&digest);
        self.attempt.tainted.add(&proof);
        self.answer(&proof).await
    }

    fn malformed(&self, reply: &Reply) -> Failure<Fault> {
        in_dialogue(self.dialogue.misplaced(self.attempt, Step::Auth, reply))
    }
}

/// RFC 2195: the keyed MD5 of the challenge, in lower-case hex.
fn cram_md5(password: &str, challenge: &[u8]) -> String {
    let mut mac = Hmac::<Md5>::new_from_slice(password.as_bytes())
        .unwrap_or_else(|error| unreachable!("HMAC takes keys of any length: {error}"));
    mac.update(challenge);
    mac.finalize().into_bytes().iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_challenge_of_the_rfc_is_answered_as_there() {
        let challenge = b"<1896.697170952@postoffice.reston.mci.net>";
        assert_eq!(cram_md5("tanstaaftanstaaf", challenge), "b913a602c7eda7a495b4e6e7334d3890");
    }

    #[test]
    fn the_password_is_not_shown_where_that_can_be_helped() {
        let offers = |line: &str| Offers { lines: vec![line.to_owned()], refusal: None };
        let rows = [
            ("AUTH PLAIN LOGIN CRAM-MD5", true, Some(Method::Plain)),
            ("AUTH PLAIN LOGIN CRAM-MD5", false, Some(Method::CramMd5)),
            ("AUTH=LOGIN", true, Some(Method::Login)),
            ("AUTH XOAUTH2 SCRAM-SHA-1", true, None),
            ("AUTH", true, None),
            ("AUTHENTICATE PLAIN", true, None),
        ];
        for (line, encrypted, wanted) in rows {
            assert_eq!(Method::choose(&offers(line), encrypted), wanted, "{line}");
        }
    }
}
