//! How many results a second the store takes, and how long `agent top` needs over ten million of them.
//!
//! `cargo bench --bench store`; `AGENT_BENCH_RESULTS` says how many instead of 10,000,000, and `AGENT_BENCH_STORE`
//! a file that is kept, and used again if it is there. The results are those of
//! 1,000 task-target pairs over 30 days, 5 % of them failures of 40 codes, written by the real writer.

#![allow(clippy::print_stdout, reason = "the table is what a benchmark is for")]

#[allow(dead_code, unreachable_pub, reason = "the tests use more of it")]
#[path = "../tests/store/runs.rs"]
mod runs;

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

use agent::store::{Limits, Store};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;
use probes::codes::Code;
use probes::outcome::Identity;

const PAIRS: usize = 1_000;
const CODES: u64 = 40;
/// Calls for a median.
const CALLS: usize = 11;
const DAYS: u64 = 30;

fn main() {
    // `cargo test --benches` calls this too, only to see that it builds.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let results: u64 = std::env::var("AGENT_BENCH_RESULTS").map_or(10_000_000, |text| text.parse().expect("a number"));
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let kept = std::env::var_os("AGENT_BENCH_STORE").map(PathBuf::from);
    let path = kept.unwrap_or_else(|| folder.path().join("agent.db"));
    if !path.exists() {
        fill(&path, results);
    }
    for by in
        ["", "task", "target", "protocol", "book", "host", "address", "region", "isp,region", "task,target,address"]
    {
        let before = cpu();
        let mut times: Vec<_> = (0..CALLS).map(|_| ask(&path, by)).collect();
        times.sort_unstable();
        let (median, worst) = (times[CALLS / 2], times[CALLS - 1]);
        let cpu = cpu().saturating_sub(before) / u32::try_from(CALLS).expect("few");
        println!("agent top --since 30d --by {by:<20} {median:>7.1?} median, {worst:>7.1?} worst, {cpu:>7.1?} of CPU");
    }
}

/// What the processes called so far took of the CPU.
fn cpu() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("the kernel keeps count");
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Duration::from_micros(u64::try_from(micros).expect("a time"))
}

fn fill(path: &std::path::Path, results: u64) {
    let who: Vec<Identity> = (0..PAIRS).map(pair).collect();
    let begin = SystemTime::now() - Duration::from_secs(DAYS * 86_400);
    let step = Duration::from_secs(DAYS * 86_400).as_nanos() / u128::from(results);
    let store =
        Store::open(path, Limits { max_size: 64 << 30, waiting: 40_000, ..Limits::default() }).expect("a store");
    let clock = Instant::now();
    let mut slept = Duration::ZERO;
    for number in 0..results {
        let place = usize::try_from(number).expect("64 bits");
        let who = &who[place % PAIRS];
        let started = begin + Duration::from_nanos(u64::try_from(step * u128::from(number)).expect("30 days"));
        let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
        let duration = Duration::from_micros(1_000 + mixed % 50_000);
        let mut run = if mixed.is_multiple_of(20) {
            let status = u16::try_from(mixed / 20 % CODES).expect("small");
            runs::failed_with(who, started, duration, Code::status(400 + status))
        } else {
            runs::ok(who, started, duration)
        };
        run.outcome.remote = Some(format!("192.0.2.{}:443", (place % PAIRS) % 100 * 2 + place % 2));
        store.push(run);
        if number.is_multiple_of(64) {
            while store.health().waiting > 30_000 {
                let before = Instant::now();
                std::thread::sleep(Duration::from_micros(200));
                slept += before.elapsed();
            }
        }
    }
    store.close();
    let took = clock.elapsed();
    let health = store.health();
    assert_eq!((health.written, health.dropped), (results, 0));
    println!(
        "{results} results in {took:.1?}: {:.0} a second sustained (the maker waited for {slept:.1?} of it); {} MiB",
        rate(results, took),
        path.metadata().expect("the file").len() >> 20
    );
}

#[expect(clippy::cast_precision_loss, reason = "a rate to three digits")]
fn rate(results: u64, took: Duration) -> f64 {
    results as f64 / took.as_secs_f64()
}

fn pair(number: usize) -> Identity {
    let region = format!("region-{}", number % 8);
    let isp = ["one", "two", "three"][number % 3];
    let labels = [("region", region.as_str()), ("isp", isp), ("host", "probe-1")];
    runs::identity(&format!("task-{}", number / 4), &format!("https://target-{number}.test/"), &labels)
}

/// The whole process, as somebody at a terminal waits for it.
fn ask(path: &std::path::Path, by: &str) -> Duration {
    let mut call = Command::new(env!("CARGO_BIN_EXE_agent"));
    call.args(["top", "--since", "30d", "--store"]).arg(path);
    if !by.is_empty() {
        call.args(["--by", by]);
    }
    let begun = Instant::now();
    let output = call.output().expect("the agent can be run");
    let took = begun.elapsed();
    assert!(output.status.success() && output.stdout.len() > 200, "{output:?}");
    took
}
