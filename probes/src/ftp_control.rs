//! FTP as a client speaks it: the control connection up to the log-in, and data connections that one command fills.
//!
//! Steps come in the order of RFC 959 with RFC 4217: greeting, AUTH TLS, USER, PASS, ACCT, then PBSZ and PROT, then what
//! the caller asks for. Passive mode only, EPSV first (RFC 2428), PASV where that is refused; data connections go to the
//! address of the control connection, whatever the server names. What a failure means is the caller's to say.

mod data;
mod fault;
mod port;
mod store;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::address::Endpoint;
use crate::dialogue::{Cause, Command, Dialogue, Grammar as _, Numbered, Reply, Step as _};
use crate::fault::Failure;
use crate::net::stream::show;
use crate::net::transcript::excerpt;
use crate::net::{Attempt, tls};
use crate::phases::Phase;
use crate::secret::Secret;
pub(crate) use data::{Stopped, Uncounted};
pub use fault::{Data, Fault, Step};

/// A server that announces a reply more often than this never gives it.
const MOST_ANNOUNCEMENTS: usize = 1000;

/// How TLS comes about.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Encryption {
    /// Not at all.
    #[default]
    None,
    /// By AUTH TLS after the greeting (RFC 4217).
    Explicit,
    /// Right after the connection is up; port 990.
    Implicit,
}

/// Where and how to reach a server.
#[derive(Clone, Debug)]
pub struct Server {
    /// Host and port of the control connection.
    pub endpoint: Endpoint,
    /// How TLS comes about; data connections have it wherever the control connection has.
    pub encryption: Encryption,
    /// For both.
    pub tls: Arc<tls::Client>,
}

/// Who logs in.
#[derive(Clone, Debug)]
pub struct Login {
    /// Sent with USER.
    pub username: String,
    /// Sent with PASS, if the server asks for it.
    pub password: Secret,
    /// Sent with ACCT, if the server asks for it.
    pub account: Option<Secret>,
}

/// How data are sent (RFC 959 section 3.1.1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Type {
    /// As they are: files.
    Image,
    /// As text: listings.
    Ascii,
}

/// What SIZE says of a name (RFC 3659 section 4).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Size {
    /// It is a file, of so many bytes if the server's number can be read; one over 64 bits is the largest there is.
    Of(Option<u64>),
    /// It is absent, no file, or SIZE is not known: the server does not say which.
    Unknown,
}

/// How a conversation is carried on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manners {
    /// Whether EPSV is tried before PASV.
    pub(crate) epsv: bool,
    /// How long a reply may take to begin; the run's deadline holds anyway.
    pub(crate) patience: Option<Duration>,
}

impl Default for Manners {
    fn default() -> Self {
        Self { epsv: true, patience: None }
    }
}

/// An open control connection.
#[derive(Debug)]
pub(crate) struct Control {
    dialogue: Dialogue<Numbered>,
    /// Where there is TLS, the session that data connections resume.
    session: Option<tls::Session>,
    manners: Manners,
}

/// A failure on the control connection.
fn control(failure: Failure<crate::dialogue::Fault<Step>>) -> Failure<Fault> {
    failure.map(Fault::Control)
}

/// A failure to hear what a reply had announced.
fn after(announcement: &str, step: Step, mut failure: Failure<Fault>) -> Failure<Fault> {
    failure.detail = match failure.fault {
        Fault::Control(crate::dialogue::Fault::At(_, Cause::Silence)) => {
            format!("{} was announced with {announcement} and did not come in time", step.what())
        }
        _ => format!("{}, which was announced with {announcement}", failure.detail),
    };
    failure
}

/// A failure below the control connection.
fn below(failure: Failure) -> Failure<Fault> {
    failure.map(|fault| Fault::Control(crate::dialogue::Fault::Net(fault)))
}

impl Control {
    /// Connects, encrypts if wanted, and hears the greeting.
    pub(crate) async fn open(attempt: &mut Attempt<'_>, server: &Server) -> Result<Self, Failure<Fault>> {
        let addresses = attempt.resolve(&server.endpoint).await.map_err(below)?;
        Self::open_at(attempt, server, &addresses, Manners::default()).await
    }

    /// The same at addresses that are known already.
    pub(crate) async fn open_at(
        attempt: &mut Attempt<'_>,
        server: &Server,
        addresses: &[SocketAddr],
        manners: Manners,
    ) -> Result<Self, Failure<Fault>> {
        let stream = attempt.connect(addresses).await.map_err(below)?;
        let mut open = Self { dialogue: Dialogue::over(stream, Numbered::ftp()), session: None, manners };
        if server.encryption == Encryption::Implicit {
            open = open.encrypt(attempt, server).await?;
        }
        let run = open.manners.patience.map(|patience| attempt.shorten(patience));
        let greeting = open.hear_past(attempt, Step::Greeting, |reply| reply.code == 120).await;
        if let Some(run) = run {
            attempt.lengthen(run);
        }
        let greeting = greeting?;
        open.expect(attempt, Step::Greeting, &greeting, greeting.code == 220)?;
        if server.encryption == Encryption::Explicit {
            open.ask_for(attempt, Step::AuthTls, &Command::new("AUTH TLS"), &[234]).await?;
            open = open.encrypt(attempt, server).await?;
        }
        Ok(open)
    }

    async fn encrypt(self, attempt: &mut Attempt<'_>, server: &Server) -> Result<Self, Failure<Fault>> {
        let session = attempt.resumable_session(&server.tls, &server.endpoint.host).map_err(below)?;
        let Self { dialogue, manners, .. } = self;
        let dialogue = dialogue.encrypt_in(attempt, &session).await.map_err(control)?;
        Ok(Self { dialogue, session: Some(session), manners })
    }

    /// Logs in: as much of USER, PASS and ACCT as the server asks for.
    pub(crate) async fn log_in(&mut self, attempt: &mut Attempt<'_>, login: &Login) -> Result<(), Failure<Fault>> {
        self.dialogue.enter(Phase::Login);
        let user = Command::new(format!("USER {}", login.username));
        let mut reply = self.ask_for(attempt, Step::User, &user, &[230, 331, 332]).await?;
        if reply.code == 331 {
            let pass = Command::secret("PASS", login.password.expose());
            let leads_on: &[u16] = if login.account.is_some() { &[230, 202, 332] } else { &[230, 202] };
            reply = self.ask_for(attempt, Step::Pass, &pass, leads_on).await?;
        }
        if reply.code == 332 {
            let Some(account) = &login.account else {
                let refused = self.refused(attempt, Step::User, &reply);
                let fault = Fault::Control(crate::dialogue::Fault::At(Step::Acct, crate::dialogue::Cause::Refused));
                let detail = format!("the server wants an account, and the task has none: {}", refused.detail);
                return Err(Failure { fault, detail, ..refused });
            };
            let acct = Command::secret("ACCT", account.expose());
            self.ask_for(attempt, Step::Acct, &acct, &[230, 202]).await?;
        }
        self.dialogue.enter(Phase::Transfer);
        Ok(())
    }

    /// Has data connections encrypted too, where the control connection is.
    pub(crate) async fn protect(&mut self, attempt: &mut Attempt<'_>) -> Result<(), Failure<Fault>> {
        if self.session.is_some() {
            self.ask_for(attempt, Step::Pbsz, &Command::new("PBSZ 0"), &[200]).await?;
            self.ask_for(attempt, Step::Prot, &Command::new("PROT P"), &[200]).await?;
        }
        Ok(())
    }

    /// Goes to a directory.
    pub(crate) async fn change_directory(
        &mut self,
        attempt: &mut Attempt<'_>,
        directory: &[u8],
    ) -> Result<(), Failure<Fault>> {
        self.ask_for(attempt, Step::Cwd, &Command::with("CWD", directory), &[250, 200]).await?;
        Ok(())
    }

    /// Goes to a directory if the name is one.
    pub(crate) async fn enters_directory(
        &mut self,
        attempt: &mut Attempt<'_>,
        name: &[u8],
    ) -> Result<bool, Failure<Fault>> {
        let reply = self.ask_or_end(attempt, Step::Cwd, &Command::with("CWD", name)).await?;
        Ok(matches!(reply.code, 250 | 200))
    }

    /// Says how data are to be sent.
    pub(crate) async fn set_type(&mut self, attempt: &mut Attempt<'_>, wanted: Type) -> Result<(), Failure<Fault>> {
        let command = match wanted {
            Type::Image => "TYPE I",
            Type::Ascii => "TYPE A",
        };
        self.ask_for(attempt, Step::Type, &Command::new(command), &[200]).await?;
        Ok(())
    }

    /// Asks for the size of a file.
    pub(crate) async fn size(&mut self, attempt: &mut Attempt<'_>, name: &[u8]) -> Result<Size, Failure<Fault>> {
        let reply = self.ask_or_end(attempt, Step::Size, &Command::with("SIZE", name)).await?;
        if reply.code != 213 {
            return Ok(Size::Unknown);
        }
        let number = std::str::from_utf8(reply.last().trim_ascii()).ok();
        // `parse` takes a plus sign, and SIZE has none.
        let number = number.filter(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()));
        Ok(Size::Of(number.map(|text| text.parse().unwrap_or(u64::MAX))))
    }

    /// Whether the server says that it has a feature.
    pub(crate) async fn has_feature(&mut self, attempt: &mut Attempt<'_>, name: &str) -> Result<bool, Failure<Fault>> {
        let reply = self.ask_or_end(attempt, Step::Feat, &Command::new("FEAT")).await?;
        let named = |line: &[u8]| {
            let line = line.trim_ascii();
            let word = line.split(u8::is_ascii_whitespace).next().unwrap_or_default();
            word.eq_ignore_ascii_case(name.as_bytes())
        };
        // The features stand between the first line and the last (RFC 2389 section 3.2).
        let features = reply.lines.get(1..reply.lines.len().saturating_sub(1)).unwrap_or_default();
        Ok(reply.code == 211 && features.iter().any(|line| named(line)))
    }

    /// Asks for the facts of a name; `None` is another answer than that it is there or not (RFC 3659 section 7).
    pub(crate) async fn is_there(
        &mut self,
        attempt: &mut Attempt<'_>,
        name: &[u8],
    ) -> Result<Option<bool>, Failure<Fault>> {
        let reply = self.ask_or_end(attempt, Step::Mlst, &Command::with("MLST", name)).await?;
        Ok(match reply.code {
            250 => Some(true),
            550 => Some(false),
            _ => None,
        })
    }

    /// Takes leave. The run's verdict stands already, so that nothing that happens here counts.
    pub(crate) async fn quit(&mut self, attempt: &mut Attempt<'_>) {
        self.dialogue.take_leave(attempt, &Command::new("QUIT")).await;
    }

    /// Ends TLS on the control connection, where the task is strict about that.
    pub(crate) async fn end_tls(&self, attempt: &mut Attempt<'_>) -> Result<(), Failure<Fault>> {
        attempt.end_tls_in(Phase::Transfer, &self.dialogue.tap()).await.map_err(below)
    }

    /// Asks, and fails unless the answer is one of those that lead on.
    async fn ask_for(
        &mut self,
        attempt: &mut Attempt<'_>,
        step: Step,
        command: &Command,
        lead_on: &[u16],
    ) -> Result<Reply, Failure<Fault>> {
        let reply = self.ask_patiently(attempt, step, command).await?;
        self.expect(attempt, step, &reply, lead_on.contains(&reply.code))?;
        Ok(reply)
    }

    /// Asks for what a server may refuse; fails only where it goes away.
    async fn ask_or_end(
        &mut self,
        attempt: &mut Attempt<'_>,
        step: Step,
        command: &Command,
    ) -> Result<Reply, Failure<Fault>> {
        let reply = self.ask_patiently(attempt, step, command).await?;
        self.expect(attempt, step, &reply, reply.code != 421)?;
        Ok(reply)
    }

    /// Asks, and waits for the reply no longer than the task says.
    async fn ask_patiently(
        &mut self,
        attempt: &mut Attempt<'_>,
        step: Step,
        command: &Command,
    ) -> Result<Reply, Failure<Fault>> {
        let run = self.manners.patience.map(|patience| attempt.shorten(patience));
        let reply = self.dialogue.ask(attempt, step, command).await.map_err(control);
        if let Some(run) = run {
            attempt.lengthen(run);
        }
        reply
    }

    /// Hears a reply and waits out those that only announce it.
    async fn hear_past(
        &mut self,
        attempt: &mut Attempt<'_>,
        step: Step,
        announces: impl Fn(&Reply) -> bool,
    ) -> Result<Reply, Failure<Fault>> {
        let mut reply = self.dialogue.hear(attempt, step).await.map_err(control)?;
        for _ in 0..MOST_ANNOUNCEMENTS {
            if !announces(&reply) {
                break;
            }
            let announcement = show(&attempt.conditions.secrets, excerpt(&Numbered::said(&reply)));
            let next = self.dialogue.hear(attempt, step).await.map_err(control);
            reply = next.map_err(|failure| after(&announcement, step, failure))?;
        }
        Ok(reply)
    }

    fn expect(&self, attempt: &Attempt<'_>, step: Step, reply: &Reply, leads_on: bool) -> Result<(), Failure<Fault>> {
        if leads_on { Ok(()) } else { Err(self.refused(attempt, step, reply)) }
    }

    fn refused(&self, attempt: &Attempt<'_>, step: Step, reply: &Reply) -> Failure<Fault> {
        control(self.dialogue.refused(attempt, step, reply))
    }
}
