//! One request of HTTP/1.1 and its answer, whatever is on the other side.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// What does not come within this time fails the test.
pub const PATIENCE: Duration = Duration::from_secs(40);

/// One answer.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The status line and the header fields.
    pub head: String,
    /// The body.
    pub body: String,
}

/// A GET with further header lines, each with its end.
pub fn get(address: SocketAddr, path: &str, fields: &str) -> Answer {
    ask(address, format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{fields}\r\n").as_bytes())
}

/// A request with JSON in it.
pub fn send(address: SocketAddr, method: &str, path: &str, body: &str) -> Answer {
    let length = body.len();
    let head = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n");
    ask(address, format!("{head}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}").as_bytes())
}

/// Says something and hears one answer.
pub fn ask(address: SocketAddr, words: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(address).expect("somebody listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket has a timeout");
    // Who finds a request too long may answer and go before it is said.
    let said = stream.write_all(words);
    let mut bytes = Vec::new();
    let mut piece = vec![0; 1 << 16];
    while !whole(&bytes) {
        match stream.read(&mut piece) {
            Ok(length) if length > 0 => bytes.extend_from_slice(&piece[..length]),
            Ok(_) | Err(_) => break,
        }
    }
    let text = String::from_utf8(bytes).expect("an answer is UTF-8");
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer but {text:?} ({said:?})"));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("an answer has a status");
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}

/// Whether an answer that says how long it is has come to its end.
fn whole(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let Some((head, _)) = text.split_once("\r\n\r\n") else { return false };
    let lengths = head.lines().filter_map(|line| line.split_once(':'));
    let length = lengths.into_iter().find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    length
        .and_then(|(_, length)| length.trim().parse().ok())
        .is_some_and(|length: usize| bytes.len() >= head.len() + 4 + length)
}
