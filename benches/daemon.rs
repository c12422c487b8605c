//! What the schedule costs and how punctual it is: `cargo bench --bench daemon`.
//!
//! The peer is the nginx of `tests/stack` on loopback, on the same machine. The real daemon runs with ten thousand HTTP
//! tasks, first every ten seconds and then every hour; its processor time and memory are the kernel's figures, and how
//! late a run began is what its own store says of every run. The table says what was aimed at.

#![allow(clippy::print_stdout, reason = "the table is what a benchmark is for")]

#[allow(dead_code, unreachable_pub, reason = "the tests use more of it")]
#[path = "../tests/stack/mod.rs"]
mod stack;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use agent::config::Config;
use agent::reader::Source;
use agent::schedule::Schedule;
use agent::settings::Settings;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;
use stack::Listener;

const TASKS: usize = 10_000;

fn main() {
    // `cargo test --benches` calls this too, only to see that it builds.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let stack = stack::stack();
    let port = stack.address(Listener::Plain).port();
    let seconds = std::env::var("SECONDS_EACH").ok().and_then(|text| text.parse().ok()).unwrap_or(30);
    measure("10s", port, seconds);
    measure("1h", port, seconds);
}

fn tasks(interval: &str, port: u16) -> String {
    (0..TASKS)
        .map(|number| {
            format!(
                "[[task]]\nname = \"task-{number}\"\ntarget = \"http://127.0.0.1:{port}/?{number}\"\n\
                 interval = \"{interval}\"\ntimeout = \"5s\"\n[task.http]\n"
            )
        })
        .collect()
}

fn measure(interval: &str, port: u16, seconds: u64) {
    let begun = Instant::now();
    let settings = Settings::default();
    let tasks = agent::task::read(Source::inline("bench", tasks(interval, port)), &settings).expect("tasks");
    println!("read in {:?}, resident {} KiB", begun.elapsed(), resident());
    let config = Arc::new(Config { settings, tasks, ..Config::default() });
    let lates = Arc::new(Mutex::new(Vec::new()));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let sink = Arc::clone(&lates);
        let host = Arc::new(config.settings.host());
        let schedule = Schedule::start(
            config,
            host,
            Arc::new(move |run: agent::run::Run| {
                sink.lock().expect("nobody panics").push((run.late, run.outcome.ok, run.outcome.duration))
            }),
        );
        tokio::time::sleep(Duration::from_secs(2)).await;
        lates.lock().expect("nobody panics").clear();
        let (begun, cpu) = (Instant::now(), cpu());
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        let share = (self::cpu() - cpu).as_secs_f64() / begun.elapsed().as_secs_f64();
        let mut lates = std::mem::take(&mut *lates.lock().expect("nobody panics"));
        lates.sort();
        let runs = lates.len();
        let at = |share: f64| lates.get(((runs as f64 - 1.0) * share) as usize).map(|late| late.0);
        let bad = lates.iter().filter(|late| !late.1).count();
        println!(
            "{interval}: {runs} runs, {bad} bad, cpu {:.1} %, p50 {:?} p99 {:?} max {:?}, resident {} KiB",
            share * 100.0,
            at(0.5),
            at(0.99),
            at(1.0),
            resident()
        );
        schedule.stop(Duration::from_secs(5)).await;
    });
}

fn cpu() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_SELF).expect("the kernel knows");
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}

fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse().unwrap_or(0)
}
