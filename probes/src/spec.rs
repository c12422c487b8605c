//! The one list of protocols.

use crate::api::Api;
use crate::check::Check;
use crate::codes::{Code, Protocol};
use crate::dns::Dns;
use crate::fault::{Named as _, Side};
use crate::ftp::Ftp;
use crate::http::Http;
use crate::net::{Conditions, Host};
use crate::object::Object;
use crate::outcome::{Identity, Idle, Outcome, PANIC, PANIC_MEANING, perform};
use crate::ping::Ping;
use crate::pop3::Pop3;
use crate::smtp::Smtp;
use crate::tcp::Tcp;
use crate::transfer::Transfer;
use crate::udp::Udp;

/// What a task probes, of whatever protocol.
#[derive(Debug)]
pub enum Spec {
    /// HTTP and HTTPS.
    Http(Box<Http>),
    /// PING.
    Ping(Ping),
    /// TCP.
    Tcp(Tcp),
    /// UDP.
    Udp(Udp),
    /// DNS.
    Dns(Box<Dns>),
    /// SMTP.
    Smtp(Smtp),
    /// POP3.
    Pop3(Pop3),
    /// FTP.
    Ftp(Ftp),
    /// File transfer.
    Transfer(Box<Transfer>),
    /// Steps of API monitoring.
    Api(Api),
    /// Object storage.
    Object(Box<Object>),
}

/// One fault as one protocol reports it.
#[derive(Clone, Copy, Debug)]
pub struct Reported {
    /// The protocol.
    pub protocol: Protocol,
    /// The fault's name.
    pub fault: &'static str,
    /// Whose fault it is.
    pub side: Side,
    /// What happened.
    pub meaning: &'static str,
    /// The code it gets; none where it is the agent's own error.
    pub code: Option<Code>,
}

impl Spec {
    /// The protocols that can be probed.
    pub const PROTOCOLS: [Protocol; 11] = [
        Http::PROTOCOL,
        Ping::PROTOCOL,
        Tcp::PROTOCOL,
        Udp::PROTOCOL,
        Dns::PROTOCOL,
        Smtp::PROTOCOL,
        Pop3::PROTOCOL,
        Ftp::PROTOCOL,
        Transfer::PROTOCOL,
        Api::PROTOCOL,
        Object::PROTOCOL,
    ];

    /// The protocol.
    #[must_use]
    pub const fn protocol(&self) -> Protocol {
        match self {
            Self::Http(_) => Http::PROTOCOL,
            Self::Ping(_) => Ping::PROTOCOL,
            Self::Tcp(_) => Tcp::PROTOCOL,
            Self::Udp(_) => Udp::PROTOCOL,
            Self::Dns(_) => Dns::PROTOCOL,
            Self::Smtp(_) => Smtp::PROTOCOL,
            Self::Pop3(_) => Pop3::PROTOCOL,
            Self::Ftp(_) => Ftp::PROTOCOL,
            Self::Transfer(_) => Transfer::PROTOCOL,
            Self::Api(_) => Api::PROTOCOL,
            Self::Object(_) => Object::PROTOCOL,
        }
    }

    /// Runs the check once.
    pub async fn run(&self, identity: &Identity, host: &Host, conditions: &Conditions) -> Outcome {
        match self {
            Self::Http(check) => perform(check.as_ref(), identity, host, conditions).await,
            Self::Ping(check) => perform(check, identity, host, conditions).await,
            Self::Tcp(check) => perform(check, identity, host, conditions).await,
            Self::Udp(check) => perform(check, identity, host, conditions).await,
            Self::Dns(check) => perform(check.as_ref(), identity, host, conditions).await,
            Self::Smtp(check) => perform(check, identity, host, conditions).await,
            Self::Pop3(check) => perform(check, identity, host, conditions).await,
            Self::Ftp(check) => perform(check, identity, host, conditions).await,
            Self::Transfer(check) => perform(check.as_ref(), identity, host, conditions).await,
            Self::Api(check) => perform(check, identity, host, conditions).await,
            Self::Object(check) => perform(check.as_ref(), identity, host, conditions).await,
        }
    }

    /// Every fault that any protocol can report, with the code it gets there; those of the agent itself come last.
    #[must_use]
    pub fn faults() -> Vec<Reported> {
        let mut all = faults_of::<Http>();
        all.extend(faults_of::<Ping>());
        all.extend(faults_of::<Tcp>());
        all.extend(faults_of::<Udp>());
        all.extend(faults_of::<Dns>());
        all.extend(faults_of::<Smtp>());
        all.extend(faults_of::<Pop3>());
        all.extend(faults_of::<Ftp>());
        all.extend(faults_of::<Transfer>());
        all.extend(faults_of::<Api>());
        all.extend(faults_of::<Object>());
        all.extend(Self::PROTOCOLS.into_iter().flat_map(own_faults));
        all
    }
}

/// What a run of any protocol can come to without saying anything about its target.
fn own_faults(protocol: Protocol) -> impl Iterator<Item = Reported> {
    let idle = Idle::ALL.into_iter().map(|idle| (idle.fault(), idle.meaning()));
    let own = std::iter::once((PANIC, PANIC_MEANING)).chain(idle);
    own.map(move |(fault, meaning)| Reported { protocol, fault, side: Side::Agent, meaning, code: None })
}

fn faults_of<C: Check>() -> Vec<Reported> {
    let report = |fault: C::Fault| Reported {
        protocol: C::PROTOCOL,
        fault: fault.name(),
        side: fault.side(),
        meaning: fault.meaning(),
        code: C::classify(fault),
    };
    C::faults().into_iter().map(report).collect()
}
