//! PING: a series of ICMP echo requests; book `cloudmonitor/ping` (RFC 792, RFC 4443).
//!
//! The order of looking: the address policy, the name, the agent's own means (a socket), then the series as a whole.
//! One reply in time makes it a success with a loss figure, unless the task sets a limit to the loss. Without a reply
//! it matters whether nothing could be sent or each request drew an ICMP error, or whether there was silence.

mod errors;
mod figures;
mod judge;
mod table;

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use crate::address::Endpoint;
use crate::check::Check;
use crate::codes::{Code, Protocol};
use crate::evidence::Icmp;
use crate::fault::{self, Failure, faults, named_by_parts};
use crate::net::Attempt;
use crate::net::connect::kernel_words;
use crate::net::icmp::{NotOpen, Requests, Series, Tally};
use crate::phases::Phase;

/// Whom to ping, and how.
#[derive(Clone, Debug)]
pub struct Ping {
    /// The host; its port is zero.
    pub endpoint: Endpoint,
    /// How many requests; 10.
    pub count: u16,
    /// From one request to the next; 200 ms.
    pub interval: Duration,
    /// How long after its sending each may be answered; 2 s.
    pub wait: Duration,
    /// Bytes of data behind the ICMP header; 56.
    pub size: usize,
    /// How many routers may pass a request on; 64.
    pub ttl: u8,
    /// More loss than this share is a failure; 1.0, which no loss is above.
    pub max_loss: f64,
    /// More loss than this share is worth a warning.
    pub warn_loss: Option<f64>,
    /// Whether a router may not take a request apart; it may.
    pub dont_fragment: bool,
}

faults! {
    /// Why no echo request could be sent.
    pub enum Unsent {
        /// The source address or the interface to send from is not to be had.
        Source = "ping.unsent.source", Agent;
        /// No route leads to the network (ENETUNREACH).
        NetworkUnreachable = "ping.unsent.network_unreachable", Path;
        /// The route to the host is marked unreachable (EHOSTUNREACH).
        HostUnreachable = "ping.unsent.host_unreachable", Path;
        /// The route is prohibited, or the address is a broadcast address (EACCES).
        Prohibited = "ping.unsent.prohibited", Path;
        /// A packet filter of the agent's host drops the requests (EPERM).
        Filtered = "ping.unsent.filtered", Path;
        /// The requests are larger than the interface takes, and may not be fragmented (EMSGSIZE).
        TooBig = "ping.unsent.too_big", Task;
        /// The kernel reported another error while sending.
        Other = "ping.unsent.other", Path;
    }
}

faults! {
    /// Which ICMP error each request drew.
    pub enum Refused {
        /// No route leads to the network (ICMP 3/0, 3/6, 3/11; ICMPv6 1/0).
        Network = "ping.unreachable.network", Path;
        /// The host does not answer on its own network (ICMP 3/1, 3/7, 3/8, 3/12; ICMPv6 1/3).
        Host = "ping.unreachable.host", Path;
        /// A router or firewall forbids it (ICMP 3/9, 3/10, 3/13; ICMPv6 1/1, 1/5, 1/6).
        Prohibited = "ping.unreachable.prohibited", Path;
        /// The requests are larger than a network on the way takes (ICMP 3/4, ICMPv6 2).
        TooBig = "ping.unreachable.too_big", Path;
        /// Unreachable for another reason (protocol, port, source route and the like).
        Other = "ping.unreachable.other", Path;
        /// The requests passed more routers than `ttl` allows, or were lost in parts (ICMP 11, ICMPv6 3).
        TimeExceeded = "ping.time_exceeded", Path;
        /// A router or the host did not understand the requests (ICMP 12, ICMPv6 4).
        ParameterProblem = "ping.parameter_problem", Path;
        /// Different errors for different requests.
        Several = "ping.unreachable.several", Path;
    }
}

faults! {
    /// What there was in the place of a reply.
    pub enum Silent {
        /// Neither an echo reply came nor an ICMP error.
        NoReply = "ping.no_reply", Target;
        /// Some requests drew ICMP errors and the others nothing; routers send only so many errors a second.
        SomeRefused = "ping.some_unreachable", Path;
        /// Echo replies came, after the time they are waited for.
        Late = "ping.late", Target;
        /// Echo replies came from another address only.
        OtherAddress = "ping.other_address", Path;
        /// Echo replies came, with other data than was sent or with a wrong checksum.
        Corrupted = "ping.corrupted", Path;
    }
}

faults! {
    /// What the task finds wrong with a host that answers.
    pub enum Limit {
        /// More requests stayed without a reply than `max_loss` allows.
        Loss = "ping.loss", Path;
    }
}

faults! {
    /// What the agent itself cannot do: it says nothing about the target.
    pub enum Own {
        /// The host lets the agent open no ICMP socket.
        Socket = "agent.icmp_socket", Agent;
    }
}

/// What can go wrong in a PING probe.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    /// Before the first request: policy and name.
    Net(fault::Fault),
    /// Nothing could be sent.
    Unsent(Unsent),
    /// Every request drew an ICMP error.
    Refused(Refused),
    /// No reply.
    Silent(Silent),
    /// Too few replies.
    Limit(Limit),
    /// The agent's own trouble.
    Own(Own),
}

named_by_parts!(Fault: Net, Unsent, Refused, Silent, Limit, Own);

impl Check for Ping {
    type Fault = Fault;

    const PROTOCOL: Protocol = Protocol::Ping;

    async fn run(&self, attempt: &mut Attempt<'_>) -> Result<Code, Failure<Fault>> {
        let addresses = attempt.resolve(&self.endpoint).await.map_err(|failure| failure.map(Fault::Net))?;
        // A ping is of one address; resolution never hands over an empty list.
        let canonical = addresses.iter().map(|address| SocketAddr::new(address.ip().to_canonical(), 0)).collect();
        let target = attempt.of_the_source(canonical).first().map_or(IpAddr::from([0; 4]), SocketAddr::ip);
        attempt.remote = Some(SocketAddr::new(target, 0));
        let begun = attempt.enter(Phase::Rtt);
        let series = attempt.series(target, self.requests()).map_err(not_open)?;
        let (tally, cut) = self.exchange(attempt, series).await;
        attempt.leave(Phase::Rtt, begun);
        let (echoes, errors) = figures::of(&tally);
        attempt.evidence.truncated |= tally.left_out;
        let verdict = self.judge(target, &tally, &echoes, cut);
        attempt.warnings.extend(self.warning(&echoes));
        attempt.evidence.icmp = Some(Icmp { echoes: Some(echoes), errors });
        verdict
    }

    fn classify(fault: Fault) -> Option<Code> {
        table::classify(fault).map(Code::from)
    }

    fn faults() -> Vec<Fault> {
        let mut all: Vec<Fault> = Vec::new();
        all.extend(fault::Policy::ALL.iter().map(|cause| Fault::Net((*cause).into())));
        all.extend(fault::Resolve::ALL.iter().map(|cause| Fault::Net((*cause).into())));
        all.extend(Unsent::ALL.iter().copied().map(Fault::Unsent));
        all.extend(Refused::ALL.iter().copied().map(Fault::Refused));
        all.extend(Silent::ALL.iter().copied().map(Fault::Silent));
        all.extend(Limit::ALL.iter().copied().map(Fault::Limit));
        all.extend(Own::ALL.iter().copied().map(Fault::Own));
        all
    }
}

impl Ping {
    const fn requests(&self) -> Requests {
        Requests { size: self.size, ttl: self.ttl, dont_fragment: self.dont_fragment, wait: self.wait }
    }

    /// Sends the requests, one an interval, and waits for the answers: for each its own time, and for all no longer
    /// than the run may take. Where that cuts the last wait short, it says how long it was.
    async fn exchange(&self, attempt: &Attempt<'_>, mut series: Series) -> (Tally, Option<Duration>) {
        let mut last = Instant::now();
        for number in 0..self.count {
            if number > 0 {
                series.listen(attempt.deadline.min(last + self.interval), false).await;
                if Instant::now() >= attempt.deadline {
                    break;
                }
            }
            last = Instant::now();
            if attempt.within(series.send()).await.is_none() {
                break;
            }
        }
        series.listen(attempt.deadline.min(last + self.wait), true).await;
        let cut = (attempt.deadline < last + self.wait).then(|| attempt.deadline.saturating_duration_since(last));
        (series.finish(), cut)
    }
}

/// Without a socket the agent can say nothing; without the wanted source it can send nothing.
fn not_open(why: NotOpen) -> Failure<Fault> {
    let (fault, detail, error) = match why {
        NotOpen::Socket(error) => {
            let help = match error.kind() {
                ErrorKind::PermissionDenied => {
                    ": give it the capability CAP_NET_RAW, or its group a place in net.ipv4.ping_group_range"
                }
                _ => "",
            };
            let words = kernel_words(&error);
            (Fault::Own(Own::Socket), format!("this host lets the agent open no ICMP socket ({words}){help}"), error)
        }
        NotOpen::Source(error, wanted) => {
            let words = kernel_words(&error);
            (Fault::Unsent(Unsent::Source), format!("nothing can be sent from {wanted}: {words}"), error)
        }
    };
    tracing::debug!(target: "conversation", "* {detail}");
    Failure::new(fault, detail).with_errno(error.raw_os_error())
}
