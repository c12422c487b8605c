//! The table of `cloudmonitor/ping`: every fault and its code, in the order of the phases.

#![deny(clippy::wildcard_enum_match_arm)]

use super::{Fault, Limit, Own, Refused, Silent, Unsent};
use crate::codes::PingCode;
use crate::fault::{self, Policy, Resolve};

/// `None` is the agent's own error.
pub(super) fn classify(fault: Fault) -> Option<PingCode> {
    match fault {
        Fault::Net(cause) => net(cause),
        Fault::Own(Own::Socket) => None,
        Fault::Unsent(cause) => Some(match cause {
            Unsent::Source
            | Unsent::NetworkUnreachable
            | Unsent::HostUnreachable
            | Unsent::Prohibited
            | Unsent::Filtered
            | Unsent::TooBig
            | Unsent::Other => PingCode::NetworkUnreachable,
        }),
        Fault::Refused(cause) => Some(match cause {
            Refused::Network
            | Refused::Host
            | Refused::Prohibited
            | Refused::TooBig
            | Refused::Other
            | Refused::TimeExceeded
            | Refused::ParameterProblem
            | Refused::Several => PingCode::NetworkUnreachable,
        }),
        Fault::Silent(cause) => Some(match cause {
            Silent::NoReply | Silent::SomeRefused | Silent::Late | Silent::OtherAddress | Silent::Corrupted => {
                PingCode::NoReply
            }
        }),
        Fault::Limit(Limit::Loss) => Some(PingCode::LossTooHigh),
    }
}

fn net(cause: fault::Fault) -> Option<PingCode> {
    match cause {
        fault::Fault::Policy(Policy::Forbidden) => Some(PingCode::InternalTargetForbidden),
        fault::Fault::Resolve(cause) => Some(resolve(cause)),
        // A ping has no connection: should one of these ever be reported, the agent is wrong, and not the target.
        fault::Fault::Connect(_)
        | fault::Fault::Certificate(_)
        | fault::Fault::Handshake(_)
        | fault::Fault::Send(_)
        | fault::Fault::Receive(_)
        | fault::Fault::Shutdown(_) => None,
    }
}

fn resolve(cause: Resolve) -> PingCode {
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
        | Resolve::Socket => PingCode::DnsFailed,
    }
}
