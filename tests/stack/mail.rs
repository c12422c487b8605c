//! Debian's Postfix and Dovecot for the tests, started from `tests/stack/mail` or found in their container.

use std::env;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use super::compose::Compose;
use super::process::{Attended, find, here, new_folder, search_path};
use super::{ATTEMPTS, PATIENCE, free_ports};

/// A port of the mail servers, and what it is there for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MailPort {
    /// SMTP with STARTTLS on offer, and AUTH inside TLS.
    Smtp,
    /// The same in TLS from the beginning.
    Smtps,
    /// SMTP that greets everybody with 554.
    Refusing,
    /// POP3 with STLS on offer.
    Pop3,
    /// The same in TLS from the beginning.
    Pop3s,
}

/// Each port with its word in `tests/stack/mail/start` and its number in the container.
const PORTS: [(MailPort, &str, u16); 5] = [
    (MailPort::Smtp, "smtp", 8101),
    (MailPort::Smtps, "smtps", 8102),
    (MailPort::Refusing, "refusing", 8103),
    (MailPort::Pop3, "pop3", 8104),
    (MailPort::Pop3s, "pop3s", 8105),
];

/// The running servers.
pub struct Mail {
    ports: Vec<u16>,
    certificates: PathBuf,
    /// Ended with this; absent for a container, which others start and stop.
    server: Option<Attended>,
}

/// The mail servers that the tests of this process share.
pub fn mail() -> &'static Mail {
    static SHARED: OnceLock<Result<Mail, String>> = OnceLock::new();
    match SHARED.get_or_init(Mail::start) {
        Ok(mail) => mail,
        Err(sentence) => panic!("{sentence}"),
    }
}

impl Mail {
    fn start() -> Result<Self, String> {
        match env::var("STACK").as_deref() {
            Ok("compose") => Self::in_container(),
            Ok(other) => Err(format!("STACK={other} is unknown: leave it out, or say STACK=compose")),
            Err(_) => Self::as_processes(),
        }
    }

    /// Where a port is.
    pub fn address(&self, wanted: MailPort) -> SocketAddr {
        let index = PORTS.iter().position(|(port, ..)| *port == wanted).expect("every port is in the list");
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.ports[index]))
    }

    /// The path of a file that the servers made for themselves, such as `ca.pem`.
    pub fn certificate(&self, file: &str) -> String {
        self.certificates.join(file).display().to_string()
    }

    fn as_processes() -> Result<Self, String> {
        let path = search_path();
        find(&path, "openssl")?;
        let mut said = String::new();
        for _ in 0..ATTEMPTS {
            let ports = free_ports(PORTS.len()).map_err(|error| format!("no free ports on loopback: {error}"))?;
            let folder = new_folder().map_err(|error| format!("no folder for the mail servers: {error}"))?;
            let mut server = Attended::start(&folder, |start| {
                start.arg(here("mail/start")).arg(&folder).arg(Ipv4Addr::LOCALHOST.to_string());
                start.args(PORTS.iter().zip(&ports).map(|((_, word, _), port)| format!("{word}={port}")));
                start.env("PATH", &path)
            })
            .map_err(|error| format!("the mail servers cannot be started: {error}"))?;
            let mut mail = Self { ports, certificates: folder.join("certificates"), server: None };
            if mail.greets(|| server.is_running()) {
                mail.server = Some(server);
                return Ok(mail);
            }
            said = server.end();
        }
        Err(format!("Postfix and Dovecot do not start: {said}"))
    }

    fn in_container() -> Result<Self, String> {
        let compose = Compose::find()?;
        let ports = PORTS.iter().map(|(.., inside)| compose.published_port("mail", *inside));
        let certificates = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compose-mail");
        let mail = Self { ports: ports.collect::<Result<_, _>>()?, certificates, server: None };
        if !mail.greets(|| true) {
            return Err("the mail servers do not greet: see `docker-compose logs mail`".to_owned());
        }
        fs::create_dir_all(&mail.certificates).map_err(|error| format!("no folder for the certificates: {error}"))?;
        compose.copy("mail", "/tmp/stack/certificates/.", &mail.certificates)?;
        Ok(mail)
    }

    /// Waits until both greet, as long as there is hope.
    fn greets(&self, mut hope: impl FnMut() -> bool) -> bool {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end && hope() {
            if [MailPort::Smtp, MailPort::Pop3].into_iter().all(|port| greeting(self.address(port)).is_some()) {
                return true;
            }
            thread::sleep(Duration::from_millis(50));
        }
        false
    }
}

fn greeting(address: SocketAddr) -> Option<String> {
    let stream = TcpStream::connect_timeout(&address, Duration::from_secs(1)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).ok().filter(|count| *count > 0)?;
    Some(line)
}
