//! Whether every failure is counted, and once: `cargo bench --bench faults -- 3600` for an hour, a minute if nothing is
//! said.
//!
//! A server fails in turns, in six ways, and counts what it did. The real daemon probes it as often as it can. At the end
//! the counts of the server, of the store, of `/metrics` and of the status page must be the same, code by code; memory,
//! descriptors and threads are sampled on the way.

#![allow(clippy::print_stdout, reason = "the table is what a benchmark is for")]
#![allow(clippy::disallowed_methods, reason = "a benchmark is the other side: the agent's one door is not its own")]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use regex::Regex;
use serde_json::Value;
use socket2::SockRef;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// How many tasks there are, one run a second each.
const TASKS: usize = 300;
/// How often the process is looked at.
const SAMPLES: u32 = 12;

/// What the server does to a run, and the code that this is.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Deed {
    Answer,
    Unavailable,
    OtherText,
    Reset,
    Cut,
    Silence,
    Loop,
}

impl Deed {
    /// Mostly it answers; each run of one deed is as long as that of another, and they come in turns.
    const TURNS: [Self; 11] = [
        Self::Answer,
        Self::Unavailable,
        Self::Answer,
        Self::Reset,
        Self::Answer,
        Self::OtherText,
        Self::Cut,
        Self::Answer,
        Self::Silence,
        Self::Answer,
        Self::Loop,
    ];

    const fn code(self) -> i64 {
        match self {
            Self::Answer => 200,
            Self::Unavailable => 503,
            Self::OtherText => 615,
            Self::Reset | Self::Cut => 611,
            Self::Silence => 610,
            Self::Loop => 617,
        }
    }
}

/// What the server has done, by code.
#[derive(Debug, Default)]
struct Deeds {
    runs: AtomicUsize,
    done: Mutex<BTreeMap<i64, u64>>,
}

impl Deeds {
    /// What the next run gets: twenty of a kind, then the next kind.
    fn next(&self) -> Deed {
        let deed = Deed::TURNS[self.runs.fetch_add(1, Ordering::Relaxed) / 20 % Deed::TURNS.len()];
        *self.done.lock().expect("nobody panics with it").entry(deed.code()).or_default() += 1;
        deed
    }
}

fn main() {
    // `cargo test --benches` calls this too, only to see that it builds.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let seconds = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(60);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    runtime.expect("a runtime starts").block_on(count(Duration::from_secs(seconds)));
}

async fn count(length: Duration) {
    let deeds = Arc::new(Deeds::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port of loopback");
    let port = listener.local_addr().expect("it listens").port();
    tokio::spawn(serve(listener, Arc::clone(&deeds)));
    let mut daemon = Daemon::start(port);
    println!("{:>8} {:>10} {:>12} {:>8} {:>9}", "seconds", "runs", "memory KiB", "files", "threads");
    for sample in 1..=SAMPLES {
        tokio::time::sleep(length / SAMPLES).await;
        let (memory, files, threads) = daemon.size();
        let (at, runs) = ((length * sample / SAMPLES).as_secs(), deeds.runs.load(Ordering::Relaxed));
        println!("{at:>8} {runs:>10} {memory:>12} {files:>8} {threads:>9}");
    }
    // From now on nothing is due for a year; what is under way ends.
    daemon.settle(port).await;
    let server = deeds.done.lock().expect("nobody panics with it").clone();
    let seen = [
        ("server", server),
        ("store", daemon.store()),
        ("metrics", daemon.metrics().await),
        ("page", daemon.page().await),
    ];
    println!("\n{:>8} {}", "code", seen.each_ref().map(|(name, _)| format!("{name:>10}")).concat());
    let codes: Vec<i64> = seen.iter().flat_map(|(_, counts)| counts.keys().copied()).collect();
    let mut wrong = 0;
    for code in std::collections::BTreeSet::from_iter(codes) {
        let row = seen.each_ref().map(|(_, counts)| counts.get(&code).copied().unwrap_or(0));
        let same = row.iter().all(|count| *count == row[0]);
        wrong += u32::from(!same);
        let cells = row.map(|count| format!("{count:>10}")).concat();
        println!("{code:>8} {cells}{}", if same { "" } else { "  differ" });
    }
    println!("not begun: {}", daemon.not_begun().await);
    daemon.end();
    assert_eq!(wrong, 0, "the counts differ");
}

async fn serve(listener: TcpListener, deeds: Arc<Deeds>) {
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            let deeds = Arc::clone(&deeds);
            tokio::spawn(async move {
                // Whom it harms is counted by the other side.
                let _ = treat(stream, &deeds).await;
            });
        }
    }
}

async fn treat(mut stream: TcpStream, deeds: &Deeds) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
    }
    if head.starts_with(b"GET /round ") {
        return redirect(&mut stream).await;
    }
    let page = |status: &str, length: usize, text: &str| {
        format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{text}")
    };
    match deeds.next() {
        Deed::Answer => stream.write_all(page("200 OK", 7, "welcome").as_bytes()).await?,
        Deed::Unavailable => stream.write_all(page("503 No", 2, "no").as_bytes()).await?,
        Deed::OtherText => stream.write_all(page("200 OK", 4, "else").as_bytes()).await?,
        Deed::Cut => stream.write_all(page("200 OK", 700, "wel").as_bytes()).await?,
        Deed::Reset => SockRef::from(&stream).set_linger(Some(Duration::ZERO))?,
        Deed::Silence => {
            // Until the other side gives up.
            let _ = stream.read(&mut [0; 1]).await;
        }
        Deed::Loop => redirect(&mut stream).await?,
    }
    Ok(())
}

async fn redirect(stream: &mut TcpStream) -> std::io::Result<()> {
    let head = "HTTP/1.1 302 Found\r\nlocation: /round\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    stream.write_all(head.as_bytes()).await
}

/// A daemon at work, in a folder of its own.
struct Daemon {
    child: Child,
    folder: TempDir,
    address: String,
}

impl Daemon {
    fn start(port: u16) -> Self {
        let folder = tempfile::tempdir().expect("a folder for the daemon");
        fs::write(folder.path().join("tasks.toml"), tasks("1s", port)).expect("a file of tasks");
        let settings = "[web]\nlisten = \"127.0.0.1:0\"\n[tasks]\nfiles = [\"tasks.toml\"]\n";
        fs::write(folder.path().join("agent.toml"), settings).expect("a file of settings");
        let log = File::create(folder.path().join("log")).expect("a file for the log");
        let child = Command::new(env!("CARGO_BIN_EXE_agent"))
            .args(["daemon", "--config", "agent.toml"])
            .current_dir(folder.path())
            .env_remove("STATE_DIRECTORY")
            .stderr(log)
            .spawn()
            .expect("the agent can be run");
        let mut daemon = Self { child, folder, address: String::new() };
        let listens = Regex::new("listening on (http://[^/]+)/").expect("a literal expression");
        let begun = Instant::now();
        while daemon.address.is_empty() && begun.elapsed() < Duration::from_secs(20) {
            std::thread::sleep(Duration::from_millis(10));
            daemon.address = listens.captures(&daemon.log()).map(|found| found[1].to_owned()).unwrap_or_default();
        }
        daemon
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Nothing more is due, and what was under way has ended.
    async fn settle(&mut self, port: u16) {
        fs::write(self.folder.path().join("tasks.toml"), tasks("365d", port)).expect("a file of tasks");
        self.signal(Signal::SIGHUP);
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert!(self.log().contains("was read again"), "{}", self.log());
    }

    /// Memory in KiB, open files and threads.
    fn size(&self) -> (u64, usize, u64) {
        let of = Path::new("/proc").join(self.child.id().to_string());
        let status = fs::read_to_string(of.join("status")).expect("the daemon runs");
        let figure = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
            line.trim().trim_end_matches(" kB").parse().expect("a number")
        };
        let files = fs::read_dir(of.join("fd")).expect("the daemon runs").count();
        (figure("VmRSS:"), files, figure("Threads:"))
    }

    /// What the command line says of the store, while the daemon runs.
    fn store(&self) -> BTreeMap<i64, u64> {
        let call = ["top", "--store", "var/agent.db", "--since", "7d", "--limit", "100", "--format", "json"];
        let ended = Command::new(env!("CARGO_BIN_EXE_agent")).args(call).current_dir(self.folder.path()).output();
        let text = String::from_utf8(ended.expect("the agent can be run").stdout).expect("JSON is UTF-8");
        let top: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        let codes = top["groups"][0]["codes"].as_array().expect("there are failures").clone();
        let mut counts: BTreeMap<i64, u64> =
            codes.iter().filter_map(|code| Some((code["code"].as_i64()?, code["count"].as_u64()?))).collect();
        counts.insert(200, top["runs"].as_u64().expect("a count") - top["failed"].as_u64().expect("a count"));
        counts
    }

    async fn metrics(&self) -> BTreeMap<i64, u64> {
        let text = self.get("/metrics").await;
        let failures =
            Regex::new(r#"(?m)^probe_failures_total\{.*code="(-?\d+)".*\} (\d+)$"#).expect("a literal expression");
        let runs = Regex::new(r#"(?m)^probe_runs_total\{.*outcome="ok".*\} (\d+)$"#).expect("a literal expression");
        let number = |text: &str| text.parse::<u64>().expect("a count");
        let mut counts = BTreeMap::new();
        for found in failures.captures_iter(&text) {
            *counts.entry(found[1].parse().expect("a code")).or_default() += number(&found[2]);
        }
        counts.insert(200, runs.captures_iter(&text).map(|found| number(&found[1])).sum());
        counts
    }

    /// What a person reads.
    async fn page(&self) -> BTreeMap<i64, u64> {
        let mut counts = BTreeMap::new();
        let rows = Regex::new(r#"<span class="state bad">(-?\d+)</span>[^\n]*?<td class="number">(\d+)</td>"#);
        let all = self.get("/?range=24h&lang=en").await;
        let card = |name: &str| {
            let expression = Regex::new(&format!(r"<dt>{name}</dt><dd>(\d+)</dd>")).expect("a literal expression");
            expression.captures(&all).map_or(0, |found| found[1].parse::<u64>().expect("a count"))
        };
        for found in rows.expect("a literal expression").captures_iter(&all) {
            *counts.entry(found[1].parse().expect("a code")).or_default() += found[2].parse::<u64>().expect("a count");
        }
        counts.insert(200, card("Runs") - card("Failed runs"));
        counts
    }

    async fn not_begun(&self) -> u64 {
        let text = self.get("/metrics").await;
        let counts = Regex::new(r"(?m)^agent_runs_not_begun_total\{.*\} (\d+)$").expect("a literal expression");
        counts.captures_iter(&text).map(|found| found[1].parse::<u64>().expect("a count")).sum()
    }

    async fn get(&self, path: &str) -> String {
        let host = self.address.trim_start_matches("http://");
        let mut stream = TcpStream::connect(host).await.expect("the daemon listens");
        let request = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("it takes a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("it answers");
        answer
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).expect("a process id is small");
        kill(Pid::from_raw(pid), signal).expect("a child can be sent signals");
    }

    fn end(&mut self) {
        self.signal(Signal::SIGTERM);
        let ended = self.child.wait().expect("a child can be waited for");
        assert!(ended.success(), "{}", self.log());
    }
}

/// Every task has a target of its own, and a time in which the server's silence ends.
fn tasks(interval: &str, port: u16) -> String {
    let task = |number: usize| {
        format!(
            "[[task]]\nname = \"task-{number}\"\ntarget = \"http://127.0.0.1:{port}/{number}\"\ninterval = \"{interval}\"\n\
             timeout = \"900ms\"\n[task.http]\nmatch = \"welcome\"\n"
        )
    };
    (0..TASKS).map(task).collect()
}
