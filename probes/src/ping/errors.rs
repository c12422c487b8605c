//! ICMP errors and the kernel's own, by name (RFC 792, RFC 1122, RFC 1812, RFC 4443).

use super::{Refused, Unsent};
use crate::net::icmp::Refusal;

/// Which fault an ICMP error is.
pub(super) const fn cause(refusal: &Refusal) -> Refused {
    match (refusal.v6, refusal.kind, refusal.code) {
        (false, 3, 0 | 6 | 11) | (true, 1, 0) => Refused::Network,
        (false, 3, 1 | 7 | 8 | 12) | (true, 1, 3) => Refused::Host,
        (false, 3, 9 | 10 | 13) | (true, 1, 1 | 5 | 6) => Refused::Prohibited,
        (false, 3, 4) | (true, 2, _) => Refused::TooBig,
        (false, 11, _) | (true, 3, _) => Refused::TimeExceeded,
        (false, 12, _) | (true, 4, _) => Refused::ParameterProblem,
        _ => Refused::Other,
    }
}

/// An ICMP error in words.
pub(super) const fn name(refusal: &Refusal) -> &'static str {
    match (refusal.v6, refusal.kind, refusal.code) {
        (false, 3, 0) => "network unreachable",
        (false, 3, 1) => "host unreachable",
        (false, 3, 2) => "protocol unreachable",
        (false, 3, 3) => "port unreachable",
        (false, 3, 4) => "fragmentation needed",
        (false, 3, 5) => "source route failed",
        (false, 3, 6) => "network unknown",
        (false, 3, 7) => "host unknown",
        (false, 3, 8) => "source host isolated",
        (false, 3, 9) => "network prohibited",
        (false, 3, 10) => "host prohibited",
        (false, 3, 11) => "network unreachable for this type of service",
        (false, 3, 12) => "host unreachable for this type of service",
        (false, 3, 13) => "communication prohibited",
        (true, 1, code) => v6_unreachable(code),
        (false, 3, _) => "destination unreachable",
        (true, 2, _) => "packet too big",
        (false, 11, 0) | (true, 3, 0) => "time to live exceeded",
        (false, 11, _) | (true, 3, _) => "fragment reassembly time exceeded",
        _ => "parameter problem",
    }
}

const fn v6_unreachable(code: u8) -> &'static str {
    match code {
        0 => "no route to destination",
        1 => "communication prohibited",
        2 => "beyond the scope of the source address",
        3 => "address unreachable",
        4 => "port unreachable",
        5 => "source address failed the policy",
        6 => "route to destination rejected",
        _ => "destination unreachable",
    }
}

/// Which fault an error of the kernel is, when it sends.
pub(super) const fn unsent(errno: i32) -> Unsent {
    match errno {
        libc::ENETUNREACH => Unsent::NetworkUnreachable,
        libc::EHOSTUNREACH => Unsent::HostUnreachable,
        libc::EACCES => Unsent::Prohibited,
        libc::EPERM => Unsent::Filtered,
        libc::EMSGSIZE => Unsent::TooBig,
        _ => Unsent::Other,
    }
}
