//! ProFTPD, which knows MLST, refuses what it does with other replies than vsftpd, and ends TLS in its own way.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::sync::OnceLock;

use super::{BIG, NOTICE, md5, upload};
use crate::ftp::vsftpd;
use crate::run::{Run, probe};
use crate::stack::daemon::{Daemon, Plan};

const PROFTPD: Plan = Plan {
    name: "proftpd",
    program: "proftpd",
    listeners: &[
        ("plain", 2201),
        ("explicit", 2202),
        ("implicit", 2203),
        ("sizeless", 2204),
        ("blind", 2205),
        ("active_only", 2206),
        ("mutual", 2207),
        ("brief", 2208),
        ("full", 2209),
    ],
    greeting: "220 proftpd",
};

const CLEAR: [&str; 4] = ["connect", "greeting", "login", "transfer"];
const ENCRYPTED: [&str; 5] = ["connect", "tls", "greeting", "login", "transfer"];
const CREDENTIALS: &str = "username = \"probe\"\npassword = \"open sesame\"";

/// The server that the tests of this process share.
fn proftpd() -> &'static Daemon {
    static SHARED: OnceLock<Result<Daemon, String>> = OnceLock::new();
    match SHARED.get_or_init(|| Daemon::start(&PROFTPD)) {
        Ok(server) => server,
        Err(sentence) => panic!("{sentence}"),
    }
}

/// Transfers a path of a listener with lines of `[task.transfer]`, logged in.
fn ftp(listener: &str, path: &str, lines: &str) -> Run {
    let lines = format!("timeout = \"10s\"\n[task.transfer]\n{CREDENTIALS}\n{lines}");
    probe(&format!("ftp://{}/{path}", proftpd().address(listener)), &lines)
}

/// The same over TLS, with lines of `[task.tls]` beside the server's own root.
fn ftps(listener: &str, path: &str, tls: &str, lines: &str) -> Run {
    let ca = proftpd().certificate("ca.pem");
    let (scheme, explicit) = if listener == "implicit" { ("ftps", "none") } else { ("ftp", "explicit") };
    let lines = format!("{CREDENTIALS}\nftp_tls = {explicit:?}\n{lines}");
    probe(
        &format!("{scheme}://{}/{path}", proftpd().address(listener)),
        &format!("timeout = \"10s\"\n[task.tls]\nca_file = {ca:?}\n{tls}\n[task.transfer]\n{lines}"),
    )
}

#[test]
fn a_file() {
    let run = ftp("plain", "pub/big.txt", &md5(BIG)).succeeded(0).with_phases(&CLEAR);
    assert!(!run.printed().contains("sesame"), "{run}");
    ftp("plain", "pub/notice.txt", &format!("epsv = false\n{}", md5(NOTICE))).succeeded(0);
    ftp("plain", "pub/", "").succeeded(0);
}

#[test]
fn an_upload() {
    let place = "incoming/plain.bin";
    ftp("plain", place, &upload(1_000_000)).succeeded(0).with("/evidence/transfer/bytes", 1_000_000);
    // AllowOverwrite on
    ftp("plain", place, &upload(2_000_000)).succeeded(0);
    ftp("plain", place, "").succeeded(0).with("/evidence/transfer/bytes", 2_000_000);
}

#[test]
fn over_tls() {
    for version in ["1.2", "1.3"] {
        let only = format!("min_version = {version:?}\nmax_version = {version:?}");
        for listener in ["explicit", "implicit"] {
            let run = ftps(listener, "pub/big.txt", &only, &md5(BIG)).succeeded(0).with_phases(&ENCRYPTED);
            run.with("/evidence/tls/version", format!("TLSv{version}"));
            let place = format!("incoming/{listener}-{version}.bin");
            ftps(listener, &place, &only, &upload(1_000_000)).succeeded(0);
            let run = ftps(listener, &place, &only, "").succeeded(0);
            run.with("/evidence/transfer/bytes", 1_000_000);
        }
    }
}

/// What is refused has a data connection in which TLS never begins; what is empty has one with nothing but TLS.
#[test]
fn refusals_and_empty_files_over_tls() {
    for version in ["1.2", "1.3"] {
        let only = format!("min_version = {version:?}\nmax_version = {version:?}");
        for listener in ["explicit", "implicit"] {
            ftps(listener, "closed/secret.txt", &only, "").failed(615, "ftp.refused.retr");
            ftps(listener, "pub/absent", &only, "").failed(614, "transfer.ftp.absent");
            ftps(listener, "pub/a", &only, &upload(100)).failed(621, "ftp.refused.stor");
            ftps(listener, "small/c", &only, &upload(1_000_000)).failed(621, "ftp.refused.stored");
            ftps(listener, "pub/empty.txt", &only, "").succeeded(0).with("/evidence/transfer/bytes", 0);
            ftps(listener, "incoming/empty.bin", &only, &upload(0)).succeeded(0);
        }
    }
}

#[test]
fn tls_wanted_on_one_side_only() {
    ftps("plain", "pub/notice.txt", "", "").failed(655, "ftp.refused.auth_tls");
    // TLSRequired on: 550 to USER, which says nothing of the user.
    ftp("explicit", "pub/notice.txt", "").failed(622, "ftp.refused.user");
}

#[test]
fn what_is_not_there() {
    // SIZE 550, MLST 550.
    ftp("plain", "pub/absent", "").failed(614, "transfer.ftp.absent");
    ftp("sizeless", "pub/absent", "").failed(614, "transfer.ftp.absent");
    // SIZE 550, MLST 250.
    ftp("sizeless", "pub/notice.txt", &md5(NOTICE)).succeeded(0);
    // SIZE 550, no MLST; a LIST that is not allowed is empty, and complete for all that the server says: a file that is
    // there and hidden is told from none by nobody.
    ftp("blind", "pub/absent", "").failed(614, "transfer.ftp.absent");
    ftp("blind", "pub/notice.txt", "").failed(614, "transfer.ftp.absent");
    ftp("plain", "absent/notice.txt", "").failed(617, "ftp.refused.cwd");
}

#[test]
fn what_may_not_be_done() {
    // <Limit READ>
    ftp("plain", "closed/secret.txt", "").failed(615, "ftp.refused.retr");
    // <Limit WRITE>
    ftp("plain", "pub/a", &upload(100)).failed(621, "ftp.refused.stor");
    ftp("active_only", "pub/notice.txt", "").failed(604, "ftp.refused.pasv");
}

/// `MaxStoreFileSize`: 552, once too much has come.
#[test]
fn a_file_that_is_too_large() {
    ftp("plain", "small/a", &upload(10_000)).succeeded(0);
    ftp("plain", "small/b", &upload(1_000_000)).failed(621, "ftp.refused.stored");
}

/// `TimeoutSession`: 421, while data are on their way.
#[test]
fn a_session_that_is_too_long() {
    ftp("brief", "pub/big.txt", "").failed(620, "ftp.unavailable.completion");
    ftp("brief", "incoming/brief.bin", &upload(50_000_000)).failed(620, "ftp.unavailable.stored");
}

/// `MaxClients`: 530 to PASS, as if it were the password. Only the text tells, which nobody can rely on.
#[test]
fn a_server_that_is_full() {
    let mut guest = TcpStream::connect(proftpd().address("full")).expect("a connection to ProFTPD");
    guest.write_all(b"USER probe\r\nPASS open sesame\r\n").expect("ProFTPD hears");
    let logged_in = BufReader::new(&guest).lines().map_while(Result::ok).any(|line| line.starts_with("230 "));
    assert!(logged_in, "ProFTPD lets nobody in");
    ftp("full", "pub/notice.txt", "").failed(618, "ftp.not_logged_in.pass");
}

/// `TLSVerifyClient on`
#[test]
fn client_certificates() {
    let identity = |certificate: String, key: String| format!("client_cert = {certificate:?}\nclient_key = {key:?}");
    let own = identity(proftpd().certificate("client.pem"), proftpd().certificate("client.key"));
    let stranger = identity(vsftpd().certificate("client.pem"), vsftpd().certificate("client.key"));
    for version in ["1.2", "1.3"] {
        let with = |identity: &str| format!("min_version = {version:?}\nmax_version = {version:?}\n{identity}");
        ftps("mutual", "pub/big.txt", &with(&own), &md5(BIG)).succeeded(0).with_phases(&ENCRYPTED);
        ftps("mutual", "incoming/mutual.bin", &with(&own), &upload(1_000_000)).succeeded(0);
        ftps("mutual", "pub/big.txt", &with(""), "").failed(612, "tls.client_certificate.required");
        ftps("mutual", "pub/big.txt", &with(&stranger), "").failed(651, "tls.client_certificate.rejected");
    }
}

#[test]
fn a_wrong_password() {
    // ProFTPD lets nobody know whether it was the user.
    for login in ["username = \"probe\"\npassword = \"open window\"", "username = \"nobody\"\npassword = \"x\""] {
        let target = format!("ftp://{}/pub/notice.txt", proftpd().address("plain"));
        let run = probe(&target, &format!("[task.transfer]\n{login}")).failed(618, "ftp.not_logged_in.pass");
        assert!(!run.printed().contains("window"), "{run}");
    }
}

#[test]
fn the_end_of_tls() {
    ftps("explicit", "pub/notice.txt", "strict_shutdown = true", &md5(NOTICE)).succeeded(0);
}
