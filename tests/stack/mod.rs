//! Real servers for the tests: Debian's nginx, and BIND in a file of its own, on free ports of loopback, started from
//! `tests/stack/nginx` and `tests/stack/bind` and ended with the test process. With `STACK=compose` the same tests talk
//! to the containers of `docker-compose.yml`.
//!
//! The other servers are [`daemon`]s. A server that is missing or does not start fails the test with a sentence; nothing is skipped.

pub mod bind; // name server, with zones of every kind
mod compose; // in containers
pub mod daemon; // any other server
mod process; // as ordinary processes

use std::env;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use tokio::net::TcpSocket;

use compose::Compose;
use process::{Attended, new_folder};
pub use process::{find, here, search_path};

/// A port of nginx, and what it is there for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Listener {
    /// HTTP without TLS.
    Plain,
    /// TLS 1.2 and 1.3 with a good certificate, HTTP/1.1.
    Tls,
    /// The same with HTTP/2 on offer.
    Http2,
    /// TLS 1.2 and nothing newer.
    Tls12,
    /// Demands a client certificate.
    Mutual,
    /// Its certificate ended yesterday.
    Expired,
    /// Its certificate is for another host.
    WrongName,
    /// Its certificate is signed by itself.
    SelfSigned,
}

/// Each listener with its word in `nginx.conf.in` and its port in the container.
const LISTENERS: [(Listener, &str, u16); 8] = [
    (Listener::Plain, "plain", 8001),
    (Listener::Tls, "tls", 8002),
    (Listener::Http2, "http2", 8003),
    (Listener::Tls12, "tls12", 8004),
    (Listener::Mutual, "mutual", 8005),
    (Listener::Expired, "expired", 8006),
    (Listener::WrongName, "wrong_name", 8007),
    (Listener::SelfSigned, "self_signed", 8008),
];

/// The words of the stack's front page.
pub const FRONT_PAGE: &str = "The stack is up.";

/// How often other ports are tried when one of those just picked is taken by somebody else.
const ATTEMPTS: usize = 5;
/// How long a server may take to answer its first request; in a container that has just begun, certificates included.
const PATIENCE: Duration = Duration::from_secs(30);

/// Whether the servers are those in containers.
pub fn is_contained() -> bool {
    env::var_os("STACK").is_some()
}

/// The running servers.
pub struct Stack {
    ports: Vec<(Listener, u16)>,
    certificates: PathBuf,
    /// Ended with this; absent for containers, which others start and stop.
    server: Option<Attended>,
}

/// The servers that the tests of this process share.
pub fn stack() -> &'static Stack {
    static SHARED: OnceLock<Result<Stack, String>> = OnceLock::new();
    match SHARED.get_or_init(Stack::start) {
        Ok(stack) => stack,
        Err(sentence) => panic!("{sentence}"),
    }
}

impl Stack {
    /// Starts the servers, or finds their containers, and waits until they answer.
    pub fn start() -> Result<Self, String> {
        match env::var("STACK").as_deref() {
            Ok("compose") => Self::in_containers(),
            Ok(other) => Err(format!("STACK={other} is unknown: leave it out, or say STACK=compose")),
            Err(_) => Self::as_process(),
        }
    }

    /// Where a listener is.
    pub fn address(&self, listener: Listener) -> SocketAddr {
        let (_, port) = self.ports.iter().find(|(known, _)| *known == listener).expect("every listener has a port");
        SocketAddr::from((Ipv4Addr::LOCALHOST, *port))
    }

    /// The path of a file that the server made for itself: `ca.pem`, `client.pem` or `client.key`.
    pub fn certificate(&self, file: &str) -> String {
        self.certificates.join(file).display().to_string()
    }

    /// The whole answer to a GET, for facts that a test has to know beforehand.
    pub fn fetch(&self, path: &str) -> io::Result<String> {
        fetch(self.address(Listener::Plain), path)
    }

    /// Starts nginx; on other ports where one of those just picked was taken by somebody else meanwhile.
    fn as_process() -> Result<Self, String> {
        let path = search_path();
        let nginx = match env::var_os("STACK_NGINX") {
            Some(named) => PathBuf::from(named),
            None => find(&path, "nginx")?,
        };
        find(&path, "openssl")?;
        let mut said = String::new();
        for _ in 0..ATTEMPTS {
            let ports = free_ports(LISTENERS.len()).map_err(|error| format!("no free ports on loopback: {error}"))?;
            let folder = new_folder().map_err(|error| format!("no folder for nginx: {error}"))?;
            let mut server = Attended::start(&folder, |start| {
                start.arg(here("nginx/start")).arg(&folder).arg(Ipv4Addr::LOCALHOST.to_string());
                start.args(ports.iter().zip(LISTENERS).map(|(port, (_, word, _))| format!("{word}={port}")));
                start.env("STACK_NGINX", &nginx).env("PATH", &path)
            })
            .map_err(|error| format!("nginx cannot be started: {error}"))?;
            let ports = LISTENERS.iter().zip(ports).map(|((listener, ..), port)| (*listener, port)).collect();
            let mut stack = Self { ports, certificates: folder.join("certificates"), server: None };
            if stack.answers(|| server.is_running()) {
                stack.server = Some(server);
                return Ok(stack);
            }
            said = server.end();
        }
        Err(format!("nginx ({}) does not start: {said}", nginx.display()))
    }

    fn in_containers() -> Result<Self, String> {
        let compose = Compose::find()?;
        let mut ports = Vec::new();
        for (listener, _, inside) in LISTENERS {
            ports.push((listener, compose.published_port("nginx", inside)?));
        }
        let certificates = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compose");
        let stack = Self { ports, certificates, server: None };
        if !stack.answers(|| true) {
            return Err("nginx does not answer in its container: see `docker-compose logs nginx`".to_owned());
        }
        fs::create_dir_all(&stack.certificates).map_err(|error| format!("no folder for the certificates: {error}"))?;
        compose.copy("nginx", "/tmp/stack/certificates/.", &stack.certificates)?;
        Ok(stack)
    }

    /// Waits for the front page, as long as there is hope. nginx takes all its ports before it serves the first.
    fn answers(&self, mut hope: impl FnMut() -> bool) -> bool {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end && hope() {
            if self.fetch("/").is_ok_and(|answer| answer.contains(FRONT_PAGE)) {
                return true;
            }
            thread::sleep(Duration::from_millis(20));
        }
        false
    }
}

/// A port of loopback that is closed, and stays so while this is held: bound, and never listened on.
pub struct ClosedPort(TcpSocket);

impl ClosedPort {
    /// Takes a free port.
    pub fn take() -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        Ok(Self(socket))
    }

    /// Where nobody answers.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

/// So many free ports, all different: every one is held until the last is found.
fn free_ports(count: usize) -> io::Result<Vec<u16>> {
    let held: Vec<_> = (0..count).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).collect();
    held.into_iter().map(|socket| Ok(socket?.local_addr()?.port())).collect()
}

fn fetch(address: SocketAddr, path: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(stream, "GET {path} HTTP/1.0\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
