//! The table of `cloudmonitor/smtp`: every fault and its code, in the order of the phases.

#![deny(clippy::wildcard_enum_match_arm)]

use super::{Fault, Shortcoming, Step};
use crate::codes::SmtpCode;
use crate::dialogue::{self, Cause};
use crate::fault::{self, Connect, Handshake, Policy};

pub(super) fn classify(fault: Fault) -> SmtpCode {
    match fault {
        Fault::Dialogue(dialogue::Fault::Net(fault)) => net(fault),
        Fault::Dialogue(dialogue::Fault::At(step, cause)) => at(step, cause),
        Fault::Shortcoming(Shortcoming::NoAuth) => SmtpCode::LoginRefused,
        Fault::Shortcoming(Shortcoming::MalformedAddress | Shortcoming::NoStartTls | Shortcoming::StartTlsTimedOut) => {
            SmtpCode::Unreachable
        }
    }
}

fn net(fault: fault::Fault) -> SmtpCode {
    match fault {
        fault::Fault::Policy(Policy::Forbidden) => SmtpCode::InternalTargetForbidden,
        // The handshake of implicit TLS: one after STARTTLS has a fault of its own.
        fault::Fault::Connect(Connect::TimedOut) | fault::Fault::Handshake(Handshake::TimedOut) => {
            SmtpCode::ConnectTimeout
        }
        fault::Fault::Connect(
            Connect::Socket
            | Connect::Bind
            | Connect::Refused
            | Connect::HostUnreachable
            | Connect::NetworkUnreachable
            | Connect::Other,
        )
        | fault::Fault::Handshake(
            Handshake::Closed
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
            | Handshake::Other,
        )
        | fault::Fault::Resolve(_)
        | fault::Fault::Certificate(_)
        | fault::Fault::Send(_)
        | fault::Fault::Receive(_)
        | fault::Fault::Shutdown(_) => SmtpCode::Unreachable,
    }
}

fn at(step: Step, cause: Cause) -> SmtpCode {
    match (step, cause) {
        (Step::Greeting, Cause::Silence | Cause::Incomplete) => SmtpCode::ConnectTimeout,
        (Step::Auth, Cause::Refused | Cause::NotLoggedIn) => SmtpCode::LoginRefused,
        (
            Step::Greeting,
            Cause::Closed
            | Cause::Cut
            | Cause::Reset
            | Cause::Broken
            | Cause::TlsBroken
            | Cause::Malformed
            | Cause::Unavailable
            | Cause::NotLoggedIn
            | Cause::Refused,
        )
        | (
            Step::Auth,
            Cause::Silence
            | Cause::Incomplete
            | Cause::Closed
            | Cause::Cut
            | Cause::Reset
            | Cause::Broken
            | Cause::TlsBroken
            | Cause::Malformed
            | Cause::Unavailable,
        )
        | (Step::Ehlo | Step::StartTls | Step::Mail | Step::Recipient, _) => SmtpCode::Unreachable,
    }
}
