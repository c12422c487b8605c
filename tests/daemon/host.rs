//! A host for one test: a folder with settings and tasks, the real daemon in it, and peers that answer as they are told.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use socket2::{Domain, Socket, Type};
use tempfile::TempDir;

/// What is waited for comes within this time, or the test fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// The folder of a daemon.
pub struct Host {
    folder: TempDir,
}

/// A daemon at work; it ends with this.
pub struct Daemon {
    child: Child,
    log: PathBuf,
}

impl Host {
    /// With these settings beside those that every test has.
    pub fn new(settings: &str) -> Self {
        let host = Self { folder: tempfile::tempdir().expect("a folder for the test") };
        for folder in ["tasks", "said"] {
            fs::create_dir(host.path(folder)).expect("a folder of the test");
        }
        host.write("agent.toml", &format!("[log]\nlevel = \"debug\"\n[web]\nlisten = \"127.0.0.1:0\"\n{settings}"));
        host
    }

    /// A path below the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file in one step, as editors do.
    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.path("new"), text).expect("a file of the test");
        fs::rename(self.path("new"), self.path(name)).expect("a file of the test");
    }

    /// Reads a file.
    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// The daemon, to be started.
    pub fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_agent"));
        command.args(["daemon", "--config", "agent.toml"]).current_dir(self.folder.path()).stdin(Stdio::null());
        command.env_remove("NOTIFY_SOCKET").env_remove("STATE_DIRECTORY");
        command
    }

    /// Starts the daemon and waits until it is at work.
    pub fn start(&self) -> Daemon {
        self.start_as(&mut self.command())
    }

    /// The same, with something else in its surroundings.
    pub fn start_as(&self, command: &mut Command) -> Daemon {
        // Beside the settings it would be a change in their folder.
        let log = self.path("said/log");
        let errors = File::create(&log).expect("a file for the log");
        let child = command.stderr(errors).spawn().expect("the agent can be run");
        let mut daemon = Daemon { child, log };
        daemon.wait_for("are scheduled", 1);
        daemon
    }
}

impl Daemon {
    /// What it has said so far.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// How many lines have these words.
    pub fn count(&self, words: &str) -> usize {
        self.log().lines().filter(|line| line.contains(words)).count()
    }

    /// Waits until so many lines have these words.
    pub fn wait_for(&mut self, words: &str, count: usize) {
        let begun = Instant::now();
        while self.count(words) < count {
            let ended = self.child.try_wait().expect("a child can be waited for");
            assert!(ended.is_none(), "the daemon ended before `{words}`:\n{}", self.log());
            assert!(begun.elapsed() < PATIENCE, "no `{words}` × {count}:\n{}", self.log());
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).expect("a process id is small");
        kill(Pid::from_raw(pid), signal).expect("a child can be sent signals");
    }

    /// Waits for its end.
    pub fn end(&mut self) -> ExitStatus {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                return status;
            }
            assert!(begun.elapsed() < PATIENCE, "the daemon does not end:\n{}", self.log());
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // One that has ended already is well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A peer that reads a request, waits, and answers with a status; with none it never answers.
pub fn peer(wait: Duration, status: Option<u16>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port of loopback");
    let address = listener.local_addr().expect("a bound port has an address");
    thread::spawn(move || {
        for stream in listener.incoming().filter_map(Result::ok) {
            thread::spawn(move || answer(stream, wait, status));
        }
    });
    address
}

/// A peer that takes what is posted to it.
pub fn recorder() -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port of loopback");
    let address = listener.local_addr().expect("a bound port has an address");
    let requests = Arc::new(Mutex::new(Vec::new()));
    let taken = Arc::clone(&requests);
    thread::spawn(move || {
        for mut stream in listener.incoming().filter_map(Result::ok) {
            taken.lock().expect("nobody panics").push(request(&mut stream));
            _ = stream.write_all(b"HTTP/1.1 204 taken\r\nConnection: close\r\n\r\n");
        }
    });
    (address, requests)
}

/// A whole request with its body.
fn request(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    let mut bytes = [0; 4096];
    let whole = |text: &str| {
        let (head, body) = text.split_once("\r\n\r\n")?;
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "))?;
        Some(body.len() >= length.parse().ok()?)
    };
    while whole(&text) != Some(true) {
        match stream.read(&mut bytes) {
            Ok(length) if length > 0 => text.push_str(&String::from_utf8_lossy(&bytes[..length])),
            Ok(_) | Err(_) => break,
        }
    }
    text
}

fn answer(mut stream: TcpStream, wait: Duration, status: Option<u16>) {
    let mut request = [0; 4096];
    if !stream.read(&mut request).is_ok_and(|length| length > 0) {
        return;
    }
    thread::sleep(wait);
    match status {
        Some(status) => _ = write!(stream, "HTTP/1.1 {status} words\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
        // Until the other side goes away.
        None => _ = stream.read(&mut request),
    }
}

/// A port that refuses everybody: it is taken, and nobody listens.
pub struct Closed {
    socket: Socket,
}

impl Closed {
    /// Takes a free port of loopback.
    pub fn new() -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("a port of loopback");
        Self { socket }
    }

    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        self.socket.local_addr().ok().and_then(|address| address.as_socket()).expect("a bound port has an address")
    }

    /// From now on somebody listens.
    pub fn listen(&self) {
        self.socket.listen(64).expect("a bound socket can listen");
    }
}

/// A task of HTTP.
pub fn task(name: &str, target: SocketAddr, interval: &str, more: &str) -> String {
    format!(
        "[[task]]\nname = \"{name}\"\ntarget = \"http://{target}/\"\ninterval = \"{interval}\"\ntimeout = \"{interval}\"\n\
         {more}[task.http]\n"
    )
}
