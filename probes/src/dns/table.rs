//! The table of `cloudmonitor/dns`: every fault and its code, in the order of the phases.

#![deny(clippy::wildcard_enum_match_arm)]

use super::{Answer, Content, Fault};
use crate::codes::DnsCode;
use crate::fault::{self, Policy};

pub(super) fn classify(fault: Fault) -> DnsCode {
    match fault {
        Fault::Net(fault::Fault::Policy(Policy::Forbidden)) => DnsCode::InternalServerForbidden,
        // Whatever keeps a usable message from coming, from the server's name to its HTTP.
        Fault::Net(
            fault::Fault::Resolve(_)
            | fault::Fault::Connect(_)
            | fault::Fault::Certificate(_)
            | fault::Fault::Handshake(_)
            | fault::Fault::Send(_)
            | fault::Fault::Receive(_)
            | fault::Fault::Shutdown(_),
        )
        | Fault::Datagram(_)
        | Fault::Again(_)
        | Fault::Http(_)
        | Fault::Exchange(_) => DnsCode::ExchangeFailed,
        Fault::Answer(cause) => answer(cause),
        Fault::Content(cause) => content(cause),
    }
}

const fn answer(cause: Answer) -> DnsCode {
    match cause {
        Answer::Nxdomain
        | Answer::Servfail
        | Answer::Refused
        | Answer::Formerr
        | Answer::Notimp
        | Answer::Rcode
        | Answer::Noerror
        | Answer::Nodata
        | Answer::AliasOnly
        | Answer::Referral => DnsCode::ResolutionFailed,
    }
}

const fn content(cause: Content) -> DnsCode {
    match cause {
        Content::Missing
        | Content::Unexpected
        | Content::Unequal
        | Content::NoneShared
        | Content::NoMatch
        | Content::Forbidden => DnsCode::ContentMismatch,
    }
}
