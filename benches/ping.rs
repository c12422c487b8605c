//! What a ping measures and costs, beside fping, in one run: `cargo bench --bench ping` as root, with iproute2, and with
//! fping (`apt-get install fping`).
//!
//! Both ping in turn from a network namespace of their own: over loopback, over a veth pair to another kernel, and to a
//! responder that answers exactly 5 or 10 ms after a request reached it. Then five thousand requests at once, and five
//! thousand a second. The table says what was aimed at.

#![allow(clippy::print_stdout, reason = "the table is what a benchmark is for")]
#![allow(clippy::disallowed_methods, reason = "the responder is the other side")]

use std::collections::VecDeque;
use std::io::IoSliceMut;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::AsRawFd as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};

use agent::reader::Source;
use agent::settings::Settings;
use agent::task::{self, Probe};
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::socket::sockopt::ReceiveTimestampns;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg, setsockopt};
use nix::sys::time::{TimeSpec, TimeValLike as _};
use probes::net::Host;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

/// Rounds in which each pings, and requests of each in one round.
const ROUNDS: usize = 5;
const REQUESTS: usize = 100;
/// From one request to the next.
const PERIOD: Duration = Duration::from_millis(5);
/// Requests at once, or in a second.
const MANY: usize = 5_000;
/// Their targets.
const TARGETS: usize = 200;

const INSIDE: &str = "--inside";
const RESPOND: &str = "--respond";
const DELAYS: [u64; 2] = [5, 10];

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let after = |word: &str| arguments.iter().position(|argument| argument == word).map(|at| &arguments[at + 1..]);
    if let Some([own, ..]) = after(RESPOND) {
        respond(own);
    } else if after(INSIDE).is_some() {
        measure_all();
    } else if after("--bench").is_some() {
        // `cargo test --benches` calls this too, only to see that it builds.
        let networks = Networks::new();
        let own = std::env::current_exe().expect("this program has a path");
        let ended = networks.run(0, &[&own.display().to_string(), INSIDE]).status().expect("ip starts");
        assert!(ended.success(), "the measurements failed: {ended}");
    }
}

/// Three namespaces: where it is pinged from, a kernel that answers, and a responder with a delay.
struct Networks {
    names: Vec<String>,
    responders: Vec<Child>,
}

impl Networks {
    fn new() -> Self {
        let names: Vec<String> = (0..3).map(|number| format!("bench-{}-{number}", std::process::id())).collect();
        let mut networks = Self { names, responders: Vec::new() };
        for number in 0..3 {
            ip(&["netns", "add", &networks.names[number]]);
            ip(&["-n", &networks.names[number], "link", "set", "lo", "up"]);
        }
        for number in 1..3 {
            networks.connect(number);
        }
        let quiet = networks.run(2, &["sh", "-c", "echo 1 > /proc/sys/net/ipv4/icmp_echo_ignore_all"]).status();
        assert!(quiet.is_ok_and(|status| status.success()), "the responder's kernel must not answer");
        let own = std::env::current_exe().expect("this program has a path").display().to_string();
        let mut responder = networks.run(2, &["nice", "-n", "-20", &own, RESPOND, "10.79.2.2"]);
        networks.responders.push(responder.spawn().expect("the responder starts"));
        networks
    }

    fn connect(&self, number: usize) {
        let (near, far) = (self.names[0].as_str(), self.names[number].as_str());
        let (one, other) = (format!("10.79.{number}.1/24"), format!("10.79.{number}.2/24"));
        let end = format!("to{number}");
        ip(&["-n", near, "link", "add", &end, "type", "veth", "peer", "name", "back", "netns", far]);
        for (namespace, end, address) in [(near, end.as_str(), &one), (far, "back", &other)] {
            ip(&["-n", namespace, "address", "add", address, "dev", end]);
            ip(&["-n", namespace, "link", "set", end, "up"]);
        }
    }

    fn run(&self, number: usize, words: &[&str]) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.names[number]]).args(words);
        command
    }
}

impl Drop for Networks {
    fn drop(&mut self) {
        for responder in &mut self.responders {
            let _ = responder.kill();
            let _ = responder.wait();
        }
        for name in &self.names {
            let _ = Command::new("ip").args(["netns", "delete", name]).status();
        }
    }
}

fn ip(words: &[&str]) {
    let status = Command::new("ip").args(words).status().expect("this needs root and Debian's iproute2");
    assert!(status.success(), "ip {words:?}: {status}");
}

/// Answers every request after so many milliseconds as it has bytes of data beyond 56, counted from when the kernel took
/// it in. It never sleeps, so as not to be late.
fn respond(own: &str) {
    let own: IpAddr = own.parse().expect("an address");
    let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4)).expect("needs root");
    socket.bind(&SocketAddr::new(own, 0).into()).expect("the address is there");
    setsockopt(&socket, ReceiveTimestampns, &true).expect("the kernel stamps what it receives");
    let mut due: VecDeque<(SystemTime, Vec<u8>, SockAddr)> = VecDeque::new();
    let mut buffer = [0; 2048];
    loop {
        if let Some((length, came)) = take(&socket, &mut buffer)
            && let Some(request) = buffer.get(20..length).filter(|request| request.first() == Some(&8))
        {
            let delay = Duration::from_millis(request.len().saturating_sub(64) as u64);
            let from = Ipv4Addr::new(buffer[12], buffer[13], buffer[14], buffer[15]);
            due.push_back((came + delay, reply(request), SocketAddr::new(from.into(), 0).into()));
        }
        if due.front().is_some_and(|(at, ..)| *at <= SystemTime::now())
            && let Some((_, reply, to)) = due.pop_front()
        {
            let _ = socket.send_to(&reply, &to);
        }
    }
}

/// A message, if there is one: its length, and when the kernel took it in.
fn take(socket: &Socket, buffer: &mut [u8]) -> Option<(usize, SystemTime)> {
    let mut parts = [IoSliceMut::new(buffer)];
    let mut control = nix::cmsg_space!(TimeSpec);
    let flags = MsgFlags::MSG_DONTWAIT;
    let message = recvmsg::<()>(socket.as_raw_fd(), &mut parts, Some(&mut control), flags).ok()?;
    let came = message.cmsgs().ok()?.find_map(|part| match part {
        ControlMessageOwned::ScmTimestampns(time) => Some(SystemTime::UNIX_EPOCH + Duration::from(time)),
        _ => None,
    });
    Some((message.bytes, came.unwrap_or_else(SystemTime::now)))
}

/// A request made a reply: its type goes from 8 to 0, and the checksum with it (RFC 1624).
fn reply(request: &[u8]) -> Vec<u8> {
    let mut reply = request.to_vec();
    reply[0] = 0;
    let sum = u32::from(u16::from_be_bytes([reply[2], reply[3]])) + 0x0800;
    let sum = u16::try_from((sum & 0xffff) + (sum >> 16)).unwrap_or(u16::MAX);
    reply[2..4].copy_from_slice(&sum.to_be_bytes());
    reply
}

fn measure_all() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let version = Command::new("fping").arg("-v").output().expect("this needs fping: apt-get install fping");
    println!("{}", String::from_utf8_lossy(&version.stdout).lines().next().unwrap_or_default().trim());
    println!("{:<34} {:>19} {:>19} {:>9}  aim", "what, in µs", "agent p50 p99", "fping p50 p99", "p50 diff");
    beside_fping(&runtime, "loopback, 200/s", "127.0.0.1", 56, None);
    beside_fping(&runtime, "veth, 200/s", "10.79.1.2", 56, None);
    for delay in DELAYS {
        let size = 56 + usize::try_from(delay).unwrap_or(0);
        let exact = Some(Duration::from_millis(delay));
        beside_fping(&runtime, &format!("exactly {delay} ms, 200/s"), "10.79.2.2", size, exact);
    }
    burst(&runtime);
    rate(&runtime);
}

fn probes_of(targets: &[String], size: usize) -> Vec<Probe> {
    let text = format!("[[task]]\nname = \"bench\"\ntargets = {targets:?}\n[task.ping]\ncount = 1\nsize = {size}\n");
    let tasks = task::read(Source::inline("bench", text), &Settings::default()).expect("the task is right");
    tasks.into_iter().flat_map(|task| task.probes).collect()
}

/// The time of the one reply of a run.
async fn ping(probe: &Probe, host: &Host) -> Option<Duration> {
    let outcome = probe.run(host).await;
    Some(outcome.evidence.icmp?.rtt?.avg)
}

/// Pings one target in turn with fping.
fn beside_fping(runtime: &tokio::runtime::Runtime, what: &str, target: &str, size: usize, exact: Option<Duration>) {
    let (probes, host) = (probes_of(&[target.to_owned()], size), Host::default());
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let own = runtime.block_on(async {
            let mut times = Vec::new();
            let mut beat = tokio::time::interval(PERIOD);
            for _ in 0..REQUESTS {
                beat.tick().await;
                times.extend(ping(&probes[0], &host).await);
            }
            times
        });
        let other = fping(&["-p", "5", "-t", "500", "-C", &REQUESTS.to_string(), "-b", &size.to_string(), target]);
        // The first round only warms everything up.
        if round > 0 {
            ours.extend(own);
            theirs.extend(other);
        }
    }
    assert_eq!((ours.len(), theirs.len()), (ROUNDS * REQUESTS, ROUNDS * REQUESTS), "replies are missing");
    let (ours, theirs) = (Percentiles::of(ours), Percentiles::of(theirs));
    let (difference, aim) = match exact {
        None => (ours.p50 - theirs.p50, "≤ 3"),
        Some(exact) => (ours.p50 - exact.as_secs_f64() * 1e6, "≤ 10 from the exact time"),
    };
    println!("{what:<34} {ours:>19} {theirs:>19} {difference:>+9.1}  {aim}");
}

/// The times that fping prints, in the manner of `fping -q -C`.
fn fping(arguments: &[&str]) -> Vec<Duration> {
    let output = Command::new("fping").arg("-q").args(arguments).stdin(Stdio::null()).output().expect("fping starts");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let times = text.lines().filter_map(|line| line.split_once(" : ")).flat_map(|(_, times)| times.split_whitespace());
    times.filter_map(|time| time.parse::<f64>().ok()).map(|time| Duration::from_secs_f64(time / 1e3)).collect()
}

fn many_targets() -> Vec<String> {
    (1..=TARGETS).map(|number| format!("127.0.0.{number}")).collect()
}

/// Everything at once: how many replies are falsely missed.
fn burst(runtime: &tokio::runtime::Runtime) {
    let (probes, host) = (probes_of(&many_targets(), 56), Host::default());
    let times: Vec<Duration> = runtime.block_on(async {
        let runs: FuturesUnordered<_> = (0..MANY).map(|number| ping(&probes[number % TARGETS], &host)).collect();
        runs.filter_map(async |time| time).collect().await
    });
    let missed = MANY - times.len();
    println!(
        "{:<34} {:>19} {:>19} {:>9}  0 missed",
        format!("{MANY} at once"),
        Percentiles::of(times),
        "",
        format!("{missed} miss")
    );
}

/// So many a second: what each costs.
fn rate(runtime: &tokio::runtime::Runtime) {
    let (probes, host) = (probes_of(&many_targets(), 56), Host::default());
    let before = cpu(UsageWho::RUSAGE_SELF);
    let times: Vec<Duration> = runtime.block_on(async {
        let mut beat = tokio::time::interval(Duration::from_millis(1));
        let mut runs = FuturesUnordered::new();
        let mut times = Vec::new();
        for number in 0..MANY {
            if number % 5 == 0 {
                beat.tick().await;
            }
            runs.push(ping(&probes[number % TARGETS], &host));
            while let Some(Some(time)) = futures_util::FutureExt::now_or_never(runs.next()) {
                times.extend(time);
            }
        }
        times.extend(runs.filter_map(async |time| time).collect::<Vec<_>>().await);
        times
    });
    let own = per_ping(cpu(UsageWho::RUSAGE_SELF).saturating_sub(before));
    let before = cpu(UsageWho::RUSAGE_CHILDREN);
    let each = (MANY / TARGETS).to_string();
    let mut arguments = vec!["-i", "0.2", "-p", "40", "-C", &each];
    let targets = many_targets();
    arguments.extend(targets.iter().map(String::as_str));
    let theirs = fping(&arguments);
    let other = per_ping(cpu(UsageWho::RUSAGE_CHILDREN).saturating_sub(before));
    let missed = MANY - times.len();
    let (ours, theirs) = (Percentiles::of(times), Percentiles::of(theirs));
    let difference = ours.p50 - theirs.p50;
    println!(
        "{:<34} {ours:>19} {theirs:>19} {difference:>+9.1}  ≤ 3, {missed} missed",
        format!("{MANY} a second, loopback")
    );
    println!("{:<34} {own:>19.1} {other:>19.1} {:>9}  about 10", "  CPU of each", "");
}

fn per_ping(time: Duration) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "5,000 is exact in a double")]
    let many = MANY as f64;
    time.as_secs_f64() * 1e6 / many
}

fn cpu(who: UsageWho) -> Duration {
    let usage = getrusage(who).expect("the kernel counts");
    let whole = usage.user_time() + usage.system_time();
    Duration::from_micros(u64::try_from(whole.num_microseconds()).unwrap_or(0))
}

/// In microseconds.
struct Percentiles {
    p50: f64,
    p99: f64,
}

impl Percentiles {
    fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        let at = |share: usize| times.get(times.len() * share / 100).map_or(f64::NAN, |time| time.as_secs_f64() * 1e6);
        Self { p50: at(50), p99: at(99) }
    }
}

impl std::fmt::Display for Percentiles {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.pad(&format!("{:.1} {:.1}", self.p50, self.p99))
    }
}
