//! What API steps and slice uploads cost, in one run: `cargo bench --bench steps`.
//!
//! Everything talks to servers of this file on loopback. Five steps over one connection are compared with a `tcp` probe, which
//! makes one of the five round trips, and four bare round trips over an open connection; the MD5 of a large answer with the
//! digest of as many bytes in memory, while as many move over loopback; a slice upload with one of a single slice, for
//! what the others take.

#![allow(clippy::disallowed_methods, reason = "what the agent is compared with is not its own")]
#![allow(clippy::print_stdout, reason = "the table is what a benchmark is for")]

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use agent::reader::Source;
use agent::settings::Settings;
use agent::task::{self, Probe};
use md5::{Digest as _, Md5};
use probes::net::Host;

/// Runs of each short thing, in turn.
const SHORT: usize = 2_000;
/// Runs of each long thing, in turn.
const LONG: usize = 7;
const ANSWER: usize = 100 << 20;
const UPLOAD: usize = 256 << 20;
const SLICES: [usize; 2] = [1 << 20, 3 << 20];

fn main() {
    // `cargo test --benches` calls this too, only to see that it builds.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    five_steps();
    digest();
    slices();
}

/// Serves every connection on a thread of its own.
fn serve(answer: fn(TcpStream)) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || answer(stream));
        }
    });
    address
}

fn five_steps() {
    let pong = serve(|mut stream| {
        let _ = stream.set_nodelay(true);
        let mut block = [0; 64];
        while let Ok(1..) = stream.read(&mut block) {
            if stream.write_all(b"pong\n").is_err() {
                return;
            }
        }
    });
    let step = "[[task.api.step]]\nprotocol = \"tcp\"\nsend = \"ping\"\nverify = \"partial\"\nexpect = \"pong\"\n";
    let api = probe_of(&format!("[[task]]\nname = \"bench\"\ntarget = \"{pong}\"\n[task.api]\n{}", step.repeat(5)));
    let keys = "[task.tcp]\nsend = \"ping\"\nexpect = \"pong\"\n";
    let tcp = probe_of(&format!("[[task]]\nname = \"bench\"\ntarget = \"{pong}\"\n{keys}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let host = Host::default();
    let (mut five, mut one, mut trips) = (Vec::new(), Vec::new(), Vec::new());
    let mut open = TcpStream::connect(pong).expect("the server listens");
    open.set_nodelay(true).expect("it is a TCP connection");
    for _ in 0..SHORT {
        five.push(runtime.block_on(timed(&api, &host)));
        one.push(runtime.block_on(timed(&tcp, &host)));
        trips.push((0..4).map(|_| round_trip(&mut open)).sum());
    }
    let (five, one, trips) = (median(five), median(one), median(trips));
    println!("5 API steps on one connection  {:>8.1} us", microseconds(five));
    println!("  tcp probe                    {:>8.1} us", microseconds(one));
    println!("  four bare round trips        {:>8.1} us", microseconds(trips));
    let ratio = (microseconds(five) - microseconds(trips)) / microseconds(one);
    println!("  (steps - round trips) / tcp  {ratio:>8.2}     aim ≤ 1.30");
}

/// A bare round trip, after a pause in which the peer's processor falls asleep as it does between two steps.
fn round_trip(open: &mut TcpStream) -> Duration {
    const PAUSE: Duration = Duration::from_micros(20);
    let paused = Instant::now();
    while paused.elapsed() < PAUSE {
        std::hint::spin_loop();
    }
    let begun = Instant::now();
    open.write_all(b"ping").expect("the server reads");
    open.read_exact(&mut [0; 5]).expect("the server answers");
    begun.elapsed()
}

async fn timed(probe: &Probe, host: &Host) -> Duration {
    let begun = Instant::now();
    let outcome = probe.run(host).await;
    let took = begun.elapsed();
    assert!(outcome.ok, "{:?}", outcome.detail);
    took
}

fn digest() {
    let server = serve(|mut stream| {
        let mut question = [0; 4];
        if stream.read_exact(&mut question).is_ok() {
            let block = block();
            for _ in 0..ANSWER / block.len() {
                if stream.write_all(&block).is_err() {
                    return;
                }
            }
        }
    });
    let block = block();
    let mut whole = Md5::new();
    (0..ANSWER / block.len()).for_each(|_| whole.update(&block));
    let expected = whole.finalize().iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
    let keys = format!("protocol = \"tcp\"\nsend = \"give\"\nverify = \"md5\"\nexpect = \"{expected}\"\n");
    let call = call("digest", &format!("target = \"{server}\"\n[task.api]\n[[task.api.step]]\n{keys}"));
    let (mut ours, mut own, mut peak) = (Vec::new(), Vec::new(), 0);
    for _ in 0..LONG {
        let (took, memory) = run(&call);
        ours.push(took);
        peak = memory.max(peak);
        let moving = thread::spawn(move || {
            let mut stream = TcpStream::connect(server).expect("the server listens");
            stream.write_all(b"give").expect("the server reads");
            let mut block = vec![0; 1 << 14];
            while matches!(stream.read(&mut block), Ok(1..)) {}
        });
        let begun = Instant::now();
        let mut whole = Md5::new();
        (0..ANSWER / block.len()).for_each(|_| whole.update(&block));
        std::hint::black_box(whole.finalize());
        own.push(begun.elapsed());
        moving.join().expect("it ends");
    }
    let (ours, own) = (median(ours), median(own));
    println!("MD5 of an answer of 100 MiB    {:>8.1} ms", microseconds(ours) / 1e3);
    println!("  md-5 over as many bytes      {:>8.1} ms", microseconds(own) / 1e3);
    println!("  ratio                        {:>8.2}     aim ≤ 1.10", ours.as_secs_f64() / own.as_secs_f64());
    println!("  peak memory                  {:>8.1} MiB  aim < 16", mebibytes(peak));
}

fn slices() {
    let server = serve(store);
    for slice in SLICES {
        let small = peak_of_upload(server, slice, slice);
        let large = peak_of_upload(server, slice, UPLOAD);
        let held = mebibytes(large.saturating_sub(small)) / mebibytes((slice >> 10) as u64);
        let names = format!("{} MiB in slices of {} MiB", UPLOAD >> 20, slice >> 20);
        println!("{names:<30} {:>8.1} MiB", mebibytes(large));
        println!("  slices over an upload of one {held:>8.2}     aim ≤ 1");
    }
}

fn peak_of_upload(server: SocketAddr, slice: usize, size: usize) -> u64 {
    let path = folder().join(format!("bench-upload-{size}"));
    let mut file = File::create(&path).expect("the file can be made");
    let block = block();
    for from in (0..size).step_by(block.len()) {
        file.write_all(&block[..block.len().min(size - from)]).expect("there is room");
    }
    let keys =
        "appid = \"10001\"\nbucket = \"probe\"\nsecret_id = \"id\"\nsecret_key = \"key\"\nop = \"upload_slice\"\n";
    let keys = format!("{keys}path = \"/f\"\nslice_size = {slice}\nsource = {:?}\n", path.display().to_string());
    let target = format!("target = \"http://{server}/files/v1/\"\n[task.object]\n{keys}");
    let (_, peak) = run(&call(&format!("slices-{slice}-{size}"), &target));
    fs::remove_file(path).expect("the file is ours");
    peak
}

/// Takes slices and keeps nothing.
fn store(stream: TcpStream) {
    let mut reader = BufReader::new(stream);
    let mut granted = 0;
    loop {
        let (mut length, mut line) = (0, String::new());
        while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
            line.clear();
        }
        if length == 0 {
            return;
        }
        let mut body = vec![0; length];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        let field = |name: &str| {
            let mark = format!("name=\"{name}\"\r\n\r\n");
            let begins = body.windows(mark.len()).position(|part| part == mark.as_bytes())? + mark.len();
            let digits = body[begins..].iter().take_while(|byte| byte.is_ascii_digit()).count();
            String::from_utf8_lossy(&body[begins..begins + digits]).parse::<usize>().ok()
        };
        granted = field("slice_size").unwrap_or(granted);
        let offset = field("offset").unwrap_or(0);
        let data = format!(
            "{{\"session\":\"s\",\"offset\":{offset},\"slice_size\":{granted},\"access_url\":\"http://127.0.0.1/f\",\
             \"url\":\"u\",\"resource_path\":\"/10001/probe/f\"}}"
        );
        let data = if field("filesize").is_some() {
            format!("{{\"session\":\"s\",\"offset\":0,\"slice_size\":{granted}}}")
        } else {
            data
        };
        let answer = format!("{{\"code\":0,\"message\":\"SUCCESS\",\"data\":{data}}}");
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{answer}", answer.len());
        if reader.get_mut().write_all(head.as_bytes()).is_err() {
            return;
        }
    }
}

/// Bytes that differ.
fn block() -> Vec<u8> {
    (0..1 << 16).map(|at: u32| (at.wrapping_mul(2_654_435_761) >> 24).to_le_bytes()[0]).collect()
}

fn probe_of(text: &str) -> Probe {
    let tasks = task::read(Source::inline("bench", text.to_owned()), &Settings::default()).expect("the task is right");
    tasks.into_iter().flat_map(|task| task.probes).next().expect("the task has a target")
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
}

/// A call of the agent with a task.
fn call(name: &str, rest: &str) -> Vec<String> {
    let path = folder().join(format!("bench-{name}.toml"));
    fs::write(&path, format!("[[task]]\nname = \"bench\"\ntimeout = \"50s\"\n{rest}")).expect("it can be written");
    let words = [env!("CARGO_BIN_EXE_agent"), "probe", "--format", "json", "--task"];
    words.iter().map(ToString::to_string).chain([path.display().to_string()]).collect()
}

/// Runs a command to its end: how long it took, and its peak memory in KiB.
fn run(words: &[String]) -> (Duration, u64) {
    let begun = Instant::now();
    let mut child = Command::new(&words[0]).args(&words[1..]).stdout(Stdio::piped()).spawn().expect("it starts");
    let peak = watch(&mut child);
    let took = begun.elapsed();
    let mut said = String::new();
    child.stdout.take().expect("it is piped").read_to_string(&mut said).expect("it is text");
    assert!(child.wait().expect("it ends").success(), "{said}");
    (took, peak)
}

/// The largest resident memory of a process as long as it lives.
fn watch(child: &mut Child) -> u64 {
    let mut peak = 0;
    while child.try_wait().expect("it is a child").is_none() {
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        peak = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(peak).max(peak);
        thread::sleep(Duration::from_millis(1));
    }
    peak
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn microseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

#[expect(clippy::cast_precision_loss, reason = "memory is far below what a double holds exactly")]
fn mebibytes(kibibytes: u64) -> f64 {
    kibibytes as f64 / 1024.0
}
