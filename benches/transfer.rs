//! What moving a gibibyte costs, beside curl, in one run: `cargo bench --bench transfer` (needs 2 GiB of room for files).
//!
//! The peers are the nginx and the vsftpd of `tests/stack`, and a server of this file that takes uploads and keeps nothing.
//! The agent and curl (piped into md5sum for downloads, since the agent digests what it takes) run in turn; the table has the
//! ratio of their medians, of wall time and of CPU time, and the agent's peak memory.

#![allow(clippy::print_stdout, reason = "the table is what a benchmark is for")]

#[allow(dead_code, unreachable_pub, reason = "the tests use more of it")]
#[path = "../tests/stack/mod.rs"]
mod stack;

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;
use stack::Listener;
use stack::daemon::{Daemon, Plan};

const SIZE: u64 = 1 << 30;
/// Runs of each, after one that only warms up.
const ROUNDS: usize = 5;
const VSFTPD: Plan = Plan { name: "vsftpd", program: "vsftpd", listeners: &[("plain", 2101)], greeting: "220 " };

fn main() {
    // `cargo test --benches` calls this too, only to see that it builds.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let nginx = stack::stack();
    let vsftpd = Daemon::start(&VSFTPD).unwrap_or_else(|sentence| panic!("{sentence}"));
    let web = folder_of(&nginx.certificate("ca.pem")).join("html/gibibyte");
    let ftp = folder_of(&vsftpd.certificate("ca.pem")).join("files/pub/gibibyte");
    fill(&web);
    allow(ftp.parent().expect("a file stands in a folder"));
    fs::hard_link(&web, &ftp).unwrap_or_else(|_| fill(&ftp));
    let plain = format!("http://{}/gibibyte", nginx.address(Listener::Plain));
    let tls = format!("https://localhost:{}/gibibyte", nginx.address(Listener::Tls).port());
    let ca = nginx.certificate("ca.pem");
    let ftp_url = format!("ftp://ftp:ftp%40example.com@{}/pub/gibibyte", vsftpd.address("plain"));
    let sink = sink();
    println!("{:<40} {:>9} {:>9} {:>6} {:>7} {:>9}  aim", "1 GiB", "agent", "curl", "wall", "CPU", "memory");
    let piped = |url: &str| shell(&format!("curl --silent --cacert {ca:?} {url:?} | md5sum"));
    let download = |url: &str, keys: &str| task(url, &format!("[task.tls]\nca_file = {ca:?}\n[task.transfer]\n{keys}"));
    compare("download, HTTP, with MD5", &download(&plain, ""), &piped(&plain), "wall ≤ 1.15");
    compare("the same over 8 connections", &download(&plain, "connections = 8"), &piped(&plain), "memory < 32 MiB");
    compare("download, HTTPS, with MD5", &download(&tls, ""), &piped(&tls), "");
    compare("the same over 8 connections", &download(&tls, "connections = 8"), &piped(&tls), "memory < 32 MiB");
    compare("download, FTP, with MD5", &download(&ftp_url, ""), &piped(&ftp_url), "wall ≤ 1.15");
    let file = web.display();
    let put = format!("http://{sink}/gibibyte");
    let upload = task(&put, &format!("[task.transfer]\ndirection = \"upload\"\nsource = \"{file}\""));
    let curl = shell(&format!("curl --silent --header 'Expect:' --upload-file '{file}' {put:?}"));
    compare("upload, HTTP", &upload, &curl, "wall ≤ 1.2");
}

fn folder_of(certificate: &str) -> PathBuf {
    Path::new(certificate).ancestors().nth(2).expect("certificates stand in a folder of the server's").to_owned()
}

/// Bytes that differ, so that nothing is sparse.
fn fill(path: &Path) {
    let mut file = File::create(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let block: Vec<u8> = (0..1 << 20).map(|at: u32| (at.wrapping_mul(2_654_435_761) >> 24).to_le_bytes()[0]).collect();
    for _ in 0..SIZE >> 20 {
        file.write_all(&block).expect("there is room for a gibibyte");
    }
}

/// The server's folder cannot be written by itself, and its owner may change that.
fn allow(folder: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).expect("the folder is this user's");
}

/// A server that answers every request once it has taken the body.
fn sink() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            thread::spawn(move || take(&mut stream));
        }
    });
    address
}

fn take(stream: &mut TcpStream) {
    let mut block = vec![0; 1 << 18];
    let (mut head, mut left) = (Vec::new(), None);
    while left != Some(0) {
        let Ok(read @ 1..) = stream.read(&mut block) else { return };
        if let Some(left) = &mut left {
            *left = u64::saturating_sub(*left, read as u64);
            continue;
        }
        head.extend_from_slice(&block[..read]);
        if let Some(end) = head.windows(4).position(|four| four == b"\r\n\r\n") {
            left = Some(SIZE - (head.len() - end - 4) as u64);
        }
    }
    let _ = stream.write_all(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
}

/// A call of the agent with a task.
fn task(url: &str, tables: &str) -> Vec<String> {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let path = folder.join(format!("bench-{}.toml", url.len() + tables.len()));
    let hosts = "[task.resolver]\nhosts = { localhost = [\"127.0.0.1\"] }\n";
    let text = format!("[[task]]\nname = \"bench\"\ntarget = {url:?}\ntimeout = \"50s\"\n{hosts}{tables}\n");
    fs::write(&path, text).expect("the task file can be written");
    let words = [env!("CARGO_BIN_EXE_agent"), "probe", "--format", "json", "--task"];
    words.iter().map(ToString::to_string).chain([path.display().to_string()]).collect()
}

fn shell(line: &str) -> Vec<String> {
    ["sh", "-c", line].map(str::to_owned).to_vec()
}

/// What a run took.
struct Run {
    wall: Duration,
    cpu: Duration,
    peak_kib: u64,
}

fn compare(what: &str, agent: &[String], curl: &[String], aim: &str) {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let (one, other) = (run(agent), run(curl));
        if round > 0 {
            ours.push(one);
            theirs.push(other);
        }
    }
    let wall = |runs: &[Run]| median(runs.iter().map(|run| run.wall.as_secs_f64()).collect());
    let cpu = |runs: &[Run]| median(runs.iter().map(|run| run.cpu.as_secs_f64()).collect());
    let peak = ours.iter().map(|run| run.peak_kib).max().unwrap_or(0) / 1024;
    let (one, other) = (wall(&ours), wall(&theirs));
    let (walls, cpus) = (one / other, cpu(&ours) / cpu(&theirs));
    println!("{what:<40} {one:>7.2} s {other:>7.2} s {walls:>6.2} {cpus:>7.2} {peak:>5} MiB  {aim}");
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn run(words: &[String]) -> Run {
    let before = cpu();
    let begun = Instant::now();
    let mut child = Command::new(&words[0]).args(&words[1..]).stdout(Stdio::null()).spawn().expect("it starts");
    let peak_kib = watch(&mut child);
    let ended = child.wait().expect("it ends");
    assert!(ended.success(), "{words:?}: {ended}");
    Run { wall: begun.elapsed(), cpu: cpu().saturating_sub(before), peak_kib }
}

/// The largest resident memory of a process as long as it lives.
fn watch(child: &mut Child) -> u64 {
    let mut peak = 0;
    while child.try_wait().expect("it is a child").is_none() {
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        peak = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(peak).max(peak);
        thread::sleep(Duration::from_millis(5));
    }
    peak
}

fn cpu() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("the kernel counts");
    let whole = usage.user_time() + usage.system_time();
    Duration::from_micros(u64::try_from(whole.num_microseconds()).unwrap_or(0))
}
