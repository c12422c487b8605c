//! vsftpd: each listener one line of its configuration, each line a code.

use std::fs;
use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::MetadataExt as _;
use std::thread;

use super::{BIG, NOTICE, WRONG, md5, unused, upload};
use crate::ftp::{fill, vsftpd};
use crate::run::{Run, probe};
use crate::stack::is_contained;

const CLEAR: [&str; 4] = ["connect", "greeting", "login", "transfer"];
const ENCRYPTED: [&str; 5] = ["connect", "tls", "greeting", "login", "transfer"];

/// Transfers a path of a listener with lines of `[task.transfer]`.
fn ftp(listener: &str, path: &str, lines: &str) -> Run {
    ftp_at(vsftpd().address(listener), path, lines)
}

fn ftp_at(address: SocketAddr, path: &str, lines: &str) -> Run {
    probe(&format!("ftp://{address}/{path}"), &format!("timeout = \"10s\"\n[task.transfer]\n{lines}"))
}

/// The same over TLS, with lines of `[task.tls]` beside the server's own root.
fn ftps(listener: &str, path: &str, tls: &str, lines: &str) -> Run {
    let ca = vsftpd().certificate("ca.pem");
    let (scheme, explicit) = if listener == "implicit" { ("ftps", "none") } else { ("ftp", "explicit") };
    let lines = format!("[task.tls]\nca_file = {ca:?}\n{tls}\n[task.transfer]\nftp_tls = {explicit:?}\n{lines}");
    probe(&format!("{scheme}://{}/{path}", vsftpd().address(listener)), &format!("timeout = \"10s\"\n{lines}"))
}

#[test]
fn a_file() {
    let run = ftp("plain", "pub/big.txt", &md5(BIG)).succeeded(0).with_phases(&CLEAR);
    run.with("/evidence/transfer/bytes", 1_048_576).with("/evidence/md5", BIG);
    ftp("plain", "pub/notice.txt", &md5(NOTICE)).succeeded(0);
    ftp("plain", "pub/notice.txt", &format!("epsv = false\n{}", md5(NOTICE))).succeeded(0);
    // FTP has one data connection, whatever the task says.
    ftp("plain", "pub/big.txt", &format!("connections = 4\n{}", md5(BIG))).succeeded(0);
    ftp("plain", "pub/big.txt", &md5(WRONG)).failed(632, "transfer.md5");
    ftp("plain", "pub/", "").succeeded(0);
    ftp("plain", "pub/below/deeper/a%20name.txt", &md5(NOTICE)).succeeded(0);
}

#[test]
fn an_upload() {
    let incoming = |name| format!("incoming/{}", unused(name));
    let run = ftp("writable", &incoming("made-up.bin"), &upload(1_000_000)).succeeded(0).with_phases(&CLEAR);
    run.with("/evidence/transfer/bytes", 1_000_000);
    let source = format!("ftp://{}/pub/big.txt", vsftpd().address("plain"));
    let big = format!("direction = \"upload\"\nsource = {source:?}\nsource_md5 = {BIG:?}");
    let copy = incoming("copy.txt");
    ftp("writable", &copy, &big).succeeded(0);
    ftp("plain", &copy, &md5(BIG)).succeeded(0);
    // Anonymous users may not replace what is there: 553.
    ftp("writable", &copy, &big).failed(621, "ftp.refused.stor");
}

/// vsftpd refuses data connections that do not resume the TLS session of their control connection.
#[test]
fn over_tls() {
    for version in ["1.2", "1.3"] {
        let only = format!("min_version = {version:?}\nmax_version = {version:?}");
        for listener in ["explicit", "implicit"] {
            let with_version =
                |run: Run| run.with_phases(&ENCRYPTED).with("/evidence/tls/version", format!("TLSv{version}"));
            with_version(ftps(listener, "pub/big.txt", &only, &md5(BIG)).succeeded(0));
            let place = format!("incoming/{}", unused("tls.bin"));
            with_version(ftps(listener, &place, &only, &upload(1_000_000)).succeeded(0));
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
            ftps(listener, "pub/secret.txt", &only, "").failed(615, "ftp.refused.retr");
            ftps(listener, "pub/absent", &only, "").failed(614, "transfer.ftp.absent");
            ftps(listener, "absent/notice.txt", &only, "").failed(617, "ftp.refused.cwd");
            ftps(listener, "pub/empty.txt", &only, "").succeeded(0).with("/evidence/transfer/bytes", 0);
            let place = format!("incoming/{}", unused("empty.bin"));
            ftps(listener, &place, &only, &upload(0)).succeeded(0);
            ftps(listener, &place, &only, &upload(100)).failed(621, "ftp.refused.stor");
        }
    }
}

#[test]
fn tls_wanted_on_one_side_only() {
    // ssl_enable=NO
    ftps("plain", "pub/notice.txt", "", "").failed(655, "ftp.refused.auth_tls");
    // force_anon_logins_ssl=YES
    ftp("explicit", "pub/notice.txt", "").failed(619, "ftp.not_logged_in.user");
    let target = format!("ftps://{}/pub/notice.txt", vsftpd().address("plain"));
    probe(&target, "[task.transfer]").failed(647, "tls.not_tls");
}

#[test]
fn certificates() {
    ftps("expired", "pub/notice.txt", "", "").failed(610, "tls.certificate.expired").with("/phase", "tls");
    ftps("explicit", "pub/notice.txt", "server_name = \"elsewhere.test\"", "")
        .failed(611, "tls.certificate.name_mismatch");
    ftps("expired", "pub/notice.txt", "verify = false", &md5(NOTICE)).succeeded(0);
}

#[test]
fn what_is_not_there() {
    // SIZE 550, no MLST, LIST without the name.
    ftp("plain", "pub/absent", "").failed(614, "transfer.ftp.absent").with("/phase", "transfer");
    ftp("plain", "pub/notice", "").failed(614, "transfer.ftp.absent");
    // dirlist_enable=NO
    ftp("unlisted", "pub/absent", "").failed(616, "transfer.ftp.lookup_failed");
    ftp("unlisted", "pub/notice.txt", &md5(NOTICE)).succeeded(0);
    ftp("plain", "absent/notice.txt", "").failed(617, "ftp.refused.cwd");
    // A directory has no size, is listed, and cannot be read.
    ftp("plain", "pub", "").failed(615, "ftp.refused.retr");
}

#[test]
fn what_may_not_be_done() {
    // A file of mode 0600: SIZE 213, RETR 550.
    ftp("plain", "pub/secret.txt", "").failed(615, "ftp.refused.retr");
    // write_enable=NO
    ftp("plain", "incoming/a", &upload(100)).failed(621, "ftp.refused.stor");
    // pasv_enable=NO
    ftp("active_only", "pub/notice.txt", "").failed(604, "ftp.refused.pasv");
    ftp("active_only", "incoming/a", &upload(100)).failed(604, "ftp.refused.pasv");
}

#[test]
fn logins() {
    let wrong = "username = \"anonymous\"\npassword = \"open window\"";
    let run = ftp("plain", "pub/notice.txt", wrong).failed(618, "ftp.not_logged_in.pass");
    assert!(!run.printed().contains("window"), "{run}");
    // userlist_enable=YES
    ftp("userlist", "pub/notice.txt", "").failed(619, "ftp.not_logged_in.user");
    // local_enable=NO
    ftp("plain", "pub/notice.txt", "username = \"probe\"").failed(619, "ftp.not_logged_in.user");
}

/// `500 OOPS: vsftpd: refusing to run with writable root inside chroot()`.
#[test]
fn a_root_that_is_writable() {
    let own = fs::metadata("/proc/self").map(|metadata| metadata.uid());
    assert!(
        own.is_ok_and(|user| user == 0) || is_contained(),
        "only root can give vsftpd a root directory of its own, which this test needs: run it as root"
    );
    ftp("chrooted", "pub/notice.txt", "").failed(602, "ftp.refused.pass").with("/phase", "login");
}

/// `anon_max_rate`
#[test]
fn what_takes_too_long() {
    let in_time = |path: &str, lines: &str| {
        let target = format!("ftp://{}/{path}", vsftpd().address("slow"));
        probe(&target, &format!("timeout = \"1s\"\n[task.transfer]\n{lines}"))
    };
    in_time("pub/big.txt", "").failed(630, "ftp.data.timeout").with("/phase", "transfer");
    in_time(&format!("incoming/{}", unused("slow.bin")), &upload(50_000_000))
        .failed(621, "ftp.data.unsent")
        .with("/phase", "transfer");
}

/// vsftpd ends TLS in order on data connections, and not on control connections: after 221 it closes.
#[test]
fn the_end_of_tls() {
    for listener in ["explicit", "implicit"] {
        ftps(listener, "pub/notice.txt", "strict_shutdown = true", "").failed(658, "tls.shutdown");
    }
}

/// `max_clients=1`
#[test]
fn a_server_that_is_full() {
    let _guest = fill();
    ftp("full", "pub/notice.txt", "").failed(622, "ftp.unavailable.greeting");
}

/// A gateway that forwards the control connection and none of the ports for data.
#[test]
fn ports_for_data_that_are_closed() {
    let gateway = forward(vsftpd().address("writable")).expect("an address of loopback");
    ftp_at(gateway, "pub/notice.txt", "").failed(601, "ftp.passive.refused");
    ftp_at(gateway, "incoming/b", &upload(100)).failed(601, "ftp.passive.refused");
}

/// Forwards connections from an address where nothing else listens.
fn forward(to: SocketAddr) -> io::Result<SocketAddr> {
    let gateway = TcpListener::bind("127.0.0.9:0")?;
    let address = gateway.local_addr()?;
    thread::spawn(move || {
        for near in gateway.incoming().flatten() {
            let Ok(far) = TcpStream::connect(to) else { continue };
            if let (Ok(from_near), Ok(from_far)) = (near.try_clone(), far.try_clone()) {
                thread::spawn(move || pass(from_near, far));
                thread::spawn(move || pass(from_far, near));
            }
        }
    });
    Ok(address)
}

/// Passes on what comes, and the end of it.
fn pass(mut from: TcpStream, mut to: TcpStream) {
    // A side that is gone needs nothing more.
    let _ = io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
}
