//! A certificate authority of OpenSSL's (`tests/stack/revocation/make`): its responder and list over HTTP, and
//! `openssl s_server` with certificates of it.

use std::fs;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::thread;

/// The authority of this process; it answers as long as the process lives.
pub struct Authority {
    folder: tempfile::TempDir,
}

/// The authority that the tests of this process share.
pub fn authority() -> &'static Authority {
    static SHARED: OnceLock<Authority> = OnceLock::new();
    SHARED.get_or_init(|| Authority::start().unwrap_or_else(|error| panic!("the authority does not start: {error}")))
}

impl Authority {
    fn start() -> io::Result<Self> {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let url = format!("http://{}", listener.local_addr()?);
        let script = crate::stack::here("revocation/make");
        succeeded(&Command::new(script).arg(folder.path()).arg(url).stdin(Stdio::null()).output()?)?;
        let place = folder.path().to_owned();
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                // One that asks for nothing that there is gets nothing; the test then fails by itself.
                let _ = answer(connection, &place);
            }
        });
        Ok(Self { folder })
    }

    /// The path of a file that it made.
    pub fn file(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs OpenSSL in its folder.
    pub fn openssl(&self, arguments: &[&str]) {
        let done =
            Command::new("openssl").args(arguments).current_dir(self.folder.path()).stdin(Stdio::null()).output();
        done.and_then(|done| succeeded(&done)).unwrap_or_else(|error| panic!("openssl {arguments:?}: {error}"));
    }

    /// Starts a web server of OpenSSL's with this certificate.
    pub fn serve(&self, certificate: &str, arguments: &[&str]) -> Server {
        Server::start(self.folder.path(), certificate, arguments)
            .unwrap_or_else(|error| panic!("openssl s_server does not start: {error}"))
    }
}

fn succeeded(output: &Output) -> io::Result<()> {
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(io::Error::other(said.into_owned())) }
}

/// Answers one request: the list for a GET, what `openssl ocsp` makes of the body for a POST.
fn answer(mut connection: TcpStream, folder: &Path) -> io::Result<()> {
    let mut reader = BufReader::new(connection.try_clone()?);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let line = line.trim().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().map_err(io::Error::other)?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let answer = if first.starts_with("GET /crl ") {
        fs::read(folder.join("crl.der"))?
    } else {
        fs::write(folder.join("request"), body)?;
        let signer = ["-rsigner", "responder.pem", "-rkey", "responder.key"];
        let made = Command::new("openssl")
            .args([
                "ocsp", "-index", "index", "-CA", "ca.pem", "-ndays", "7", "-reqin", "request", "-respout", "response",
            ])
            .args(signer)
            .current_dir(folder)
            .stdin(Stdio::null())
            .output()?;
        succeeded(&made)?;
        fs::read(folder.join("response"))?
    };
    write!(connection, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", answer.len())?;
    connection.write_all(&answer)
}

/// A running `openssl s_server`, ended with this.
pub struct Server {
    process: Child,
    address: SocketAddr,
}

impl Server {
    fn start(folder: &Path, certificate: &str, arguments: &[&str]) -> io::Result<Self> {
        let mut process = Command::new("openssl")
            .args(["s_server", "-accept", "127.0.0.1:0", "-www", "-CAfile", "ca.pem"])
            .args(["-cert", &format!("{certificate}.pem"), "-key", &format!("{certificate}.key")])
            .args(arguments)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let lines = process.stdout.take().map(BufReader::new).into_iter().flat_map(BufReader::lines);
        let place = lines.map_while(Result::ok).find_map(|line| line.strip_prefix("ACCEPT ")?.trim().parse().ok());
        let address = place.ok_or_else(|| io::Error::other("it does not say where it listens"))?;
        Ok(Self { process, address })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address of its page.
    pub fn url(&self) -> String {
        format!("https://{}/", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
