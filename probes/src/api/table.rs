//! The table of `cat-api/api`: every fault and its code, in the order of the phases.

#![deny(clippy::wildcard_enum_match_arm)]

use http::StatusCode;

use super::fault::{Answer, Data, Fault, Limit};
use crate::codes::{ApiCode, Code};
use crate::exchange::Broken;
use crate::fault::{self, Certificate, Connect, Datagram, Handshake, Policy, Receive, Resolve, Send, Shutdown};
use crate::request::{self, Unwanted};

pub(super) fn classify(fault: Fault) -> Code {
    match fault {
        Fault::Data(Data::Send) => ApiCode::SendDataInvalid.into(),
        Fault::Data(Data::Verify) => ApiCode::VerifyDataInvalid.into(),
        Fault::Datagram(fault) => datagram(fault).into(),
        Fault::Net(fault) | Fault::Http(request::Fault::Net(fault) | request::Fault::Proxy(fault)) => net(fault).into(),
        Fault::Http(request::Fault::Broken(broken)) => exchange(broken).into(),
        Fault::Http(request::Fault::Unwanted(unwanted)) => response(unwanted),
        Fault::Http(request::Fault::Status(status) | request::Fault::ProxyStatus(status)) => handed_on(status),
        Fault::Answer(Answer::NothingBroken) => ApiCode::NoResponse.into(),
        Fault::Answer(Answer::Full | Answer::Partial | Answer::Md5 | Answer::Extract) => ApiCode::VerifyFailed.into(),
        Fault::Limit(Limit::Step) => ApiCode::StepTimeout.into(),
        Fault::Limit(Limit::Round | Limit::Task) => ApiCode::RoundTimeout.into(),
    }
}

/// Statuses of failure are the code; a proxy may refuse a tunnel with another one.
fn handed_on(status: u16) -> Code {
    if status < StatusCode::BAD_REQUEST.as_u16() { ApiCode::VerifyFailed.into() } else { Code::status(status) }
}

fn net(fault: fault::Fault) -> ApiCode {
    match fault {
        fault::Fault::Policy(Policy::Forbidden) => ApiCode::ConnectFailed,
        fault::Fault::Resolve(cause) => resolve(cause),
        fault::Fault::Connect(cause) => connect(cause),
        fault::Fault::Certificate(cause) => certificate(cause),
        fault::Fault::Handshake(cause) => handshake(cause),
        fault::Fault::Send(cause) => match cause {
            Send::TimedOut | Send::Reset | Send::Other => ApiCode::SendFailed,
        },
        fault::Fault::Receive(cause) => match cause {
            Receive::Silence | Receive::NothingClosed | Receive::NothingReset => ApiCode::NoResponse,
            Receive::TimedOut | Receive::Closed | Receive::Reset | Receive::Truncated | Receive::Other => {
                ApiCode::VerifyFailed
            }
        },
        fault::Fault::Shutdown(Shutdown::Unanswered) => ApiCode::TlsHandshakeFailed,
    }
}

fn resolve(cause: Resolve) -> ApiCode {
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
        | Resolve::Socket => ApiCode::DnsFailed,
    }
}

fn connect(cause: Connect) -> ApiCode {
    match cause {
        Connect::Socket
        | Connect::Bind
        | Connect::Refused
        | Connect::TimedOut
        | Connect::HostUnreachable
        | Connect::NetworkUnreachable
        | Connect::Other => ApiCode::ConnectFailed,
    }
}

fn certificate(cause: Certificate) -> ApiCode {
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
        | Certificate::RevocationUnusable => ApiCode::TlsHandshakeFailed,
    }
}

fn handshake(cause: Handshake) -> ApiCode {
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
        | Handshake::Other => ApiCode::TlsHandshakeFailed,
    }
}

/// Opening the socket is the connection of UDP; everything else is heard of once something was sent.
fn datagram(cause: Datagram) -> ApiCode {
    match cause {
        Datagram::Socket | Datagram::Bind => ApiCode::ConnectFailed,
        Datagram::PortUnreachable
        | Datagram::HostUnreachable
        | Datagram::NetworkUnreachable
        | Datagram::Prohibited
        | Datagram::TimeExceeded
        | Datagram::Icmp
        | Datagram::TooLarge
        | Datagram::Forbidden
        | Datagram::Other => ApiCode::NoResponse,
    }
}

fn exchange(broken: Broken) -> ApiCode {
    match broken {
        Broken::Malformed
        | Broken::Http2
        | Broken::TransferEncoding
        | Broken::BodyEncoding
        | Broken::StreamReset
        | Broken::Goaway => ApiCode::VerifyFailed,
        // The handshake is where the version is agreed on.
        Broken::NoHttp2 => ApiCode::TlsHandshakeFailed,
        Broken::BodyUnsent | Broken::Source => ApiCode::SendFailed,
    }
}

fn response(unwanted: Unwanted) -> Code {
    match unwanted {
        Unwanted::LoginRefused => Code::status(StatusCode::UNAUTHORIZED.as_u16()),
        Unwanted::RedirectUnusable
        | Unwanted::RedirectTooMany
        | Unwanted::RedirectSecret
        | Unwanted::Status
        | Unwanted::Tls
        | Unwanted::Header
        | Unwanted::TextAbsent
        | Unwanted::TextPresent
        | Unwanted::Regex
        | Unwanted::Json
        | Unwanted::ProxyMalformed => ApiCode::VerifyFailed.into(),
    }
}
