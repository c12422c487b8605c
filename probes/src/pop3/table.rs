//! The table of `cloudmonitor/pop3`: one number for everything but the policy; the fault has the step.

#![deny(clippy::wildcard_enum_match_arm)]

use super::{Fault, Step};
use crate::codes::Pop3Code;
use crate::fault::{self, Policy};

pub(super) fn classify(fault: Fault) -> Pop3Code {
    match fault {
        Fault::Net(fault::Fault::Policy(Policy::Forbidden)) => Pop3Code::InternalTargetForbidden,
        Fault::Net(
            fault::Fault::Resolve(_)
            | fault::Fault::Connect(_)
            | fault::Fault::Certificate(_)
            | fault::Fault::Handshake(_)
            | fault::Fault::Send(_)
            | fault::Fault::Receive(_)
            | fault::Fault::Shutdown(_),
        )
        | Fault::At(Step::Greeting | Step::StartTls | Step::Apop | Step::User | Step::Pass | Step::Stat, _) => {
            Pop3Code::Unreachable
        }
    }
}
