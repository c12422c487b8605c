//! The table of `cloudmonitor/tcp`: every fault and its code, in the order of the phases.

#![deny(clippy::wildcard_enum_match_arm)]

use super::{Content, Fault};
use crate::codes::TcpCode;
use crate::fault::{self, Certificate, Connect, Handshake, Policy, Receive, Resolve, Send, Shutdown};

pub(super) fn classify(fault: Fault) -> TcpCode {
    match fault {
        Fault::Net(fault::Fault::Policy(Policy::Forbidden)) => TcpCode::InternalTargetForbidden,
        Fault::Net(fault::Fault::Resolve(cause)) => resolve(cause),
        Fault::Net(fault::Fault::Connect(cause)) => connect(cause),
        Fault::Net(fault::Fault::Certificate(cause)) => certificate(cause),
        Fault::Net(fault::Fault::Handshake(cause)) => handshake(cause),
        Fault::Net(fault::Fault::Send(cause)) => match cause {
            Send::TimedOut | Send::Reset | Send::Other => TcpCode::ReplyFailed,
        },
        Fault::Net(fault::Fault::Receive(cause)) => match cause {
            Receive::Silence
            | Receive::NothingClosed
            | Receive::NothingReset
            | Receive::TimedOut
            | Receive::Closed
            | Receive::Reset
            | Receive::Truncated
            | Receive::Other => TcpCode::ReplyFailed,
        },
        Fault::Net(fault::Fault::Shutdown(Shutdown::Unanswered)) => TcpCode::ConnectFailed,
        Fault::Content(Content::Absent) => TcpCode::ContentMismatch,
    }
}

fn resolve(cause: Resolve) -> TcpCode {
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
        | Resolve::Socket => TcpCode::ConnectFailed,
    }
}

fn connect(cause: Connect) -> TcpCode {
    match cause {
        Connect::Socket | Connect::Bind => TcpCode::SocketFailed,
        Connect::Refused
        | Connect::TimedOut
        | Connect::HostUnreachable
        | Connect::NetworkUnreachable
        | Connect::Other => TcpCode::ConnectFailed,
    }
}

fn certificate(cause: Certificate) -> TcpCode {
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
        | Certificate::RevocationUnusable => TcpCode::ConnectFailed,
    }
}

fn handshake(cause: Handshake) -> TcpCode {
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
        | Handshake::Other => TcpCode::ConnectFailed,
    }
}
