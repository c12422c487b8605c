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

use super::answer::{self, Said};
use super::server::Exchange;
use super::{DEFAULT_INTERVAL, Server, Settings, Trouble};
use crate::evidence;
use crate::fault::{Named as _, Resolve};
use crate::net::message::question;
use crate::net::{Host, before};
use crate::secret::Secrets;

/// How long the second family is waited for once the first has addresses (RFC 8305 section 3).
const RESOLUTION_DELAY: Duration = Duration::from_millis(50);

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
    decided: Option<Box<Message>>,
}

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
    pub(super) async fn addresses(self, text: &str, asked: &mut evidence::Dns) -> Result<Vec<IpAddr>, Trouble> {
        let result = self.find(text).await;
        let noted = self.noted.into_inner().unwrap_or_else(PoisonError::into_inner);
        asked.servers = noted.servers;
        if let Some(message) = noted.decided {
            answer::describe(&message, asked);
        }
        result
    }

    async fn find(&self, text: &str) -> Result<Vec<IpAddr>, Trouble> {
        let mut name = Name::from_ascii(text).map_err(|error| Trouble::new(Resolve::InvalidName, error.to_string()))?;
        if !self.settings.servers.is_empty() {
            name.set_fqdn(true);
            return self.absolute(&name).await;
        }
        let system = self.host.names();
        let listed = system.lookup_hosts(&name, self.settings.family);
        if !listed.is_empty() {
            return Ok(listed);
        }
        if name.is_localhost() {
            return Ok(self.loopback());
        }
        let mut first = None;
        for candidate in system.candidates(&name) {
            match self.absolute(&candidate).await {
                // Only these two say that this is not the name that was meant; the rest ends the search.
                Err(trouble) if matches!(trouble.fault, Resolve::Nxdomain | Resolve::Nodata) => {
                    let telling = trouble.fault == Resolve::Nodata;
                    if first.is_none() || telling {
                        first = Some(trouble);
                    }
                }
                done => return done,
            }
        }
        Err(first.unwrap_or_else(|| Trouble::new(Resolve::Nxdomain, "there is no name to ask for")))
    }

    /// `localhost` never goes to a name server (RFC 6761 section 6.3).
    fn loopback(&self) -> Vec<IpAddr> {
        let both = [IpAddr::V6(Ipv6Addr::LOCALHOST), IpAddr::V4(Ipv4Addr::LOCALHOST)];
        both.into_iter().filter(|address| self.settings.family.takes(*address)).collect()
    }

    /// Asks for every family at once. Addresses of one family are enough: the other one then gets a moment more.
    async fn absolute(&self, name: &Name) -> Result<Vec<IpAddr>, Trouble> {
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

    async fn combine(
        &self,
        done: Result<Vec<IpAddr>, Trouble>,
        other: impl Future<Output = Result<Vec<IpAddr>, Trouble>>,
        swapped: bool,
    ) -> Result<Vec<IpAddr>, Trouble> {
        let other = match &done {
            Ok(_) => before(self.deadline.min(Instant::now() + RESOLUTION_DELAY), other).await,
            // NXDOMAIN is about the name, whatever the type (RFC 8020), but some servers say it of the type they lack;
            // what a lookup comes to must not hang on which answer is the first.
            Err(_) => Some(other.await),
        };
        match (done, other) {
            (Ok(mut one), Some(Ok(mut two))) => {
                if swapped {
                    std::mem::swap(&mut one, &mut two);
                }
                one.append(&mut two);
                Ok(one)
            }
            (Ok(found), _) | (Err(_), Some(Ok(found))) => Ok(found),
            (Err(one), Some(Err(two))) if one.fault == Resolve::Nodata && two.fault == Resolve::Nodata => {
                Err(Trouble::new(Resolve::Nodata, "NOERROR without an address (A, AAAA)"))
            }
            (Err(one), Some(Err(two))) => {
                // Of two alike, that of the family that goes first, whichever came first.
                let second = weight(&two) > weight(&one) || (swapped && weight(&two) == weight(&one));
                Err(if second { two } else { one })
            }
            (Err(one), None) => Err(one),
        }
    }

    async fn of_type(&self, name: &Name, record_type: RecordType) -> Result<Vec<IpAddr>, Trouble> {
        let mut current = name.clone();
        let mut seen = vec![name.clone()];
        loop {
            let message = self.ask(&current, record_type).await?;
            let said = answer::said(&message, &current, record_type, &mut seen);
            self.noted().decided = Some(message);
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
                match result {
                    Ok(message) => {
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
                for (server, trouble) in troubles.iter().enumerate() {
                    if trouble.is_none() {
                        self.note(server, Resolve::TimedOut.name());
                    }
                }
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

fn silence(servers: usize) -> Trouble {
    let who = if servers == 1 { "the name server".to_owned() } else { format!("{servers} name servers") };
    Trouble::new(Resolve::TimedOut, format!("no usable answer from {who} in time"))
}
