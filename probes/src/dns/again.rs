//! The second leg of a question whose answer over UDP was truncated: what goes wrong over TCP then has names of its own,
//! since whoever reads `connect.refused` of a UDP probe would look in the wrong place (RFC 7766).

#![deny(clippy::wildcard_enum_match_arm)]

use super::{Exchange, Fault};
use crate::fault::{self, Connect, Receive, Send, faults};

faults! {
    /// Why the answer could not be had over TCP after it was truncated over UDP.
    pub enum Again {
        /// The server's TCP port is closed.
        Refused = "dns.tcp.refused", Target;
        /// No answer to the connection request came in time: a firewall may let UDP through alone.
        TimedOut = "dns.tcp.timeout", Path;
        /// The server cannot be reached over TCP.
        Unreachable = "dns.tcp.unreachable", Path;
        /// This host could not open the connection.
        Socket = "dns.tcp.socket", Agent;
        /// The question could not be sent.
        Send = "dns.tcp.send", Path;
        /// No byte of an answer came in time.
        Silence = "dns.tcp.silence", Target;
        /// The answer began and was not complete in time.
        Incomplete = "dns.tcp.incomplete", Target;
        /// The server ended the connection before the answer was complete.
        Closed = "dns.tcp.closed", Target;
        /// The server reset the connection before the answer was complete.
        Reset = "dns.tcp.reset", Target;
        /// Receiving failed in another way.
        Receive = "dns.tcp.receive", Path;
        /// What came is no DNS message.
        Garbled = "dns.tcp.garbled", Target;
        /// The messages that came answer something else.
        Foreign = "dns.tcp.foreign", Target;
        /// The answer is truncated over TCP too.
        Truncated = "dns.tcp.truncated", Target;
    }
}

/// The fault of this leg, named as such. What cannot happen on it keeps its name.
pub(super) fn named(fault: Fault) -> Fault {
    let again = match fault {
        Fault::Net(fault::Fault::Connect(cause)) => connect(cause),
        Fault::Net(fault::Fault::Send(Send::TimedOut | Send::Reset | Send::Other)) => Again::Send,
        Fault::Net(fault::Fault::Receive(cause)) => receive(cause),
        Fault::Exchange(Exchange::Garbled) => Again::Garbled,
        Fault::Exchange(Exchange::Foreign) => Again::Foreign,
        Fault::Exchange(Exchange::Truncated) => Again::Truncated,
        Fault::Net(
            fault::Fault::Policy(_)
            | fault::Fault::Resolve(_)
            | fault::Fault::Certificate(_)
            | fault::Fault::Handshake(_)
            | fault::Fault::Shutdown(_),
        )
        | Fault::Datagram(_)
        | Fault::Again(_)
        | Fault::Http(_)
        | Fault::Exchange(Exchange::HttpStatus)
        | Fault::Answer(_)
        | Fault::Content(_) => return fault,
    };
    Fault::Again(again)
}

const fn connect(cause: Connect) -> Again {
    match cause {
        Connect::Refused => Again::Refused,
        Connect::TimedOut => Again::TimedOut,
        Connect::HostUnreachable | Connect::NetworkUnreachable => Again::Unreachable,
        Connect::Socket | Connect::Bind | Connect::Other => Again::Socket,
    }
}

const fn receive(cause: Receive) -> Again {
    match cause {
        Receive::Silence => Again::Silence,
        Receive::TimedOut => Again::Incomplete,
        Receive::NothingClosed | Receive::Closed | Receive::Truncated => Again::Closed,
        Receive::NothingReset | Receive::Reset => Again::Reset,
        Receive::Other => Again::Receive,
    }
}
