//! The only door to the network: an [`Attempt`] carries the one deadline, the stopwatch, the policy and the evidence
//! of a run, and whoever waits holds it.
//!
//! Names are resolved ([`resolve`]), judged ([`policy`]), connected to ([`connect`]) and encrypted ([`tls`]) here, so
//! that every protocol has the same phases and the same faults for the same trouble.

#![expect(clippy::disallowed_methods, reason = "this is the module that the bans send all others to")]

pub mod policy;
pub mod resolve;
pub mod tls;
pub mod verdict;

pub(crate) mod connect;
pub(crate) mod icmp;
pub(crate) mod message;
mod part;
pub(crate) mod records;
pub(crate) mod stream;
mod sys;
pub(crate) mod transcript;
pub(crate) mod udp;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime};

use crate::evidence::Evidence;
use crate::phases::{Phase, Phases};
use crate::secret::Secrets;
use policy::{Demand, Policy};
use verdict::Anchors;

/// What the host that the agent runs on gives to every run. Made once and shared.
#[derive(Debug, Default)]
pub struct Host {
    /// Which addresses may be contacted.
    pub policy: Policy,
    /// The source address for IPv4 targets; the kernel's choice if absent.
    pub source_ipv4: Option<Ipv4Addr>,
    /// The source address for IPv6 targets; the kernel's choice if absent.
    pub source_ipv6: Option<Ipv6Addr>,
    /// The interface to send through; the kernel's choice if absent.
    pub interface: Option<String>,
    lines: icmp::Lines,
    roots: OnceLock<Arc<Anchors>>,
    names: OnceLock<resolve::System>,
}

impl Host {
    /// The trust anchors of the system, read when first asked for.
    fn roots(&self) -> Arc<Anchors> {
        self.roots.get_or_init(|| Arc::new(Anchors::new(rustls_native_certs::load_native_certs().certs))).clone()
    }

    /// The name service of the system, read when first asked for.
    fn names(&self) -> &resolve::System {
        self.names.get_or_init(resolve::System::read)
    }
}

/// The limits of a run.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The whole run.
    pub timeout: Duration,
    /// TCP connect, per hop; without it `setup` bounds it.
    pub connect: Option<Duration>,
    /// The TLS handshake; without it `setup` bounds it.
    pub tls: Option<Duration>,
    /// Connect and TLS together, per hop.
    pub setup: Duration,
}

/// What a task says about how it is to be run, whatever its protocol.
#[derive(Clone, Debug)]
pub struct Conditions {
    /// The limits.
    pub limits: Limits,
    /// How names become addresses.
    pub resolver: resolve::Settings,
    /// The source address, before the host's.
    pub source_ip: Option<IpAddr>,
    /// What the task adds to the address policy.
    pub demand: Demand,
    /// What no output may show.
    pub secrets: Secrets,
}

impl Default for Conditions {
    fn default() -> Self {
        Self {
            limits: Limits {
                timeout: Duration::from_secs(30),
                connect: None,
                tls: None,
                setup: Duration::from_secs(30),
            },
            resolver: resolve::Settings::default(),
            source_ip: None,
            demand: Demand::default(),
            secrets: Secrets::default(),
        }
    }
}

/// One run under way.
#[derive(Debug)]
pub struct Attempt<'a> {
    /// The host it runs on.
    pub(crate) host: &'a Host,
    /// What its task says.
    pub(crate) conditions: &'a Conditions,
    /// The wall clock at its start: for certificates and signatures.
    pub(crate) started: SystemTime,
    /// When everything ends.
    pub(crate) deadline: Instant,
    /// How long a peer may be silent before its time is over, where that is limited.
    pub(crate) silence: Option<Duration>,
    /// What was seen.
    pub(crate) evidence: Evidence,
    /// The peer, once connected.
    pub(crate) remote: Option<SocketAddr>,
    /// What the connection carried.
    pub(crate) tap: Option<stream::Tap>,
    /// What the connection beside it carried (FTP's data).
    tap_beside: Option<stream::Tap>,
    /// What further connections carried.
    counted: Option<crate::evidence::Bytes>,
    /// Texts that were made of a secret in this run, by signing with it or by a server that sends us to a URL with one in
    /// it: as secret as the secret itself.
    pub(crate) tainted: Secrets,
    /// Limits of the check itself that the target is over, should the run succeed.
    pub(crate) warnings: Vec<String>,
    /// Whether the server asked for a client certificate.
    client_certificate: Option<Arc<tls::ClientCertificate>>,
    /// What it took to make TLS ready, until a handshake takes it into its phase.
    tls_setup: Duration,
    /// Those of the task, or of a part of the run.
    limits: Limits,
    begun: Instant,
    /// When the current phase was entered last.
    entered: Instant,
    /// When the verdict stood, if the run went on after it.
    ended: Option<Instant>,
    setup_deadline: Instant,
    phases: Phases,
    hop_phases: Phases,
    current: Option<Phase>,
    /// The phase that a failure belongs to which was met in a later one.
    blamed: Option<Phase>,
}

impl<'a> Attempt<'a> {
    /// Starts the clock.
    pub(crate) fn new(host: &'a Host, conditions: &'a Conditions) -> Self {
        let begun = Instant::now();
        let deadline = begun + conditions.limits.timeout;
        Self {
            host,
            conditions,
            started: SystemTime::now(),
            deadline,
            silence: None,
            evidence: Evidence::default(),
            remote: None,
            tap: None,
            tap_beside: None,
            counted: None,
            tainted: Secrets::default(),
            warnings: Vec::new(),
            client_certificate: None,
            tls_setup: Duration::ZERO,
            limits: conditions.limits,
            begun,
            entered: begun,
            ended: None,
            setup_deadline: deadline,
            phases: Phases::default(),
            hop_phases: Phases::default(),
            current: None,
            blamed: None,
        }
    }

    /// A part of the same run with phases and evidence of its own, under the same deadline.
    pub(crate) fn beside(&self) -> Self {
        let deadline = self.deadline;
        Self {
            started: self.started,
            deadline,
            begun: self.begun,
            setup_deadline: deadline,
            ..Self::new(self.host, self.conditions)
        }
    }

    /// Brings the deadline nearer for a while; what it was is given back by [`Self::lengthen`].
    pub(crate) fn shorten(&mut self, most: Duration) -> Instant {
        let run = self.deadline;
        self.deadline = run.min(Instant::now() + most);
        run
    }

    /// Puts the deadline back.
    pub(crate) const fn lengthen(&mut self, run: Instant) {
        self.deadline = run;
    }

    /// A text without the secrets of the task, and without those that came of them in this run.
    pub(crate) fn strike(&self, text: &str) -> String {
        self.tainted.strike(&self.conditions.secrets.strike(text))
    }

    /// Counts in what a further connection carried.
    pub(crate) fn count_in(&mut self, tap: Option<stream::Tap>) {
        self.count(tap.map(|tap| tap.bytes()).unwrap_or_default());
    }

    /// The same, of what is counted already.
    pub(crate) fn count(&mut self, bytes: crate::evidence::Bytes) {
        let counted = self.counted.unwrap_or_default();
        self.counted = Some(counted.plus(bytes));
    }

    /// How long after the beginning of the run an instant was.
    pub(crate) fn since_begin(&self, at: Instant) -> Duration {
        at.saturating_duration_since(self.begun)
    }

    /// How long the run has taken, or took to its verdict.
    pub(crate) fn elapsed(&self) -> Duration {
        self.ended.unwrap_or_else(Instant::now).duration_since(self.begun)
    }

    /// Says that the verdict stands: what still happens is no part of the run.
    pub(crate) fn stop_the_clock(&mut self) {
        self.ended.get_or_insert_with(Instant::now);
    }

    /// Says that the verdict does not stand yet after all.
    pub(crate) const fn go_on(&mut self) {
        self.ended = None;
    }

    /// The wall clock now: what it was at the start, and the time since.
    pub(crate) fn now(&self) -> SystemTime {
        self.started + self.elapsed()
    }

    /// How long the run may still take.
    pub(crate) fn time_left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// What the run's connections carried; none if there was none.
    pub(crate) fn bytes(&self) -> Option<crate::evidence::Bytes> {
        let own = self.tap.as_ref().map(stream::Tap::bytes);
        let beside = self.tap_beside.as_ref().map(stream::Tap::bytes);
        [own, beside, self.counted].into_iter().flatten().reduce(crate::evidence::Bytes::plus)
    }

    /// The phases so far; of several hops, the sums.
    pub(crate) const fn phases(&self) -> &Phases {
        &self.phases
    }

    /// The phase that was entered last, unless an earlier one is to blame.
    pub(crate) fn current(&self) -> Option<Phase> {
        self.blamed.or(self.current)
    }

    /// Says that the run failed in a phase that seemed to be over.
    pub(crate) const fn blame(&mut self, phase: Phase) {
        self.blamed = Some(phase);
    }

    /// Says that another hop begins: what fails before its first phase fails in none.
    pub(crate) const fn begin_hop(&mut self) {
        self.current = None;
    }

    /// The phases of the hop that ends here; the next hop begins with none.
    pub(crate) fn take_hop_phases(&mut self) -> Phases {
        std::mem::take(&mut self.hop_phases)
    }

    /// Begins a phase: from now on it counts as reached.
    pub(crate) fn enter(&mut self, phase: Phase) -> Instant {
        self.add(phase, Duration::ZERO);
        self.entered = Instant::now();
        self.entered
    }

    /// Ends a phase that began at `begun`, and says how long it took.
    pub(crate) fn leave(&mut self, phase: Phase, begun: Instant) -> Duration {
        let spent = begun.elapsed();
        self.add(phase, spent);
        spent
    }

    /// Adds time that was measured where it was spent.
    pub(crate) fn add(&mut self, phase: Phase, spent: Duration) {
        self.phases.add(phase, spent);
        self.hop_phases.add(phase, spent);
        self.current = Some(phase);
    }

    /// Runs `work` until the run's deadline; `None` is the deadline.
    pub(crate) async fn within<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        before(self.deadline, work).await
    }

    /// Runs `work` until the time for connecting is over; `None` is its end.
    pub(crate) async fn within_setup<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        before(self.address_deadline(1), work).await
    }

    /// Runs `work` for a pause within the run's deadline; `None` is the end of either.
    pub(crate) async fn within_pause<T>(&self, pause: Duration, work: impl Future<Output = T>) -> Option<T> {
        before(self.deadline.min(Instant::now() + pause), work).await
    }

    /// Starts the time that connect and TLS of one hop share.
    fn begin_setup(&mut self) {
        self.setup_deadline = self.deadline.min(Instant::now() + self.limits.setup);
    }

    /// When the attempt on the next of `left` addresses ends.
    fn address_deadline(&self, left: usize) -> Instant {
        let now = Instant::now();
        let share = |end: Instant| end.saturating_duration_since(now) / u32::try_from(left).unwrap_or(u32::MAX);
        match self.limits.connect {
            Some(limit) => self.deadline.min(now + limit.min(share(self.deadline))),
            None => now + share(self.setup_deadline),
        }
    }

    /// When a TLS handshake that begins now ends.
    fn tls_deadline(&self) -> Instant {
        match self.limits.tls {
            Some(limit) => self.deadline.min(Instant::now() + limit),
            None => self.setup_deadline,
        }
    }
}

/// Runs `work` until `deadline`; `None` is the deadline.
pub(crate) async fn before<T>(deadline: Instant, work: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout_at(deadline.into(), work).await.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_the_verdict_is_not_timed() {
        let (host, conditions) = (Host::default(), Conditions::default());
        let mut attempt = Attempt::new(&host, &conditions);
        attempt.stop_the_clock();
        let ended = attempt.ended;
        let took = attempt.elapsed();
        attempt.stop_the_clock();
        assert_eq!((attempt.elapsed(), attempt.ended), (took, ended));
    }
}
