//! The table of `cloudmonitor/http`: every fault and its code, in the order of the phases.

#![deny(clippy::wildcard_enum_match_arm)]

use crate::codes::{Code, HttpCode};
use crate::exchange::Broken;
use crate::fault::{self, Certificate, Connect, Handshake, Policy, Receive, Resolve, Send, Shutdown};
use crate::request::{Fault, Unwanted};

pub(super) fn classify(fault: Fault) -> Code {
    match fault {
        Fault::Net(fault) | Fault::Proxy(fault) => net(fault).into(),
        Fault::Broken(broken) => exchange(broken).into(),
        Fault::Unwanted(unwanted) => response(unwanted).into(),
        Fault::Status(status) | Fault::ProxyStatus(status) => Code::status(status),
    }
}

fn net(fault: fault::Fault) -> HttpCode {
    match fault {
        fault::Fault::Policy(Policy::Forbidden) => HttpCode::InternalTargetForbidden,
        fault::Fault::Resolve(cause) => resolve(cause),
        fault::Fault::Connect(cause) => connect(cause),
        fault::Fault::Certificate(cause) => certificate(cause),
        fault::Fault::Handshake(cause) => handshake(cause),
        fault::Fault::Send(cause) => match cause {
            Send::TimedOut => HttpCode::Timeout,
            Send::Reset | Send::Other => HttpCode::OtherFailure,
        },
        fault::Fault::Receive(cause) => match cause {
            Receive::Silence | Receive::TimedOut => HttpCode::Timeout,
            Receive::NothingClosed
            | Receive::NothingReset
            | Receive::Closed
            | Receive::Reset
            | Receive::Truncated
            | Receive::Other => HttpCode::OtherFailure,
        },
        fault::Fault::Shutdown(Shutdown::Unanswered) => HttpCode::OtherFailure,
    }
}

fn resolve(cause: Resolve) -> HttpCode {
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
        | Resolve::Socket => HttpCode::DnsFailed,
    }
}

fn connect(cause: Connect) -> HttpCode {
    match cause {
        Connect::TimedOut => HttpCode::Timeout,
        Connect::Socket
        | Connect::Bind
        | Connect::Refused
        | Connect::HostUnreachable
        | Connect::NetworkUnreachable
        | Connect::Other => HttpCode::OtherFailure,
    }
}

fn certificate(cause: Certificate) -> HttpCode {
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
        | Certificate::RevocationUnusable => HttpCode::OtherFailure,
    }
}

fn handshake(cause: Handshake) -> HttpCode {
    match cause {
        Handshake::TimedOut => HttpCode::Timeout,
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
        | Handshake::Other => HttpCode::OtherFailure,
    }
}

fn exchange(broken: Broken) -> HttpCode {
    match broken {
        Broken::Malformed
        | Broken::Http2
        | Broken::TransferEncoding
        | Broken::BodyEncoding
        | Broken::NoHttp2
        | Broken::StreamReset
        | Broken::Goaway
        | Broken::Source => HttpCode::OtherFailure,
        Broken::BodyUnsent => HttpCode::Timeout,
    }
}

fn response(unwanted: Unwanted) -> HttpCode {
    match unwanted {
        Unwanted::RedirectUnusable | Unwanted::RedirectSecret | Unwanted::ProxyMalformed => HttpCode::OtherFailure,
        Unwanted::RedirectTooMany => HttpCode::TooManyRedirects,
        Unwanted::LoginRefused => HttpCode::AuthFailed,
        Unwanted::Status
        | Unwanted::Tls
        | Unwanted::Header
        | Unwanted::TextAbsent
        | Unwanted::TextPresent
        | Unwanted::Regex
        | Unwanted::Json => HttpCode::ContentMismatch,
    }
}
