//! Debian's BIND: as a process on free ports of loopback, started from `tests/stack/bind`, or in its container.

use std::env;
use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use super::compose::Compose;
use super::process::{Attended, find, here, new_folder, search_path};
use super::{ATTEMPTS, PATIENCE};

/// A port of BIND, and what it is there for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Listener {
    /// DNS over UDP and TCP.
    Dns,
    /// DNS over TLS.
    Tls,
    /// DNS over HTTPS.
    Https,
}

/// Each listener with its word in `named.conf.in` and its port in the container.
const LISTENERS: [(Listener, &str, u16); 3] =
    [(Listener::Dns, "dns", 8053), (Listener::Tls, "dot", 8853), (Listener::Https, "doh", 8443)];

/// A query for the SOA record of stack.test, with the id 1.
const QUESTION: &[u8] = b"\0\x01\0\0\0\x01\0\0\0\0\0\0\x05stack\x04test\0\0\x06\0\x01";

/// The running name server.
pub struct Bind {
    ports: Vec<u16>,
    certificates: PathBuf,
    /// Ended with this; absent for a container, which others start and stop.
    server: Option<Attended>,
}

/// The name server that the tests of this process share.
pub fn bind() -> &'static Bind {
    static SHARED: OnceLock<Result<Bind, String>> = OnceLock::new();
    match SHARED.get_or_init(Bind::start) {
        Ok(bind) => bind,
        Err(sentence) => panic!("{sentence}"),
    }
}

impl Bind {
    fn start() -> Result<Self, String> {
        match env::var("STACK").as_deref() {
            Ok("compose") => Self::in_container(),
            Ok(other) => Err(format!("STACK={other} is unknown: leave it out, or say STACK=compose")),
            Err(_) => Self::as_process(),
        }
    }

    /// Where a listener is.
    pub fn address(&self, listener: Listener) -> SocketAddr {
        let at = LISTENERS.iter().position(|(known, ..)| *known == listener).expect("every listener is listed");
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.ports[at]))
    }

    /// The path of the certificate that all others come from.
    pub fn root(&self) -> String {
        self.certificates.join("ca.pem").display().to_string()
    }

    fn as_process() -> Result<Self, String> {
        let path = search_path();
        let named = match env::var_os("STACK_NAMED") {
            Some(given) => PathBuf::from(given),
            None => find(&path, "named")?,
        };
        for tool in ["dnssec-keygen", "dnssec-signzone", "openssl"] {
            find(&path, tool)?;
        }
        let mut said = String::new();
        for _ in 0..ATTEMPTS {
            let ports = free_ports().map_err(|error| format!("no free ports on loopback: {error}"))?;
            let folder = new_folder().map_err(|error| format!("no folder for BIND: {error}"))?;
            let mut server = Attended::start(&folder, |start| {
                start.arg(here("bind/start")).arg(&folder).arg(Ipv4Addr::LOCALHOST.to_string());
                start.args(ports.iter().zip(LISTENERS).map(|(port, (_, word, _))| format!("{word}={port}")));
                start.env("STACK_NAMED", &named).env("PATH", &path)
            })
            .map_err(|error| format!("BIND cannot be started: {error}"))?;
            let mut bind = Self { ports, certificates: folder.join("certificates"), server: None };
            if bind.answers(|| server.is_running()) {
                bind.server = Some(server);
                return Ok(bind);
            }
            said = server.end();
        }
        Err(format!("BIND ({}) does not start: {said}", named.display()))
    }

    fn in_container() -> Result<Self, String> {
        let compose = Compose::find()?;
        let port = |(_, _, inside): (_, _, u16)| compose.published_port("bind", inside);
        let ports = LISTENERS.into_iter().map(port).collect::<Result<_, _>>()?;
        let certificates = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compose-bind");
        let bind = Self { ports, certificates, server: None };
        if !bind.answers(|| true) {
            return Err("BIND does not answer in its container: see `docker-compose logs bind`".to_owned());
        }
        fs::create_dir_all(&bind.certificates).map_err(|error| format!("no folder for the certificates: {error}"))?;
        compose.copy("bind", "/tmp/stack/certificates/.", &bind.certificates)?;
        Ok(bind)
    }

    /// Waits until the zone is there, as long as there is hope. BIND takes all its ports before it reads its zones.
    fn answers(&self, mut hope: impl FnMut() -> bool) -> bool {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end && hope() {
            // Behind the header's id come the flags; QR and AA are the first and the last but two of the first byte.
            if self.ask().is_ok_and(|answer| answer.get(2).is_some_and(|flags| flags & 0x84 == 0x84)) {
                return true;
            }
            thread::sleep(Duration::from_millis(20));
        }
        false
    }

    fn ask(&self) -> io::Result<Vec<u8>> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.set_read_timeout(Some(Duration::from_secs(1)))?;
        socket.connect(self.address(Listener::Dns))?;
        socket.send(QUESTION)?;
        let mut answer = vec![0; 512];
        let length = socket.recv(&mut answer)?;
        answer.truncate(length);
        Ok(answer)
    }
}

/// A free port for each listener, free over UDP too.
fn free_ports() -> io::Result<Vec<u16>> {
    let mut held = Vec::new();
    while held.len() < LISTENERS.len() {
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        if let Ok(udp) = UdpSocket::bind(tcp.local_addr()?) {
            held.push((tcp, udp));
        }
    }
    held.iter().map(|(tcp, _)| Ok(tcp.local_addr()?.port())).collect()
}
