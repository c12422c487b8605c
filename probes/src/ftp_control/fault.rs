//! What can go wrong in FTP, on either leg: the control connection, or the data connection.

use std::collections::HashMap;
use std::sync::OnceLock;

use crate::dialogue::{self, steps};
use crate::fault::{self, Named, Side, faults};

steps! {
    /// A step on the control connection.
    pub enum Step of "ftp" {
        /// The line with which the server begins.
        Greeting = "greeting", "the greeting", [Unavailable, Refused];
        /// AUTH TLS (RFC 4217).
        AuthTls = "auth_tls", "the reply to AUTH TLS", [Unavailable, Refused];
        /// USER.
        User = "user", "the reply to USER", [Unavailable, NotLoggedIn, Refused];
        /// PASS.
        Pass = "pass", "the reply to PASS", [Unavailable, NotLoggedIn, Refused];
        /// ACCT.
        Acct = "acct", "the reply to ACCT", [Unavailable, NotLoggedIn, Refused];
        /// PBSZ (RFC 4217).
        Pbsz = "pbsz", "the reply to PBSZ", [Unavailable, Refused];
        /// PROT (RFC 4217).
        Prot = "prot", "the reply to PROT", [Unavailable, Refused];
        /// CWD.
        Cwd = "cwd", "the reply to CWD", [Unavailable, Refused];
        /// TYPE.
        Type = "type", "the reply to TYPE", [Unavailable, Refused];
        /// SIZE (RFC 3659); a refusal only leaves the size open.
        Size = "size", "the reply to SIZE", [Unavailable];
        /// EPSV (RFC 2428); after a refusal PASV is tried.
        Epsv = "epsv", "the reply to EPSV", [Unavailable];
        /// PASV.
        Pasv = "pasv", "the reply to PASV", [Unavailable, Refused];
        /// LIST, up to its first reply.
        List = "list", "the reply to LIST", [Unavailable, Refused];
        /// RETR, up to its first reply.
        Retr = "retr", "the reply to RETR", [Unavailable, Refused];
        /// FEAT (RFC 2389); after a refusal the server has no features.
        Feat = "feat", "the reply to FEAT", [Unavailable];
        /// MLST (RFC 3659).
        Mlst = "mlst", "the reply to MLST", [Unavailable];
        /// STOR, up to its first reply.
        Stor = "stor", "the reply to STOR", [Unavailable, Refused];
        /// The reply that follows a file that was stored.
        Stored = "stored", "the reply after the stored file", [Unavailable, Refused];
        /// The reply that follows the data.
        Completion = "completion", "the reply after the data", [Unavailable, Refused];
    }
}

faults! {
    /// What can go wrong with a data connection that is not of TCP or TLS alone.
    pub enum Data {
        /// The server could not open the data connection (425).
        NotOpened = "ftp.data.not_opened", Target;
        /// The server wants the data connection to resume the TLS session of the control connection (522, RFC 4217).
        NotResumed = "ftp.data.not_resumed", Target;
        /// The data were not complete in time.
        TimedOut = "ftp.data.timeout", Target;
        /// The peer reset the data connection.
        Reset = "ftp.data.reset", Target;
        /// TLS ended on the data connection without `close_notify`: data may be missing.
        Truncated = "ftp.data.truncated", Target;
        /// The kernel reported another error on the data connection.
        Broken = "ftp.data.broken", Path;
        /// The peer broke TLS on the data connection.
        TlsBroken = "ftp.data.tls_broken", Target;
        /// Fewer bytes came than SIZE had said.
        Short = "ftp.data.short", Target;
        /// The server wants the data connection of a file to be stored to resume the TLS session (522, RFC 4217).
        StoreNotResumed = "ftp.data.store_not_resumed", Target;
        /// The data connection broke under a file to be stored, in another way than by a reset.
        StoreBroken = "ftp.data.store_broken", Target;
        /// The data of a file to be stored were not taken in time.
        Unsent = "ftp.data.unsent", Target;
        /// What was to be stored could not be read to its end.
        Source = "ftp.data.source", Agent;
    }
}

/// What can go wrong, and on which leg.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Fault {
    /// On the control connection.
    Control(dialogue::Fault<Step>),
    /// Connecting and encrypting the data connection.
    OnData(fault::Fault),
    /// On the open data connection.
    Data(Data),
}

impl Fault {
    /// Every fault, in the order of the phases.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let mut all: Vec<_> = dialogue::Fault::all().into_iter().map(Self::Control).collect();
        all.extend(fault::Fault::all().into_iter().filter(|fault| of_data(*fault)).map(Self::OnData));
        all.extend(Data::ALL.iter().copied().map(Self::Data));
        all
    }
}

impl Named for Fault {
    fn name(self) -> &'static str {
        match self {
            Self::Control(fault) => fault.name(),
            Self::OnData(fault) => name_on_data(fault),
            Self::Data(data) => data.name(),
        }
    }

    fn side(self) -> Side {
        match self {
            Self::Control(fault) => fault.side(),
            Self::OnData(fault) => fault.side(),
            Self::Data(data) => data.side(),
        }
    }

    fn meaning(self) -> &'static str {
        match self {
            Self::Control(fault) => fault.meaning(),
            Self::OnData(fault) => fault.meaning(),
            Self::Data(data) => data.meaning(),
        }
    }
}

/// Whether a fault can happen to a data connection outside its data.
const fn of_data(fault: fault::Fault) -> bool {
    matches!(
        fault,
        fault::Fault::Connect(_)
            | fault::Fault::Certificate(_)
            | fault::Fault::Handshake(_)
            | fault::Fault::Shutdown(_)
    )
}

/// The name that says that it was the data connection: `ftp.passive.refused`, `ftp.data.tls.certificate.expired`.
fn name_on_data(fault: fault::Fault) -> &'static str {
    static NAMES: OnceLock<HashMap<fault::Fault, String>> = OnceLock::new();
    let names = NAMES.get_or_init(|| {
        let named = |fault: fault::Fault| match fault.name().strip_prefix("connect.") {
            Some(cause) => (fault, format!("ftp.passive.{cause}")),
            None => (fault, format!("ftp.data.{}", fault.name())),
        };
        fault::Fault::all().into_iter().map(named).collect()
    });
    &names[&fault]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::{Certificate, Connect};

    #[test]
    fn names_tell_the_legs_apart() {
        assert_eq!(Fault::OnData(Connect::Refused.into()).name(), "ftp.passive.refused");
        assert_eq!(Fault::OnData(Certificate::Expired.into()).name(), "ftp.data.tls.certificate.expired");
        let mut names: Vec<_> = Fault::all().into_iter().map(Named::name).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
