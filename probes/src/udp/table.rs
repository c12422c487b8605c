//! The table of `cloudmonitor/udp`: every fault and its code, in the order of the phases.

#![deny(clippy::wildcard_enum_match_arm)]

use super::{Answer, Fault};
use crate::codes::UdpCode;
use crate::fault::{Addressing, Datagram, Policy, Resolve};

pub(super) fn classify(fault: Fault) -> UdpCode {
    match fault {
        Fault::Addressing(Addressing::Policy(Policy::Forbidden)) => UdpCode::InternalTargetForbidden,
        Fault::Addressing(Addressing::Resolve(cause)) => resolve(cause),
        Fault::Datagram(cause) => datagram(cause),
        Fault::Answer(Answer::Silence) => UdpCode::IoFailed,
        Fault::Answer(Answer::Absent) => UdpCode::ContentMismatch,
    }
}

fn resolve(cause: Resolve) -> UdpCode {
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
        | Resolve::Socket => UdpCode::HostUnresolved,
    }
}

fn datagram(cause: Datagram) -> UdpCode {
    match cause {
        Datagram::Socket | Datagram::Bind => UdpCode::SocketFailed,
        Datagram::PortUnreachable
        | Datagram::HostUnreachable
        | Datagram::NetworkUnreachable
        | Datagram::Prohibited
        | Datagram::TimeExceeded
        | Datagram::Icmp
        | Datagram::TooLarge
        | Datagram::Forbidden
        | Datagram::Other => UdpCode::IoFailed,
    }
}
