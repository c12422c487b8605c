//! What a ping measures and costs, beside fping, in one run: `cargo bench --bench ping` as root, with iproute2, and with
//! fping (`apt-get install fping`).
//!
//! Both ping in turn from a network namespace of their own: over loopback, over a veth pair to another kernel, and to a
//! responder that answers exactly 5 or 10 ms after a request reached it. Then five thousand requests at once, and five
//! thousand a second. The table says what was aimed at.

#![allow(clippy::print_stdout, reason = "the table is what a benchmark is for")]

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use agent::reader::Source;
use agent::settings::Settings;
use agent::task::{self, Probe};
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;
use probes::net::Host;

/// Rounds in which each pings, and requests of each in one round.
const ROUNDS: usize = 20;
const REQUESTS: usize = 25;
/// From one request to the next.
const PERIOD: Duration = Duration::from_millis(5);
/// Requests at once, or in a second.
const MANY: usize = 5_000;
/// Their targets.
const TARGETS: usize = 200;

const INSIDE: &str = "--inside";
const RESPOND: &str = "--respond";
const DELAYS: [u64; 2] = [5, 10];
const TUN: &str = "exact";

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let after = |word: &str| arguments.iter().position(|argument| argument == word).map(|at| &arguments[at + 1..]);
    if after(RESPOND).is_some() {
        respond();
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

/// Two namespaces: where it is pinged from, with a responder on a TUN device, and a kernel that answers.
struct Networks {
    names: [String; 2],
    responder: Option<Child>,
}

impl Networks {
    fn new() -> Self {
        let names = [0, 1].map(|number| format!("bench-{}-{number}", std::process::id()));
        let mut networks = Self { names, responder: None };
        let [near, far] = &networks.names;
        for name in [near, far] {
            ip(&["netns", "add", name]);
            ip(&["-n", name, "link", "set", "lo", "up"]);
        }
        ip(&["-n", near, "link", "add", "to", "type", "veth", "peer", "name", "back", "netns", far]);
        for (name, end, address) in [(near, "to", "10.79.1.1/24"), (far, "back", "10.79.1.2/24")] {
            ip(&["-n", name, "address", "add", address, "dev", end]);
            ip(&["-n", name, "link", "set", end, "up"]);
        }
        let own = std::env::current_exe().expect("this program has a path").display().to_string();
        let responder = networks.run(0, &["nice", "-n", "-20", &own, RESPOND]).spawn();
        networks.responder = Some(responder.expect("the responder starts"));
        networks
    }

    fn run(&self, number: usize, words: &[&str]) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.names[number]]).args(words);
        command
    }
}

impl Drop for Networks {
    fn drop(&mut self) {
        if let Some(responder) = &mut self.responder {
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

/// Answers every request after so many milliseconds as it has bytes of data beyond 56. It never sleeps, so as not to be
/// late.
fn respond() {
    let mut device = tun();
    ip(&["address", "add", "10.79.2.1/24", "dev", TUN]);
    ip(&["link", "set", TUN, "up"]);
    let mut due: VecDeque<(Instant, Vec<u8>)> = VecDeque::new();
    let mut buffer = [0; 2048];
    loop {
        if let Ok(length) = device.read(&mut buffer)
            && buffer[0] == 0x45
            && buffer.get(20) == Some(&8)
        {
            let delay = Duration::from_millis(length.saturating_sub(20 + 64) as u64);
            due.push_back((Instant::now() + delay, reply(&buffer[..length])));
        }
        if due.front().is_some_and(|(at, _)| *at <= Instant::now())
            && let Some((_, reply)) = due.pop_front()
        {
            let _ = device.write(&reply);
        }
    }
}

/// A network device whose packets this process reads and writes (`Documentation/networking/tuntap`).
#[allow(unsafe_code, reason = "no safe wrapper has this call")]
fn tun() -> File {
    nix::ioctl_write_ptr_bad!(set_interface, nix::request_code_write!(b'T', 202, size_of::<i32>()), [u8; 40]);
    const TUN_WITHOUT_PREFIX: u16 = 0x1001;
    let mut options = OpenOptions::new();
    let device = options.read(true).write(true).custom_flags(nix::libc::O_NONBLOCK).open("/dev/net/tun");
    let device = device.expect("needs root and /dev/net/tun");
    // `struct ifreq`: sixteen bytes of name, then the flags.
    let mut request = [0; 40];
    request[..TUN.len()].copy_from_slice(TUN.as_bytes());
    request[16..18].copy_from_slice(&TUN_WITHOUT_PREFIX.to_ne_bytes());
    // SAFETY: the kernel reads and writes a `struct ifreq`, which is no larger than the forty bytes of `request`, and the
    // descriptor is open because `device` is.
    unsafe { set_interface(device.as_raw_fd(), &raw const request) }.expect("the device is made");
    device
}

/// A request made a reply: addresses change places, the type goes from 8 to 0, and the checksum with it (RFC 1624).
fn reply(request: &[u8]) -> Vec<u8> {
    let mut reply = request.to_vec();
    reply[12..16].copy_from_slice(&request[16..20]);
    reply[16..20].copy_from_slice(&request[12..16]);
    reply[20] = 0;
    let sum = u32::from(u16::from_be_bytes([reply[22], reply[23]])) + 0x0800;
    let sum = u16::try_from((sum & 0xffff) + (sum >> 16)).unwrap_or(u16::MAX);
    reply[22..24].copy_from_slice(&sum.to_be_bytes());
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
    Some(outcome.evidence.icmp?.echoes?.rtt?.avg)
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
