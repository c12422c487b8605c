//! What can go wrong below a protocol: names, connections, TLS, bytes. Pure types, no numbers and no sockets.
//!
//! A fault is a closed, `Copy` tree, so that every protocol's `classify` is a table over it and the list of all
//! faults can be printed. The facts of one failure (addresses, dates, the kernel's error) stand beside it in
//! [`Failure::detail`] and in the evidence; nothing reads them to decide. There is deliberately no
//! `From<io::Error>`: only the one who knows the phase can name the fault.

mod tls;

use std::fmt;

use serde::Serialize;

pub use tls::{Certificate, Handshake, Local, Shutdown};

/// Whose fault a failure is, as far as the agent can tell.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// The probed service, its name or its certificate.
    Target,
    /// What lies between: routes, firewalls, proxies.
    Path,
    /// The name servers asked.
    Resolver,
    /// This agent or its host.
    Agent,
    /// What the task demands.
    Task,
}

impl Side {
    /// The name in results and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Target => "target",
            Self::Path => "path",
            Self::Resolver => "resolver",
            Self::Agent => "agent",
            Self::Task => "task",
        }
    }
}

/// A fault of the closed list that `agent codes --faults` prints.
pub trait Named: Copy + 'static {
    /// The dotted, stable name.
    fn name(self) -> &'static str;
    /// Whose fault it is.
    fn side(self) -> Side;
    /// What happened, in a sentence.
    fn meaning(self) -> &'static str;
}

/// Declares a closed list of faults: the doc comment is the sentence, then name and side.
macro_rules! faults {
    (
        $(#[$meta:meta])*
        pub enum $Fault:ident { $( #[doc = $doc:literal] $Variant:ident = $name:literal, $Side:ident; )+ }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
        pub enum $Fault { $( #[doc = $doc] $Variant, )+ }

        impl $Fault {
            /// Every fault of this list.
            pub const ALL: &'static [Self] = &[ $( Self::$Variant, )+ ];
        }

        impl $crate::fault::Named for $Fault {
            fn name(self) -> &'static str {
                match self { $( Self::$Variant => $name, )+ }
            }
            fn side(self) -> $crate::fault::Side {
                match self { $( Self::$Variant => $crate::fault::Side::$Side, )+ }
            }
            fn meaning(self) -> &'static str {
                match self { $( Self::$Variant => $doc.trim_ascii(), )+ }
            }
        }
    };
}
pub(crate) use faults;

/// Passes the questions of [`Named`] on, for a fault that is one of several lists.
macro_rules! named_by_parts {
    ($Fault:ident: $($Part:ident),+) => {
        impl $crate::fault::Named for $Fault {
            fn name(self) -> &'static str {
                match self { $( Self::$Part(part) => part.name(), )+ }
            }
            fn side(self) -> $crate::fault::Side {
                match self { $( Self::$Part(part) => part.side(), )+ }
            }
            fn meaning(self) -> &'static str {
                match self { $( Self::$Part(part) => part.meaning(), )+ }
            }
        }
    };
}
pub(crate) use named_by_parts;

faults! {
    /// What came of looking up a name.
    pub enum Resolve {
        /// The name does not exist (rcode NXDOMAIN, RFC 1035 section 4.1.1).
        Nxdomain = "resolve.nxdomain", Target;
        /// The name exists and has no address of the families asked for (RFC 2308 NODATA).
        Nodata = "resolve.nodata", Target;
        /// The name server answered SERVFAIL.
        Servfail = "resolve.servfail", Resolver;
        /// The name server answered REFUSED.
        Refused = "resolve.refused", Resolver;
        /// The name server answered with another error rcode.
        Rcode = "resolve.rcode", Resolver;
        /// The aliases (CNAME) of the name go in a circle, or on for more than eight steps.
        CnameLoop = "resolve.cname_loop", Target;
        /// Every name server sent something that is no DNS answer.
        Malformed = "resolve.malformed", Resolver;
        /// No name server gave a definite answer in time.
        TimedOut = "resolve.timeout", Resolver;
        /// The name lookup was not done in the time that the book gives it.
        TooSlow = "resolve.too_slow", Resolver;
        /// Every name server's port is closed.
        ServerRefused = "resolve.server_refused", Resolver;
        /// No route leads to the name servers.
        ServerUnreachable = "resolve.server_unreachable", Resolver;
        /// The name servers ended the connection before they answered.
        ServerClosed = "resolve.server_closed", Resolver;
        /// The certificate of the DNS-over-TLS or DNS-over-HTTPS server is not good.
        Certificate = "resolve.certificate", Resolver;
        /// The TLS handshake with the DNS-over-TLS or DNS-over-HTTPS server failed.
        Tls = "resolve.tls", Resolver;
        /// The DNS-over-HTTPS server answered with a status other than 200.
        HttpStatus = "resolve.http_status", Resolver;
        /// The name cannot be asked for: a label over 63 or a name over 253 octets (RFC 1035 section 2.3.4).
        InvalidName = "resolve.invalid_name", Task;
        /// No socket to the name servers could be opened.
        Socket = "resolve.socket", Agent;
    }
}

faults! {
    /// What the address policy says.
    pub enum Policy {
        /// The address policy forbids every address of the target.
        Forbidden = "policy.forbidden", Task;
    }
}

faults! {
    /// Why no TCP connection came up.
    pub enum Connect {
        /// The socket could not be opened.
        Socket = "connect.socket", Agent;
        /// The socket could not be bound to its source address or interface.
        Bind = "connect.bind", Agent;
        /// The port is closed (RST, or an ICMP port unreachable).
        Refused = "connect.refused", Target;
        /// No answer to the connection request came in time.
        TimedOut = "connect.timeout", Path;
        /// The host cannot be reached (EHOSTUNREACH).
        HostUnreachable = "connect.host_unreachable", Path;
        /// No route leads to the network (ENETUNREACH).
        NetworkUnreachable = "connect.network_unreachable", Path;
        /// The kernel refused the connection with another error number.
        Other = "connect.other", Agent;
    }
}

faults! {
    /// Why bytes could not be sent.
    pub enum Send {
        /// What was sent was not taken or acknowledged in time.
        TimedOut = "send.timeout", Path;
        /// The peer reset or closed the connection while it was sent to.
        Reset = "send.reset", Target;
        /// The kernel reported another error while sending.
        Other = "send.other", Path;
    }
}

faults! {
    /// Why an answer did not come, or not to its end.
    pub enum Receive {
        /// No byte of an answer came in time.
        Silence = "wait.timeout", Target;
        /// The peer ended the connection without a byte of an answer.
        NothingClosed = "wait.closed", Target;
        /// The peer reset the connection without a byte of an answer.
        NothingReset = "wait.reset", Target;
        /// The answer began and was not complete in time.
        TimedOut = "receive.timeout", Target;
        /// The peer ended the connection before the answer was complete.
        Closed = "receive.closed", Target;
        /// The peer reset the connection before the answer was complete.
        Reset = "receive.reset", Target;
        /// TLS ended without `close_notify` where only the end of the connection marks the end of the answer.
        Truncated = "receive.truncated", Target;
        /// The kernel or the TLS layer reported another error while receiving.
        Other = "receive.other", Path;
    }
}

faults! {
    /// Why datagrams could not be exchanged: what the kernel said, or an ICMP message about one that was sent.
    pub enum Datagram {
        /// The socket could not be opened.
        Socket = "udp.socket", Agent;
        /// The socket could not be bound to its source address or interface.
        Bind = "udp.bind", Agent;
        /// The port is closed (ICMP port unreachable).
        PortUnreachable = "udp.port_unreachable", Target;
        /// The host cannot be reached (ICMP host unreachable, or nobody answers for its address on the link).
        HostUnreachable = "udp.host_unreachable", Path;
        /// No route leads to the network (ICMP network unreachable, or none of this host's routes).
        NetworkUnreachable = "udp.network_unreachable", Path;
        /// A router or firewall says that it does not let the datagram through (ICMP administratively prohibited).
        Prohibited = "udp.prohibited", Path;
        /// The datagram went round in circles or too far (ICMP time exceeded).
        TimeExceeded = "udp.time_exceeded", Path;
        /// Another ICMP message came about the datagram.
        Icmp = "udp.icmp", Path;
        /// The datagram is larger than UDP or the path can carry (EMSGSIZE).
        TooLarge = "udp.too_large", Task;
        /// This host's own routes or firewall forbid it (EACCES, EPERM).
        Forbidden = "udp.forbidden", Agent;
        /// The kernel reported another error.
        Other = "udp.other", Agent;
    }
}

/// What can go wrong between a host and the addresses that may be contacted.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Addressing {
    /// The address policy said no.
    Policy(Policy),
    /// The name lookup failed.
    Resolve(Resolve),
}

named_by_parts!(Addressing: Policy, Resolve);

impl Addressing {
    /// Every such fault.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let policy = Policy::ALL.iter().copied().map(Self::Policy);
        policy.chain(Resolve::ALL.iter().copied().map(Self::Resolve)).collect()
    }
}

impl From<Addressing> for Fault {
    fn from(fault: Addressing) -> Self {
        match fault {
            Addressing::Policy(cause) => Self::Policy(cause),
            Addressing::Resolve(cause) => Self::Resolve(cause),
        }
    }
}

impl From<Policy> for Addressing {
    fn from(cause: Policy) -> Self {
        Self::Policy(cause)
    }
}

impl From<Resolve> for Addressing {
    fn from(cause: Resolve) -> Self {
        Self::Resolve(cause)
    }
}

/// Everything that can go wrong below a protocol.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Fault {
    /// The name lookup failed.
    Resolve(Resolve),
    /// The address policy said no.
    Policy(Policy),
    /// No connection came up.
    Connect(Connect),
    /// The certificates are not good.
    Certificate(Certificate),
    /// The TLS handshake failed.
    Handshake(Handshake),
    /// Sending failed.
    Send(Send),
    /// Receiving failed.
    Receive(Receive),
    /// TLS was not ended as the task demands.
    Shutdown(Shutdown),
}

impl Fault {
    /// Every fault below a protocol, in the order of the phases.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let mut all = Vec::new();
        all.extend(Policy::ALL.iter().copied().map(Self::Policy));
        all.extend(Resolve::ALL.iter().copied().map(Self::Resolve));
        all.extend(Connect::ALL.iter().copied().map(Self::Connect));
        all.extend(Certificate::ALL.iter().copied().map(Self::Certificate));
        all.extend(Handshake::ALL.iter().copied().map(Self::Handshake));
        all.extend(Send::ALL.iter().copied().map(Self::Send));
        all.extend(Receive::ALL.iter().copied().map(Self::Receive));
        all.extend(Shutdown::ALL.iter().copied().map(Self::Shutdown));
        all
    }
}

named_by_parts!(Fault: Resolve, Policy, Connect, Certificate, Handshake, Send, Receive, Shutdown);

/// One failure: the fault, and the facts of this time for people.
#[derive(Clone, Debug)]
pub struct Failure<F = Fault> {
    /// What happened, as a type: all that decides the code.
    pub fault: F,
    /// What happened, where, with the facts; never read to decide.
    pub detail: String,
    /// The kernel's error number, where there is one.
    pub errno: Option<i32>,
}

impl<F> Failure<F> {
    /// A failure without a kernel error.
    pub fn new(fault: impl Into<F>, detail: impl Into<String>) -> Self {
        Self { fault: fault.into(), detail: detail.into(), errno: None }
    }

    /// The same failure with the error number of the kernel's answer, if that is where it came from.
    #[must_use]
    pub fn with_errno(mut self, errno: Option<i32>) -> Self {
        self.errno = errno;
        self
    }

    /// The same failure as the protocol above names it: it knows on which leg it happened.
    pub fn map<G>(self, above: impl FnOnce(F) -> G) -> Failure<G> {
        Failure { fault: above(self.fault), detail: self.detail, errno: self.errno }
    }
}

impl<F: Named> fmt::Display for Failure<F> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.fault.name(), self.detail)
    }
}

macro_rules! into_fault {
    ($($List:ident),+) => { $( impl From<$List> for Fault {
        fn from(cause: $List) -> Self { Self::$List(cause) }
    } )+ };
}
into_fault!(Resolve, Policy, Connect, Certificate, Handshake, Send, Receive, Shutdown);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_given_once() {
        let mut names: Vec<_> = Fault::all().into_iter().map(Named::name).collect();
        names.extend(Local::ALL.iter().copied().map(Named::name));
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count, "a fault name stands twice: {names:?}");
    }
}
