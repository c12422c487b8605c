//! The table of `cat-transfer`: every fault and its code, in the order in which a transfer meets them.

#![deny(clippy::wildcard_enum_match_arm)]

mod ftp;

use super::fault::{Content, Fault, Leg, Lookup, Redirect, Task, Unsent};
use crate::codes::{Code, TransferCode};
use crate::exchange::Broken;
use crate::fault::{self, Certificate, Connect, Handshake, Local, Policy, Receive, Resolve, Send, Shutdown};

pub(super) fn classify(fault: Fault) -> Code {
    match fault {
        Fault::Status(status) => Code::status(status),
        Fault::Task(cause) => task(cause).into(),
        Fault::Local(cause) => local(cause).into(),
        Fault::Net(leg, cause) => net(leg, cause).into(),
        Fault::Unsent(Unsent::TimedOut | Unsent::Other) => TransferCode::TlsHandshakeFailed.into(),
        Fault::Broken(cause) => broken(cause).into(),
        Fault::Redirect(cause) => redirect(cause).into(),
        Fault::Content(cause) => content(cause).into(),
        Fault::Lookup(Lookup::Absent) => TransferCode::FtpFileMissing.into(),
        Fault::Lookup(Lookup::Failed) => TransferCode::FtpLookupFailed.into(),
        Fault::Ftp(cause) => ftp::classify(cause).into(),
    }
}

fn task(cause: Task) -> TransferCode {
    match cause {
        Task::UrlInvalid => TransferCode::UrlInvalid,
        Task::SchemeUnknown => TransferCode::ProtocolUnsupported,
        Task::SchemeNotTaken => TransferCode::ProtocolNotAllowed,
        Task::SourceUnreadable | Task::SourceUnfetched | Task::SourceMd5 => TransferCode::UploadSourceInvalid,
    }
}

fn local(cause: Local) -> TransferCode {
    match cause {
        Local::EngineUnknown => TransferCode::CryptoEngineNotFound,
        Local::EngineFails => TransferCode::CryptoEngineInitFailed,
        Local::EngineUnfit => TransferCode::CryptoEngineNotDefault,
        Local::NoCipher => TransferCode::CipherUnusable,
        Local::CaFile => TransferCode::CaFileBad,
        Local::NoAnchors | Local::Library => TransferCode::TlsLibraryUnusable,
        Local::CrlFile => TransferCode::CrlFileBad,
        Local::IdentityAbsent => TransferCode::ClientAuthNotSetUp,
        Local::IdentityUnusable => TransferCode::ClientCertBad,
    }
}

fn net(leg: Leg, cause: fault::Fault) -> TransferCode {
    match cause {
        fault::Fault::Policy(Policy::Forbidden) => TransferCode::SecurityCheckRefused,
        fault::Fault::Resolve(cause) => resolve(leg, cause),
        fault::Fault::Connect(cause) => connect(leg, cause),
        fault::Fault::Certificate(cause) => certificate(cause),
        fault::Fault::Handshake(cause) => handshake(leg, cause),
        fault::Fault::Send(Send::Reset) => TransferCode::ConnectionReset,
        fault::Fault::Send(Send::TimedOut | Send::Other) => TransferCode::RequestSendFailed,
        fault::Fault::Receive(cause) => receive(cause),
        fault::Fault::Shutdown(Shutdown::Unanswered) => TransferCode::TlsShutdownFailed,
    }
}

fn resolve(leg: Leg, cause: Resolve) -> TransferCode {
    match cause {
        Resolve::Nodata => TransferCode::NoTargetIp,
        Resolve::TooSlow => TransferCode::DnsTooSlow,
        Resolve::Nxdomain
        | Resolve::Servfail
        | Resolve::Refused
        | Resolve::Rcode
        | Resolve::CnameLoop
        | Resolve::Malformed
        | Resolve::TimedOut
        | Resolve::ServerRefused
        | Resolve::ServerUnreachable
        | Resolve::ServerClosed
        | Resolve::Certificate
        | Resolve::Tls
        | Resolve::HttpStatus
        | Resolve::InvalidName
        | Resolve::Socket => of_redirect(leg, TransferCode::DnsFailed),
    }
}

fn connect(leg: Leg, cause: Connect) -> TransferCode {
    match cause {
        Connect::Refused | Connect::TimedOut | Connect::HostUnreachable | Connect::NetworkUnreachable => {
            of_redirect(leg, TransferCode::ConnectFailed)
        }
        Connect::Socket | Connect::Bind | Connect::Other => of_redirect(leg, TransferCode::NetworkErrorUnknown),
    }
}

/// A later hop that cannot be reached has one code for all of these.
const fn of_redirect(leg: Leg, otherwise: TransferCode) -> TransferCode {
    match leg {
        Leg::First => otherwise,
        Leg::Later | Leg::Upgraded => TransferCode::RedirectConnectFailed,
    }
}

fn certificate(cause: Certificate) -> TransferCode {
    match cause {
        Certificate::Expired | Certificate::NotYetValid => TransferCode::CertDateInvalid,
        Certificate::NameMismatch => TransferCode::CertNameMismatch,
        Certificate::NoName | Certificate::Fingerprint => TransferCode::PeerCertWrong,
        Certificate::UntrustedRoot => TransferCode::CertAuthorityInvalid,
        Certificate::UnknownIssuer => TransferCode::CertIssuerUnknown,
        Certificate::Signature
        | Certificate::Purpose
        | Certificate::Constraints
        | Certificate::CriticalExtension
        | Certificate::Encoding
        | Certificate::WeakKey => TransferCode::CertInvalid,
        Certificate::Several => TransferCode::CertMultipleErrors,
        Certificate::Revoked => TransferCode::CertRevoked,
        Certificate::Staple => TransferCode::OcspStapleInvalid,
        Certificate::RevocationOffline => TransferCode::RevocationOffline,
        Certificate::RevocationNone => TransferCode::RevocationNotProvided,
        Certificate::Pin => TransferCode::PinnedKeyMismatch,
        Certificate::IssuerMismatch | Certificate::RevocationUnusable => TransferCode::IssuerCheckFailed,
    }
}

fn handshake(leg: Leg, cause: Handshake) -> TransferCode {
    match cause {
        Handshake::Fortezza => TransferCode::FortezzaRequired,
        Handshake::ClientCertificateRequired => TransferCode::ClientCertRequired,
        Handshake::ClientCertificateRejected | Handshake::ClientKeyFailed => TransferCode::ClientCertBad,
        Handshake::NothingInCommon => of_upgrade(leg, TransferCode::TlsAlgorithmMismatch),
        Handshake::NotTls | Handshake::Injected | Handshake::Closed | Handshake::Reset => {
            of_upgrade(leg, TransferCode::TlsConnectFailed)
        }
        Handshake::TimedOut | Handshake::Alert | Handshake::Protocol | Handshake::Other => {
            of_upgrade(leg, TransferCode::TlsHandshakeFailed)
        }
    }
}

/// A hop that came from http by a redirect to https has a code of its own for these.
const fn of_upgrade(leg: Leg, otherwise: TransferCode) -> TransferCode {
    match leg {
        Leg::Upgraded => TransferCode::HttpToHttpsFailed,
        Leg::First | Leg::Later => otherwise,
    }
}

fn receive(cause: Receive) -> TransferCode {
    match cause {
        Receive::Silence => TransferCode::RequestTimeout,
        Receive::NothingClosed | Receive::Closed => TransferCode::ConnectionClosed,
        Receive::NothingReset | Receive::Reset => TransferCode::ConnectionReset,
        Receive::TimedOut => TransferCode::DownloadTimeout,
        Receive::Truncated | Receive::Other => TransferCode::RecvFailed,
    }
}

fn broken(cause: Broken) -> TransferCode {
    match cause {
        Broken::Malformed => TransferCode::ResponseMalformed,
        Broken::TransferEncoding | Broken::BodyEncoding => TransferCode::EncodingUnknown,
        Broken::NoHttp2 => TransferCode::TlsAlgorithmMismatch,
        Broken::Http2 | Broken::StreamReset | Broken::Goaway => TransferCode::RecvFailed,
        Broken::BodyUnsent => TransferCode::UploadFailed,
        Broken::Source => TransferCode::InternalError,
    }
}

fn redirect(cause: Redirect) -> TransferCode {
    match cause {
        Redirect::Forbidden => TransferCode::RedirectNotAllowed,
        Redirect::Unusable | Redirect::TooMany => TransferCode::RedirectLimit,
        Redirect::WithBody => TransferCode::RedirectNeedsConfirmation,
        Redirect::Insecure => TransferCode::InsecureContent,
    }
}

fn content(cause: Content) -> TransferCode {
    match cause {
        Content::Unanswered => TransferCode::UploadResponseTimeout,
        Content::Short => TransferCode::DownloadIncomplete,
        Content::Empty => TransferCode::NoSizeOrTime,
        Content::Range => TransferCode::ResponseMalformed,
        Content::Header => TransferCode::HeaderStringMissing,
        Content::Md5 => TransferCode::Md5Mismatch,
        Content::Unwritten => TransferCode::InternalError,
    }
}
