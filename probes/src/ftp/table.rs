//! The table of `cloudmonitor/ftp`: every fault and its code, in the order of the phases.
//!
//! Before the log-in everything is 611 but a well-formed answer to USER, PASS or ACCT that does not lead on (616);
//! after it everything is 610.

#![deny(clippy::wildcard_enum_match_arm)]

use crate::codes::FtpCode;
use crate::dialogue::{self, Cause};
use crate::fault::{self, Certificate, Connect, Handshake, Policy, Receive, Resolve, Send, Shutdown};
use crate::ftp_control::{Data, Fault, Step};

pub(super) fn classify(fault: Fault) -> FtpCode {
    match fault {
        Fault::Control(dialogue::Fault::Net(cause)) => before_login(cause),
        Fault::Control(dialogue::Fault::At(step, cause)) => at(step, cause),
        Fault::OnData(cause) => on_data(cause),
        Fault::Data(cause) => match cause {
            Data::NotOpened
            | Data::NotResumed
            | Data::TimedOut
            | Data::Reset
            | Data::Truncated
            | Data::Broken
            | Data::TlsBroken
            | Data::Short
            | Data::StoreNotResumed
            | Data::StoreBroken
            | Data::Unsent
            | Data::Source => FtpCode::TransferFailed,
        },
    }
}

fn at(step: Step, cause: Cause) -> FtpCode {
    match step {
        Step::Greeting | Step::AuthTls => FtpCode::OtherFailure,
        Step::User | Step::Pass | Step::Acct => match cause {
            Cause::Unavailable | Cause::NotLoggedIn | Cause::Refused => FtpCode::LoginFailed,
            Cause::Silence
            | Cause::Incomplete
            | Cause::Closed
            | Cause::Cut
            | Cause::Reset
            | Cause::Broken
            | Cause::TlsBroken
            | Cause::Malformed => FtpCode::OtherFailure,
        },
        Step::Pbsz
        | Step::Prot
        | Step::Cwd
        | Step::Type
        | Step::Size
        | Step::Epsv
        | Step::Pasv
        | Step::List
        | Step::Retr
        | Step::Feat
        | Step::Mlst
        | Step::Stor
        | Step::Stored
        | Step::Completion => FtpCode::TransferFailed,
    }
}

fn before_login(cause: fault::Fault) -> FtpCode {
    match cause {
        fault::Fault::Policy(Policy::Forbidden) => FtpCode::InternalTargetForbidden,
        fault::Fault::Resolve(cause) => resolve(cause, FtpCode::OtherFailure),
        fault::Fault::Connect(cause) => connect(cause, FtpCode::OtherFailure),
        fault::Fault::Certificate(cause) => certificate(cause, FtpCode::OtherFailure),
        fault::Fault::Handshake(cause) => handshake(cause, FtpCode::OtherFailure),
        fault::Fault::Send(cause) => send(cause, FtpCode::OtherFailure),
        fault::Fault::Receive(cause) => receive(cause, FtpCode::OtherFailure),
        fault::Fault::Shutdown(Shutdown::Unanswered) => FtpCode::OtherFailure,
    }
}

/// Neither a name nor the policy comes into a data connection, but were they to, they would come after the log-in.
fn on_data(cause: fault::Fault) -> FtpCode {
    match cause {
        fault::Fault::Policy(Policy::Forbidden) | fault::Fault::Shutdown(Shutdown::Unanswered) => {
            FtpCode::TransferFailed
        }
        fault::Fault::Resolve(cause) => resolve(cause, FtpCode::TransferFailed),
        fault::Fault::Connect(cause) => connect(cause, FtpCode::TransferFailed),
        fault::Fault::Certificate(cause) => certificate(cause, FtpCode::TransferFailed),
        fault::Fault::Handshake(cause) => handshake(cause, FtpCode::TransferFailed),
        fault::Fault::Send(cause) => send(cause, FtpCode::TransferFailed),
        fault::Fault::Receive(cause) => receive(cause, FtpCode::TransferFailed),
    }
}

fn resolve(cause: Resolve, of_leg: FtpCode) -> FtpCode {
    match cause {
        Resolve::Nxdomain
        | Resolve::Nodata
        | Resolve::Servfail
        | Resolve::Refused
        | Resolve::Rcode
        | Resolve::CnameLoop
        | Resolve::Malformed
        | Resolve::TimedOut
        | Resolve::TooSlow
        | Resolve::ServerRefused
        | Resolve::ServerUnreachable
        | Resolve::ServerClosed
        | Resolve::Certificate
        | Resolve::Tls
        | Resolve::HttpStatus
        | Resolve::InvalidName
        | Resolve::Socket => of_leg,
    }
}

fn connect(cause: Connect, of_leg: FtpCode) -> FtpCode {
    match cause {
        Connect::Socket
        | Connect::Bind
        | Connect::Refused
        | Connect::TimedOut
        | Connect::HostUnreachable
        | Connect::NetworkUnreachable
        | Connect::Other => of_leg,
    }
}

fn certificate(cause: Certificate, of_leg: FtpCode) -> FtpCode {
    match cause {
        Certificate::Expired
        | Certificate::NotYetValid
        | Certificate::NameMismatch
        | Certificate::NoName
        | Certificate::Fingerprint
        | Certificate::UntrustedRoot
        | Certificate::UnknownIssuer
        | Certificate::Signature
        | Certificate::Purpose
        | Certificate::Constraints
        | Certificate::CriticalExtension
        | Certificate::Encoding
        | Certificate::WeakKey
        | Certificate::Several
        | Certificate::Revoked
        | Certificate::Pin
        | Certificate::IssuerMismatch
        | Certificate::Staple
        | Certificate::RevocationOffline
        | Certificate::RevocationNone
        | Certificate::RevocationUnusable => of_leg,
    }
}

fn handshake(cause: Handshake, of_leg: FtpCode) -> FtpCode {
    match cause {
        Handshake::TimedOut
        | Handshake::Closed
        | Handshake::Reset
        | Handshake::NotTls
        | Handshake::NothingInCommon
        | Handshake::Fortezza
        | Handshake::ClientCertificateRequired
        | Handshake::ClientCertificateRejected
        | Handshake::ClientKeyFailed
        | Handshake::Alert
        | Handshake::Protocol
        | Handshake::Injected
        | Handshake::Other => of_leg,
    }
}

fn send(cause: Send, of_leg: FtpCode) -> FtpCode {
    match cause {
        Send::TimedOut | Send::Reset | Send::Other => of_leg,
    }
}

fn receive(cause: Receive, of_leg: FtpCode) -> FtpCode {
    match cause {
        Receive::Silence
        | Receive::NothingClosed
        | Receive::NothingReset
        | Receive::TimedOut
        | Receive::Closed
        | Receive::Reset
        | Receive::Truncated
        | Receive::Other => of_leg,
    }
}
