//! The rows of FTP's own conversation: the log-in with its four codes, then the session, the file and the data.

#![deny(clippy::wildcard_enum_match_arm)]

use super::{certificate, connect, handshake, net};
use crate::codes::TransferCode;
use crate::dialogue::{self, Cause};
use crate::fault;
use crate::ftp_control::{Data, Fault, Step};
use crate::transfer::fault::Leg;

pub(super) fn classify(cause: Fault) -> TransferCode {
    match cause {
        Fault::Control(dialogue::Fault::Net(cause)) => net(Leg::First, cause),
        Fault::Control(dialogue::Fault::At(step, cause)) => at(step, cause),
        Fault::OnData(cause) => on_data(cause),
        Fault::Data(cause) => data(cause),
    }
}

fn at(step: Step, cause: Cause) -> TransferCode {
    match step {
        Step::Greeting => login(cause, TransferCode::FtpLoginFailed, TransferCode::FtpLoginFailed),
        Step::AuthTls => login(cause, TransferCode::FtpTlsLevelFailed, TransferCode::FtpTlsLevelFailed),
        Step::User => login(cause, TransferCode::FtpUserWrong, TransferCode::FtpLoginFailed),
        Step::Pass => login(cause, TransferCode::FtpPasswordWrong, TransferCode::LoginRefused),
        Step::Acct => login(cause, TransferCode::LoginRefused, TransferCode::LoginRefused),
        Step::Pbsz | Step::Prot => session(cause, TransferCode::FtpTlsLevelFailed),
        Step::Cwd => session(cause, TransferCode::FtpCwdFailed),
        Step::Type | Step::Size | Step::Epsv | Step::Feat | Step::Mlst => session(cause, TransferCode::FtpSessionEnded),
        Step::Pasv => session(cause, TransferCode::FtpPasvUnsupported),
        Step::List => session(cause, TransferCode::FtpLookupFailed),
        Step::Retr => session(cause, TransferCode::FtpOpenFailed),
        Step::Completion => completion(cause, TransferCode::FtpSessionEnded, TransferCode::DownloadTimeout),
        Step::Stor => session(cause, TransferCode::UploadFailed),
        Step::Stored => completion(cause, TransferCode::UploadFailed, TransferCode::UploadFailed),
    }
}

/// Up to the answer to PASS whatever ends the conversation is a log-in that could not be carried out.
fn login(cause: Cause, not_logged_in: TransferCode, refused: TransferCode) -> TransferCode {
    match cause {
        Cause::NotLoggedIn => not_logged_in,
        Cause::Refused => refused,
        Cause::Unavailable if refused == TransferCode::LoginRefused => refused,
        Cause::Unavailable | Cause::Silence | Cause::Incomplete | Cause::Closed | Cause::Cut | Cause::Reset => {
            TransferCode::FtpLoginFailed
        }
        Cause::Broken | Cause::TlsBroken => TransferCode::RecvFailed,
        Cause::Malformed => TransferCode::ResponseMalformed,
    }
}

fn session(cause: Cause, refused: TransferCode) -> TransferCode {
    match cause {
        Cause::NotLoggedIn | Cause::Refused => refused,
        Cause::Silence | Cause::Incomplete => TransferCode::RequestTimeout,
        Cause::Unavailable | Cause::Closed | Cause::Cut | Cause::Reset => TransferCode::FtpSessionEnded,
        Cause::Broken | Cause::TlsBroken => TransferCode::RecvFailed,
        Cause::Malformed => TransferCode::ResponseMalformed,
    }
}

fn completion(cause: Cause, refused: TransferCode, late: TransferCode) -> TransferCode {
    match cause {
        Cause::NotLoggedIn | Cause::Refused => refused,
        Cause::Unavailable | Cause::Closed | Cause::Cut | Cause::Reset => TransferCode::FtpSessionEnded,
        Cause::Broken | Cause::TlsBroken => TransferCode::RecvFailed,
        Cause::Silence | Cause::Incomplete => late,
        Cause::Malformed => TransferCode::ResponseMalformed,
    }
}

/// A data connection that does not come up is a connection that does not come up; its TLS is judged as any other.
fn on_data(cause: fault::Fault) -> TransferCode {
    match cause {
        fault::Fault::Connect(
            fault::Connect::Refused
            | fault::Connect::TimedOut
            | fault::Connect::HostUnreachable
            | fault::Connect::NetworkUnreachable
            | fault::Connect::Socket
            | fault::Connect::Bind
            | fault::Connect::Other,
        ) => connect(Leg::First, fault::Connect::Refused),
        fault::Fault::Certificate(cause) => certificate(cause),
        fault::Fault::Handshake(cause) => handshake(Leg::First, cause),
        fault::Fault::Policy(_)
        | fault::Fault::Resolve(_)
        | fault::Fault::Send(_)
        | fault::Fault::Receive(_)
        | fault::Fault::Shutdown(_) => net(Leg::First, cause),
    }
}

fn data(cause: Data) -> TransferCode {
    match cause {
        Data::NotOpened => TransferCode::ConnectFailed,
        Data::NotResumed => TransferCode::FtpSessionEnded,
        Data::TimedOut => TransferCode::DownloadTimeout,
        Data::Reset | Data::StoreBroken => TransferCode::ConnectionReset,
        Data::Truncated | Data::Broken | Data::TlsBroken => TransferCode::RecvFailed,
        Data::Short => TransferCode::DownloadIncomplete,
        Data::StoreNotResumed | Data::Unsent => TransferCode::UploadFailed,
        Data::Source => TransferCode::InternalError,
    }
}
