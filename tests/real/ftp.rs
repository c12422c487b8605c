//! FTP: vsftpd, in clear, with AUTH TLS and with TLS from the start; each listener is a vsftpd of its own.

use std::io::Read as _;
use std::net::TcpStream;
use std::sync::OnceLock;

use crate::run::{Run, probe};
use crate::stack::daemon::{Daemon, Plan};

const VSFTPD: Plan = Plan {
    name: "vsftpd",
    program: "vsftpd",
    listeners: &[
        ("plain", 2101),
        ("explicit", 2102),
        ("implicit", 2103),
        ("expired", 2104),
        ("active_only", 2105),
        ("unlisted", 2106),
        ("full", 2107),
        ("writable", 2108),
        ("userlist", 2109),
        ("chrooted", 2110),
        ("slow", 2111),
    ],
    greeting: "220 ",
};

const CLEAR: [&str; 4] = ["connect", "greeting", "login", "transfer"];
const ENCRYPTED: [&str; 5] = ["connect", "tls", "greeting", "login", "transfer"];

/// The servers that the tests of this process share.
pub fn vsftpd() -> &'static Daemon {
    static SHARED: OnceLock<Result<Daemon, String>> = OnceLock::new();
    match SHARED.get_or_init(|| Daemon::start(&VSFTPD)) {
        Ok(server) => server,
        Err(sentence) => panic!("{sentence}"),
    }
}

/// Probes a listener with lines of `[task.ftp]`.
fn ftp(listener: &str, path: &str, lines: &str) -> Run {
    ftp_over(listener, path, lines, "")
}

/// The same with lines of `[task.tls]` beside the server's own root.
fn ftp_over(listener: &str, path: &str, lines: &str, tls: &str) -> Run {
    let ca = vsftpd().certificate("ca.pem");
    let lines = format!("timeout = \"10s\"\n[task.tls]\nca_file = {ca:?}\n{tls}\n[task.ftp]\n{lines}");
    probe(&format!("ftp://{}/{path}", vsftpd().address(listener)), &lines)
}

#[test]
fn a_listing_and_a_file() {
    ftp("plain", "", "").succeeded(0).with_phases(&CLEAR);
    ftp("plain", "pub/", "").succeeded(0).with_phases(&CLEAR);
    ftp("plain", "pub", "").succeeded(0).with_phases(&CLEAR);
    let run = ftp("plain", "pub/big.txt", "").succeeded(0).with_phases(&CLEAR);
    assert!(run.at("/evidence/bytes/received").as_u64() > Some(1_048_576), "{run}");
}

#[test]
fn a_password_is_sent_and_not_shown() {
    let run = ftp("plain", "", "username = \"ftp\"\npassword = \"open sesame\"").succeeded(0);
    assert!(!run.printed().contains("sesame"), "{run}");
    let run = ftp("plain", "", "password = \"open window\"").failed(616, "ftp.not_logged_in.pass");
    assert!(!run.printed().contains("window"), "{run}");
    ftp("plain", "", "username = \"probe\"").failed(616, "ftp.not_logged_in.user").with("/phase", "login");
}

#[test]
fn what_is_not_there() {
    ftp("plain", "pub/absent", "").failed(610, "ftp.refused.retr").with_phases(&CLEAR);
    ftp("plain", "absent/", "").failed(610, "ftp.refused.cwd").with_phases(&CLEAR);
    ftp("active_only", "", "").failed(610, "ftp.refused.pasv").with_phases(&CLEAR);
    ftp("unlisted", "", "").failed(610, "ftp.refused.list").with_phases(&CLEAR);
}

/// vsftpd refuses data connections that do not resume the TLS session of their control connection.
#[test]
fn data_resume_the_session() {
    for version in ["1.2", "1.3"] {
        let only = format!("min_version = {version:?}\nmax_version = {version:?}");
        for (listener, kind) in [("explicit", "explicit"), ("implicit", "implicit")] {
            for path in ["pub/", "pub/big.txt"] {
                ftp_over(listener, path, &format!("tls = {kind:?}"), &only)
                    .succeeded(0)
                    .with_phases(&ENCRYPTED)
                    .with("/evidence/tls/version", format!("TLSv{version}"));
            }
        }
    }
}

#[test]
fn tls_wanted_on_one_side_only() {
    ftp("explicit", "", "").failed(616, "ftp.not_logged_in.user");
    ftp("plain", "", "tls = \"explicit\"").failed(611, "ftp.refused.auth_tls");
    ftp("plain", "", "tls = \"implicit\"").failed(611, "tls.not_tls");
}

#[test]
fn a_certificate_that_ended() {
    ftp("expired", "", "tls = \"explicit\"").failed(611, "tls.certificate.expired").with("/phase", "tls");
    ftp_over("expired", "pub/", "tls = \"explicit\"", "verify = false").succeeded(0).with_phases(&ENCRYPTED);
}

/// Takes the only place of the listener `full`.
pub fn fill() -> TcpStream {
    let mut guest = TcpStream::connect(vsftpd().address("full")).expect("a connection to vsftpd");
    let mut greeting = [0; 4];
    // Those who asked whether the server is up may just be leaving.
    while guest.read_exact(&mut greeting).is_err() || &greeting != b"220 " {
        guest = TcpStream::connect(vsftpd().address("full")).expect("a connection to vsftpd");
    }
    guest
}

#[test]
fn a_server_that_is_full() {
    let _guest = fill();
    ftp("full", "", "").failed(611, "ftp.unavailable.greeting");
}
