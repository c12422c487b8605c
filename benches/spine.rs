//! What a probe costs, beside curl and by itself, in one run: `cargo bench --bench spine`.
//!
//! The peer is the nginx of `tests/stack` on loopback. One-shot calls are run in turn with curl's on the same URL and
//! compared by the ratio of their medians; the rates are runs per second of this process's CPU time on one thread,
//! each with a connection and, for HTTPS, a full handshake of its own. The table says what was aimed at.

#![allow(clippy::print_stdout, reason = "the table is what a benchmark is for")]

#[allow(dead_code, unreachable_pub, reason = "the tests use more of it")]
#[path = "../tests/stack/mod.rs"]
mod stack;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use agent::reader::Source;
use agent::settings::Settings;
use agent::task::{self, Probe};
use futures_util::StreamExt as _;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;
use probes::net::Host;
use stack::{Listener, Stack};

/// Calls of each command, after one that is not counted.
const CALLS: usize = 60;
/// Runs for a rate, in one measurement.
const RUNS: usize = 20_000;
/// Measurements of a rate.
const MEASUREMENTS: usize = 5;
/// Probes under way at once.
const IN_FLIGHT: usize = 32;

fn main() {
    // `cargo test --benches` calls this too, only to see that it builds.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let stack = stack::stack();
    println!("{}", machine());
    println!("{:<44} {:>12} {:>12} {:>8}  aim", "what", "agent", "curl", "ratio");
    let https = format!("https://localhost:{}/", stack.address(Listener::Tls).port());
    let ca = std::path::PathBuf::from(stack.certificate("ca.pem"));
    one_shot("one-shot HTTPS, one CA, wall", &https, &ca, None, "≤ 0.60");
    match bundle_with(&ca) {
        Some(bundle) => one_shot("one-shot HTTPS, system's roots, wall", &https, &ca, Some(bundle.path()), "≤ 1.00"),
        None => println!("one-shot HTTPS, system's roots: this machine has no /etc/ssl/certs/ca-certificates.crt"),
    }
    rate("HTTP runs per CPU-second", &http_task(stack), "≥ 15,000");
    rate("HTTPS runs per CPU-second", &https_task(&https, &ca), "≥ 4,000");
}

fn machine() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("unknown");
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let curl = Command::new("curl").arg("--version").output().map(|output| output.stdout).unwrap_or_default();
    let curl = String::from_utf8_lossy(&curl);
    let curl = curl.split(" (").next().unwrap_or("no curl").to_owned();
    format!("{}, Linux {}, {curl}", model.trim_start_matches([' ', '\t', ':']), kernel.trim())
}

/// The system's roots and the stack's, in one file that both programs are shown as the system's.
fn bundle_with(ca: &Path) -> Option<tempfile::NamedTempFile> {
    let mut bundle = fs::read("/etc/ssl/certs/ca-certificates.crt").ok()?;
    bundle.extend(fs::read(ca).ok()?);
    let file = tempfile::NamedTempFile::new().ok()?;
    fs::write(file.path(), bundle).ok()?;
    Some(file)
}

/// Runs the agent and curl in turn on one URL.
fn one_shot(what: &str, url: &str, ca: &Path, roots: Option<&Path>, aim: &str) {
    let folder = tempfile::tempdir().expect("a folder for the task file");
    let task = folder.path().join("task.toml");
    let tls =
        if roots.is_none() { format!("[task.tls]\nca_file = {:?}\n", ca.display().to_string()) } else { String::new() };
    let hosts = "[task.resolver]\nhosts = { localhost = [\"127.0.0.1\"] }\n";
    fs::write(
        &task,
        format!("[[task]]\nname = \"bench\"\ntarget = \"{url}\"\n[task.http]\nhttp_version = \"1.1\"\n{tls}{hosts}"),
    )
    .expect("the task file can be written");
    let mut agent = Command::new(env!("CARGO_BIN_EXE_agent"));
    agent.args(["probe", "--format", "json", "--task"]).arg(&task);
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--fail", "--http1.1", "-4", url]);
    match roots {
        Some(roots) => {
            agent.env("SSL_CERT_FILE", roots);
            curl.arg("--cacert").arg(roots);
        }
        None => _ = curl.arg("--cacert").arg(ca),
    }
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for call in 0..=CALLS {
        let (one, other) = (wall(&mut agent), wall(&mut curl));
        if call > 0 {
            ours.push(one);
            theirs.push(other);
        }
    }
    let (ours, theirs) = (median(&mut ours), median(&mut theirs));
    let ratio = ours.as_secs_f64() / theirs.as_secs_f64();
    println!("{what:<44} {:>9.2} ms {:>9.2} ms {ratio:>8.2}  {aim}", milliseconds(ours), milliseconds(theirs));
    let peak = getrusage(UsageWho::RUSAGE_CHILDREN).expect("the kernel counts").max_rss() / 1024;
    println!("{:<44} {peak:>8} MiB {:>12} {:>8}  < 20 MiB", "  peak memory of the larger of the two", "", "");
}

fn wall(command: &mut Command) -> Duration {
    let begun = Instant::now();
    let status = command.stdout(Stdio::null()).stderr(Stdio::inherit()).status().expect("the command starts");
    let took = begun.elapsed();
    assert!(status.success(), "{command:?} failed: {status}");
    took
}

fn http_task(stack: &Stack) -> Vec<Probe> {
    let target = stack.address(Listener::Plain);
    probes_of(format!("[[task]]\nname = \"bench\"\ntarget = \"http://{target}/\"\n[task.http]\n"))
}

fn https_task(url: &str, ca: &Path) -> Vec<Probe> {
    let ca = ca.display().to_string();
    probes_of(format!(
        "[[task]]\nname = \"bench\"\ntarget = \"{url}\"\n[task.http]\n[task.tls]\nca_file = {ca:?}\n\
         [task.resolver]\nhosts = {{ localhost = [\"127.0.0.1\"] }}\n"
    ))
}

fn probes_of(text: String) -> Vec<Probe> {
    let tasks = task::read(Source::inline("bench", text), &Settings::default()).expect("the task is right");
    tasks.into_iter().flat_map(|task| task.probes).collect()
}

/// Runs one probe over and over on one thread.
fn rate(what: &str, probes: &[Probe], aim: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let host = Host::default();
    let mut rates: Vec<f64> = (0..MEASUREMENTS).map(|_| runtime.block_on(measure(&probes[0], &host))).collect();
    rates.sort_by(f64::total_cmp);
    let (least, middle, most) = (rates[0], rates[rates.len() / 2], rates[rates.len() - 1]);
    println!("{what:<44} {middle:>12.0} {:>12} {:>8}  {aim} ({least:.0} to {most:.0})", "", "");
}

async fn measure(probe: &Probe, host: &Host) -> f64 {
    let before = cpu();
    let mut running = futures_util::stream::iter(0..RUNS).map(|_| probe.run(host)).buffer_unordered(IN_FLIGHT);
    let mut failed = 0;
    while let Some(outcome) = running.next().await {
        failed += usize::from(!outcome.ok);
    }
    assert_eq!(failed, 0, "every run must be answered");
    #[expect(clippy::cast_precision_loss, reason = "20,000 is exact in a double")]
    let runs = RUNS as f64;
    runs / cpu().saturating_sub(before).as_secs_f64()
}

/// User and system time of this process.
fn cpu() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_SELF).expect("the kernel counts");
    let whole = usage.user_time() + usage.system_time();
    Duration::from_micros(u64::try_from(whole.num_microseconds()).unwrap_or(0))
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
