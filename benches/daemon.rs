//! What the daemon costs and how punctual it is: `cargo bench --bench daemon`.
//!
//! The real daemon runs, with its store, metrics and web, and ten thousand HTTP tasks, first every ten seconds against the
//! nginx of `tests/stack` on the same machine, then every hour. Processor time and memory are the kernel's figures, and how
//! late a run began is what the store says of every single one. The table says what was aimed at.

#![allow(clippy::print_stdout, reason = "the table is what a benchmark is for")]

#[allow(dead_code, unreachable_pub, reason = "the tests use more of it")]
#[path = "../tests/stack/mod.rs"]
mod stack;

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, SysconfVar, sysconf};
use rusqlite::Connection;
use stack::Listener;
use tempfile::TempDir;

const TASKS: usize = 10_000;
/// How long it runs before it is measured, and for how long it is.
const SETTLING: Duration = Duration::from_secs(12);
const MEASURED: Duration = Duration::from_secs(60);

fn main() {
    // `cargo test --benches` calls this too, only to see that it builds.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let port = stack::stack().address(Listener::Plain).port();
    println!("{:<40} {:>12}  aim", "what", "measured");
    let busy = Daemon::start("10s", port);
    let share = busy.share();
    let memory = busy.resident();
    let reload = busy.reload();
    thread::sleep(SETTLING);
    let memory_after = busy.resident();
    let lates = busy.end();
    let at = |percent: usize| lates.get(lates.len().saturating_sub(1) * percent / 100).copied().unwrap_or(i64::MAX);
    row("1,000 runs a second: runs", format!("{}", lates.len()), "");
    row("  lateness, median", format!("{} µs", at(50)), "");
    row("  lateness, 99 of 100", format!("{} µs", at(99)), "< 20,000 µs");
    row("  lateness, worst", format!("{} µs", at(100)), "");
    row("  processor, of one core", format!("{:.1} %", share * 100.0), "< 35 %");
    row("  resident memory", format!("{} MiB", memory / 1024), "< 120 MiB");
    row("  the same after a reload", format!("{} MiB", memory_after / 1024), "");
    row("  10,000 tasks reloaded", format!("{} ms", reload.as_millis()), "< 1,000 ms");
    let idle = Daemon::start("1h", port);
    let share = idle.share();
    row("10,000 idle tasks: processor", format!("{:.2} %", share * 100.0), "< 0.5 %");
    row("  resident memory", format!("{} MiB", idle.resident() / 1024), "< 60 MiB");
    idle.end();
}

fn row(what: &str, measured: impl Into<String>, aim: &str) {
    println!("{what:<40} {:>12}  {aim}", measured.into());
}

/// A daemon at work, in a folder of its own.
struct Daemon {
    child: Child,
    folder: TempDir,
}

impl Daemon {
    fn start(interval: &str, port: u16) -> Self {
        let folder = tempfile::tempdir().expect("a folder for the daemon");
        fs::create_dir(folder.path().join("tasks")).expect("a folder for tasks");
        for (number, file) in tasks(interval, port).into_iter().enumerate() {
            fs::write(folder.path().join(format!("tasks/{number}.toml")), file).expect("a file of tasks");
        }
        fs::write(folder.path().join("agent.toml"), "[web]\nlisten = \"127.0.0.1:0\"\n").expect("a file of settings");
        let log = File::create(folder.path().join("log")).expect("a file for the log");
        let child = Command::new(env!("CARGO_BIN_EXE_agent"))
            .args(["daemon", "--config", "agent.toml"])
            .current_dir(folder.path())
            .stderr(log)
            .spawn()
            .expect("the agent can be run");
        let daemon = Self { child, folder };
        daemon.wait_for("are scheduled", 1);
        thread::sleep(SETTLING);
        daemon
    }

    /// How long a reload takes, as the daemon says.
    fn reload(&self) -> Duration {
        let begun = Instant::now();
        self.signal(Signal::SIGHUP);
        self.wait_for("are scheduled", 2);
        begun.elapsed()
    }

    fn wait_for(&self, words: &str, count: usize) {
        let log = self.folder.path().join("log");
        for _ in 0..10_000 {
            let said = fs::read_to_string(&log).unwrap_or_default();
            if said.matches(words).count() >= count {
                return;
            }
            thread::sleep(Duration::from_millis(2));
        }
        panic!("the daemon does not say `{words}`:\n{}", fs::read_to_string(log).unwrap_or_default());
    }

    /// The share of one core that it takes.
    fn share(&self) -> f64 {
        let (begun, before) = (Instant::now(), self.processor());
        thread::sleep(MEASURED);
        self.processor().saturating_sub(before).as_secs_f64() / begun.elapsed().as_secs_f64()
    }

    /// The processor time that all its threads have taken.
    fn processor(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).expect("the daemon runs");
        let (_, fields) = stat.rsplit_once(") ").expect("the name of a process stands in brackets");
        let ticks: u64 = fields.split(' ').skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
        let second = sysconf(SysconfVar::CLK_TCK).ok().flatten().and_then(|ticks| u64::try_from(ticks).ok());
        Duration::from_millis(ticks * 1000 / second.expect("the kernel says how long a tick is"))
    }

    /// KiB.
    fn resident(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("the daemon runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
        line.trim().trim_end_matches(" kB").parse().expect("a number of KiB")
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).expect("a process id is small");
        kill(Pid::from_raw(pid), signal).expect("a child can be sent signals");
    }

    /// Ends it, and says how late its runs were, in microseconds and in order; none of them may have failed.
    fn end(mut self) -> Vec<i64> {
        self.signal(Signal::SIGTERM);
        let ended = self.child.wait().expect("a child can be waited for");
        assert!(ended.success(), "{}", fs::read_to_string(self.folder.path().join("log")).unwrap_or_default());
        lates(&self.folder.path().join("var/agent.db"))
    }
}

fn lates(store: &Path) -> Vec<i64> {
    let store = Connection::open(store).expect("the daemon has left a store");
    let mut rows = store.prepare("SELECT late, outcome FROM run ORDER BY late").expect("the store's own table");
    let rows = rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).expect("the store can be read");
    let rows: Vec<(i64, i64)> = rows.map(|row| row.expect("the store can be read")).collect();
    assert!(rows.iter().all(|(_, outcome)| *outcome == 0), "not all runs were ok");
    rows.into_iter().map(|(late, _)| late).collect()
}

/// The tasks, in ten files.
fn tasks(interval: &str, port: u16) -> Vec<String> {
    let task = |number| {
        format!(
            "[[task]]\nname = \"task-{number}\"\ntarget = \"http://127.0.0.1:{port}/?{number}\"\n\
             interval = \"{interval}\"\ntimeout = \"5s\"\n[task.http]\n"
        )
    };
    let file = |file| (file * TASKS / 10..(file + 1) * TASKS / 10).map(task).collect();
    (0..10).map(file).collect()
}
