//! A server of the stack with a `start` script: on free ports of loopback, ended with the test process; or, with
//! `STACK=compose`, its container.

use std::env;
use std::fs;
use std::io::{self, Read as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::compose::Compose;
use super::process::{Attended, find, here, new_folder, search_path};

/// How often other ports are tried when one of those just picked is taken by somebody else.
const ATTEMPTS: usize = 5;
/// How long a server may take to answer; in a container that has just begun, certificates included.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is started: `tests/stack/NAME/start`, or the service NAME of `docker-compose.yml`.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// The name.
    pub name: &'static str,
    /// The program without which it cannot run.
    pub program: &'static str,
    /// Each listener's word, as the start script knows it, and its port in the container.
    pub listeners: &'static [(&'static str, u16)],
    /// What the first listener says to whoever connects, or the beginning of it.
    pub greeting: &'static str,
}

/// A running server.
pub struct Daemon {
    ports: Vec<(&'static str, u16)>,
    certificates: PathBuf,
    /// Ended with this; absent for containers, which others start and stop.
    _server: Option<Attended>,
}

impl Daemon {
    /// Starts the server, or finds its container, and waits until it greets.
    pub fn start(plan: &Plan) -> Result<Self, String> {
        match env::var("STACK").as_deref() {
            Ok("compose") => Self::in_container(plan),
            Ok(other) => Err(format!("STACK={other} is unknown: leave it out, or say STACK=compose")),
            Err(_) => Self::as_process(plan),
        }
    }

    /// Where a listener is.
    pub fn address(&self, listener: &str) -> SocketAddr {
        let (_, port) = self.ports.iter().find(|(known, _)| *known == listener).expect("every listener has a port");
        SocketAddr::from((Ipv4Addr::LOCALHOST, *port))
    }

    /// The path of a certificate or key that the server made for itself.
    pub fn certificate(&self, file: &str) -> String {
        self.certificates.join(file).display().to_string()
    }

    /// On other ports where one of those just picked was taken by somebody else meanwhile.
    fn as_process(plan: &Plan) -> Result<Self, String> {
        let path = search_path();
        let variable = format!("STACK_{}", plan.program.to_uppercase());
        let program = match env::var_os(&variable) {
            Some(named) => PathBuf::from(named),
            None => find(&path, plan.program)?,
        };
        find(&path, "openssl")?;
        let mut said = String::new();
        for _ in 0..ATTEMPTS {
            let ports = free_ports(plan).map_err(|error| format!("no free ports on loopback: {error}"))?;
            let folder = new_folder().map_err(|error| format!("no folder for {}: {error}", plan.name))?;
            let mut server = Attended::start(&folder, |start| {
                start.arg(here(plan.name).join("start")).arg(&folder).arg(Ipv4Addr::LOCALHOST.to_string());
                start.args(ports.iter().map(|(word, port)| format!("{word}={port}")));
                start.env(&variable, &program).env("PATH", &path)
            })
            .map_err(|error| format!("{} cannot be started: {error}", plan.name))?;
            if greets(&ports, plan, || server.is_running()) {
                return Ok(Self { ports, certificates: folder.join("certificates"), _server: Some(server) });
            }
            said = server.end();
        }
        Err(format!("{} ({}) does not start: {said}", plan.name, program.display()))
    }

    fn in_container(plan: &Plan) -> Result<Self, String> {
        let compose = Compose::find()?;
        let port = |(word, inside): &(&'static str, u16)| Ok((*word, compose.published_port(plan.name, *inside)?));
        let ports = plan.listeners.iter().map(port).collect::<Result<Vec<_>, String>>()?;
        if !greets(&ports, plan, || true) {
            return Err(format!("{0} does not answer in its container: see `docker-compose logs {0}`", plan.name));
        }
        let certificates = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compose").join(plan.name);
        fs::create_dir_all(&certificates).map_err(|error| format!("no folder for the certificates: {error}"))?;
        compose.copy(plan.name, "/tmp/stack/certificates/.", &certificates)?;
        Ok(Self { ports, certificates, _server: None })
    }
}

/// One free port for each listener, all different: every one is held until the last is found.
fn free_ports(plan: &Plan) -> io::Result<Vec<(&'static str, u16)>> {
    let held: Vec<_> =
        plan.listeners.iter().map(|(word, _)| (word, TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))).collect();
    held.into_iter().map(|(word, socket)| Ok((*word, socket?.local_addr()?.port()))).collect()
}

/// Waits until every listener takes connections and the first one greets, as long as there is hope.
fn greets(ports: &[(&'static str, u16)], plan: &Plan, mut hope: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end && hope() {
        let mut heard = ports.iter().map(|(_, port)| greeting(*port, plan.greeting.len()));
        let first = heard.next().is_some_and(|heard| heard.is_ok_and(|heard| heard == plan.greeting.as_bytes()));
        if first && heard.all(|heard| heard.is_ok()) {
            return true;
        }
        thread::sleep(Duration::from_millis(20));
    }
    false
}

/// So many bytes of what a port says by itself; fewer where it waits for the other side to begin.
fn greeting(port: u16, length: usize) -> io::Result<Vec<u8>> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
    stream.set_read_timeout(Some(Duration::from_millis(500)))?;
    let mut heard = vec![0; length];
    match stream.read_exact(&mut heard) {
        Ok(()) => Ok(heard),
        // The port of a container that is not up yet is open, and ends the connection.
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}
