//! One lookup: which names, which families, which servers, until something definite is known.

use std::future::pending;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use futures_util::StreamExt as _;
use futures_util::future::{Either, select};
use futures_util::stream::FuturesUnordered;
use hickory_proto::op::Message;
use hickory_proto::rr::{Name, RecordType};

use super::answer::{self, Heard, Said};
use super::server::Exchange;
use super::{DEFAULT_INTERVAL, Server, Settings, Trouble};
use crate::evidence;
use crate::fault::{Named as _, Resolve};
use crate::net::message::question;
use crate::net::{Host, before};
use crate::secret::Secrets;

/// How long the second family is waited for once the first has addresses (RFC 8305 section 3).
const RESOLUTION_DELAY: Duration = Duration::from_millis(50);

/// How long the second family is waited for once a server said no to the first, which is about the name or about the
/// server more often than about the family. A recursive server that is alive says the same of the other one within this
/// time; one that drops questions for a type it does not know, as some do with AAAA (RFC 4074), never would.
const NEGATIVE_DELAY: Duration = Duration::from_secs(1);

/// How many name servers the evidence lists.
const MOST_SERVERS_NOTED: usize = 16;

/// One lookup under way.
pub(super) struct Lookup<'a> {
    host: &'a Host,
    settings: &'a Settings,
    servers: &'a [Server],
    interval: Duration,
    exchange: Exchange<'a>,
    deadline: Instant,
    secrets: &'a Secrets,
    noted: Mutex<Noted>,
}

#[derive(Default)]
struct Noted {
    servers: Vec<evidence::NameServer>,
    /// Who was asked for which type, and has not answered.
    waiting: Vec<(RecordType, usize)>,
}

type Addresses = Result<Vec<IpAddr>, Trouble>;

/// What came of asking for one family or both, and the answers that say so.
type Verdict = (Addresses, Heard);

impl<'a> Lookup<'a> {
    pub(super) fn new(
        host: &'a Host,
        settings: &'a Settings,
        secrets: &'a Secrets,
        started: SystemTime,
        deadline: Instant,
    ) -> Self {
        let (servers, interval) = if settings.servers.is_empty() {
            let system = host.names();
            (system.servers.as_slice(), system.interval)
        } else {
            (settings.servers.as_slice(), DEFAULT_INTERVAL)
        };
        let exchange = Exchange { host, settings, secrets, started, deadline };
        Self { host, settings, servers, interval, exchange, deadline, secrets, noted: Mutex::default() }
    }

    /// The addresses of a name, in the order of the families asked for.
    pub(super) async fn addresses(self, text: &str, asked: &mut evidence::Dns) -> Addresses {
        let (result, heard) = self.find(text).await;
        let noted = self.noted.into_inner().unwrap_or_else(PoisonError::into_inner);
        asked.servers = noted.servers;
        answer::describe(&heard, asked);
        result
    }

    async fn find(&self, text: &str) -> Verdict {
        let mut name = match Name::from_ascii(text) {
            Ok(name) => name,
            Err(error) => return (Err(Trouble::new(Resolve::InvalidName, error.to_string())), Heard::default()),
        };
        if !self.settings.servers.is_empty() {
            name.set_fqdn(true);
            return self.absolute(&name).await;
        }
        let system = self.host.names();
        let listed = system.lookup_hosts(&name, self.settings.family);
        if !listed.is_empty() {
            return (Ok(listed), Heard::default());
        }
        if name.is_localhost() {
            return (Ok(self.loopback()), Heard::default());
        }
        self.search(&system.candidates(&name)).await
    }

    /// Tries the names of the search list in turn, as the C library does: a name that is not there, has no address or
    /// cannot be found out about leads to the next one, and anything else ends the search.
    async fn search(&self, candidates: &[Name]) -> Verdict {
        let mut told: Option<(u8, Verdict)> = None;
        for candidate in candidates {
            let verdict = self.absolute(candidate).await;
            let Some(weight) = verdict.0.as_ref().err().and_then(|trouble| telling(trouble.fault)) else {
                return verdict;
            };
            if told.as_ref().is_none_or(|(highest, _)| weight > *highest) {
                told = Some((weight, verdict));
            }
        }
        let nothing = || (Err(Trouble::new(Resolve::Nxdomain, "there is no name to ask for")), Heard::default());
        told.map_or_else(nothing, |(_, verdict)| verdict)
    }

    /// `localhost` never goes to a name server (RFC 6761 section 6.3).
    fn loopback(&self) -> Vec<IpAddr> {
        let both = [IpAddr::V6(Ipv6Addr::LOCALHOST), IpAddr::V4(Ipv4Addr::LOCALHOST)];
        both.into_iter().filter(|address| self.settings.family.takes(*address)).collect()
    }

    /// Asks for every family at once. Addresses of one family are enough: the other one then gets a moment more.
    async fn absolute(&self, name: &Name) -> Verdict {
        match self.settings.family.types() {
            [first, second] => {
                let (first, second) = (Box::pin(self.of_type(name, *first)), Box::pin(self.of_type(name, *second)));
                match select(first, second).await {
                    Either::Left((done, other)) => self.combine(done, other, false).await,
                    Either::Right((done, other)) => self.combine(done, other, true).await,
                }
            }
            types => self.of_type(name, types[0]).await,
        }
    }

    /// What both families come to; that must not hang on which answer is the first.
    async fn combine(&self, done: Verdict, other: impl Future<Output = Verdict>, swapped: bool) -> Verdict {
        let delay = match &done.0 {
            Ok(_) => Some(RESOLUTION_DELAY),
            // Neither says anything about the other family.
            Err(Trouble { fault: Resolve::Nodata | Resolve::TimedOut, .. }) => None,
            // NXDOMAIN is about the name, whatever the type (RFC 8020), but some servers say it of the type they lack.
            Err(_) => Some(NEGATIVE_DELAY),
        };
        let other = match delay {
            Some(delay) => before(self.deadline.min(Instant::now() + delay), other).await,
            None => Some(other.await),
        };
        let Some(other) = other else {
            if done.0.is_err() {
                self.note_silence(None);
            }
            return done;
        };
        let (first, second) = if swapped { (other, done) } else { (done, other) };
        match (first, second) {
            ((Ok(mut addresses), heard), (Ok(mut more), others)) => {
                addresses.append(&mut more);
                (Ok(addresses), beside(heard, others))
            }
            ((Err(one), heard), (Err(two), others)) if one.fault == Resolve::Nodata && two.fault == Resolve::Nodata => {
                (Err(Trouble::new(Resolve::Nodata, "NOERROR without an address (A, AAAA)")), beside(heard, others))
            }
            ((Err(one), heard), (Err(two), others)) if weight(&one) >= weight(&two) => {
                (Err(one), beside(heard, others))
            }
            ((found @ Ok(_), heard), (Err(_), others)) | ((Err(_), others), (found, heard)) => {
                (found, beside(heard, others))
            }
        }
    }

    async fn of_type(&self, name: &Name, record_type: RecordType) -> Verdict {
        let mut heard = Heard::default();
        let found = self.follow(name, record_type, &mut heard).await;
        (found, heard)
    }

    /// Asks for a name, and for what it stands for.
    async fn follow(&self, name: &Name, record_type: RecordType, heard: &mut Heard) -> Addresses {
        let mut current = name.clone();
        let mut seen = vec![name.clone()];
        loop {
            let message = self.ask(&current, record_type).await?;
            let said = answer::said(&message, &current, record_type, &mut seen);
            heard.deciding.push(*message);
            match said? {
                Said::Addresses(addresses) => return Ok(addresses),
                Said::Alias(next) => current = next,
            }
        }
    }

    /// Asks the servers in turn until one gives an answer, all have failed, or the time is over.
    async fn ask(&self, name: &Name, record_type: RecordType) -> Result<Box<Message>, Trouble> {
        let query = question(name, record_type, true);
        let mut troubles: Vec<Option<Trouble>> = vec![None; self.servers.len()];
        let mut tries = FuturesUnordered::new();
        let mut turn = 0;
        loop {
            let index = turn % self.servers.len();
            turn += 1;
            troubles[index] = None;
            self.noted().waiting.push((record_type, index));
            let server = &self.servers[index];
            let query = &query;
            tries.push(async move { (index, self.exchange.with(server, query).await) });
            let next = self.next_turn();
            loop {
                let waited = async {
                    match tries.next().await {
                        Some(done) => done,
                        None => pending().await,
                    }
                };
                let Some((index, result)) = before(next, waited).await else { break };
                self.noted().waiting.retain(|waiting| *waiting != (record_type, index));
                match result {
                    Ok(message) => {
                        self.note_silence(Some(record_type));
                        self.note(index, "answered");
                        return Ok(message);
                    }
                    Err(trouble) => {
                        self.note(index, trouble.fault.name());
                        troubles[index] = Some(trouble);
                    }
                }
                if troubles.iter().all(Option::is_some) {
                    return Err(troubles.pop().flatten().unwrap_or_else(|| silence(self.servers.len())));
                }
                if troubles[turn % self.servers.len()].is_none() && tries.is_empty() {
                    break;
                }
            }
            if Instant::now() >= self.deadline {
                self.note_silence(Some(record_type));
                return Err(silence(self.servers.len()));
            }
        }
    }

    /// When the next server is asked: every server gets two turns in the time that is left, and none waits longer
    /// than resolv.conf's timeout.
    fn next_turn(&self) -> Instant {
        let now = Instant::now();
        let share = self.deadline.saturating_duration_since(now) / u32::try_from(2 * self.servers.len()).unwrap_or(2);
        self.deadline.min(now + self.interval.min(share.max(RESOLUTION_DELAY)))
    }

    /// Notes who was asked for this type, or for any, and has not answered.
    fn note_silence(&self, record_type: Option<RecordType>) {
        let waiting = std::mem::take(&mut self.noted().waiting);
        let (silent, waiting) =
            waiting.into_iter().partition::<Vec<_>, _>(|(asked, _)| record_type.is_none_or(|wanted| wanted == *asked));
        self.noted().waiting = waiting;
        for (_, index) in silent {
            self.note(index, Resolve::TimedOut.name());
        }
    }

    fn note(&self, index: usize, result: &str) {
        let server = self.secrets.strike(&self.servers[index].to_string());
        let result = &self.secrets.strike(result);
        tracing::debug!(target: "conversation", "* name server {server}: {result}");
        let mut noted = self.noted();
        let known = noted.servers.iter().any(|known| known.server == server && known.result == *result);
        if !known && noted.servers.len() < MOST_SERVERS_NOTED {
            noted.servers.push(evidence::NameServer { server, result: result.to_owned() });
        }
    }

    fn noted(&self) -> std::sync::MutexGuard<'_, Noted> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Which of two families' troubles is told: the one about the name before one about a server, silence after both, and
/// NODATA last, since it says nothing about the other family.
fn weight(trouble: &Trouble) -> u8 {
    match trouble.fault {
        Resolve::Nxdomain => 3,
        Resolve::TimedOut => 1,
        Resolve::Nodata => 0,
        _ => 2,
    }
}

/// Which trouble of a search list is told, the highest first; `None` ends the search. The order is the C library's.
const fn telling(fault: Resolve) -> Option<u8> {
    match fault {
        Resolve::Nxdomain => Some(0),
        Resolve::Servfail => Some(1),
        Resolve::Nodata => Some(2),
        Resolve::Refused
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
        | Resolve::Socket => None,
    }
}

/// The answers of two families, of which the first decided.
fn beside(deciding: Heard, mut others: Heard) -> Heard {
    others.beside.append(&mut others.deciding);
    Heard { deciding: deciding.deciding, beside: others.beside }
}

fn silence(servers: usize) -> Trouble {
    let who = if servers == 1 { "the name server".to_owned() } else { format!("{servers} name servers") };
    Trouble::new(Resolve::TimedOut, format!("no usable answer from {who} in time"))
}
