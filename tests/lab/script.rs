//! What a peer does on one connection, step by step.

use std::io;
use std::io::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use serde::{Deserialize, Deserializer};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::frames::{self, Frame};
use super::status::{List, Ocsp, over_http};
use super::wire::Wire;

/// One step of a script.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Step {
    /// Sends a text.
    Say(String),
    /// Sends bytes, given as hex pairs; blanks are ignored.
    SayHex(String),
    /// Sends bytes past TLS, straight to the connection below it.
    SayBelowTls(String),
    /// Sends a text many times; without `times` until the other side has had enough.
    SayRepeated {
        /// The text.
        text: String,
        /// How many times.
        times: Option<u64>,
    },
    /// Sends a text, compressed as one gzip member.
    SayGzip(String),
    /// Sends a text, compressed in the zlib format, which HTTP calls deflate.
    SayZlib(String),
    /// Sends one gzip member that never ends: zeros, a thousand to a byte.
    GzipBomb,
    /// Sends a text again and again at intervals, until the other side has had enough.
    Drip {
        /// The text.
        text: String,
        /// The interval.
        every: Span,
    },
    /// Sends an HTTP/2 frame.
    Frame(Frame),
    /// Waits for a line (a pattern that ends in `\n`, `*` for anything), for exactly these bytes (any other text), or
    /// for one of: `head` (until an empty line), `record` (one TLS record), `end` (of the connection), `h2` (preface
    /// and one whole request).
    Hear(String),
    /// Waits for so many bytes.
    HearBytes(usize),
    /// Answers over HTTP with an OCSP response.
    SayOcsp(Ocsp),
    /// Answers over HTTP with a revocation list.
    SayCrl(List),
    /// Does nothing for a while.
    Wait(Span),
    /// Ends its side in order and goes on listening.
    Close,
    /// Ends its side without TLS's `close_notify` and goes on listening.
    Cut,
    /// Resets the connection.
    Reset,
    /// Neither says nor reads anything any more.
    Hold,
    /// Encrypts the connection from here on.
    Starttls,
    /// Sends an HTTP response, whose Content-Length is counted.
    Answer {
        /// The status; 200.
        status: Option<u16>,
        /// Further header lines, each with its end.
        #[serde(default)]
        headers: String,
        /// The body.
        #[serde(default)]
        body: String,
    },
    /// Sends a text in which `{target}` is that of the last HTTP request, and `{sign}` its Authorization.
    Echo(String),
    /// Makes a file empty.
    Empty(std::path::PathBuf),
    /// Connects to another peer and passes everything on, as a proxy after `CONNECT` does.
    Tunnel(SocketAddr),
}

/// A length of time as case files write it: `250ms`, `2s`.
#[derive(Clone, Copy, Debug)]
pub struct Span(pub Duration);

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse_span(&text).map(Self).ok_or_else(|| serde::de::Error::custom(format!("`{text}` is no duration")))
    }
}

/// Reads `250ms`, `2s` or `1m`.
pub fn parse_span(text: &str) -> Option<Duration> {
    let digits = text.find(|letter: char| !letter.is_ascii_digit())?;
    let number: u64 = text[..digits].parse().ok()?;
    match &text[digits..] {
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_secs(60 * number)),
        _ => None,
    }
}

/// Plays a script; at its end the connection is read until the other side ends it.
///
/// Only what the script waited for and did not hear is a trouble of the case: an agent that has seen enough may hang
/// up while the peer still talks.
pub async fn play(mut wire: Wire, script: &[Step], acceptor: Option<&TlsAcceptor>) {
    for step in script {
        match perform(&mut wire, step, acceptor).await {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => {
                if let Step::Hear(_) | Step::HearBytes(_) = step {
                    wire.note(format!("waited for {step:?}: {error}"));
                    wire.reset();
                }
                return;
            }
        }
    }
    wire.drain().await;
}

/// One step; `false` when the connection is over.
async fn perform(wire: &mut Wire, step: &Step, acceptor: Option<&TlsAcceptor>) -> io::Result<bool> {
    match step {
        Step::Say(text) => wire.say(text.as_bytes()).await?,
        Step::SayHex(hex) => wire.say(&from_hex(hex)?).await?,
        Step::SayBelowTls(hex) => wire.say_below_tls(&from_hex(hex)?).await?,
        Step::SayRepeated { text, times } => say_repeated(wire, text, *times).await?,
        Step::SayGzip(text) => wire.say(&gzip(text)?).await?,
        Step::SayZlib(text) => wire.say(&zlib(text)?).await?,
        Step::GzipBomb => gzip_bomb(wire).await?,
        Step::Drip { text, every } => loop {
            wire.say(text.as_bytes()).await?;
            tokio::time::sleep(every.0).await;
        },
        Step::SayOcsp(response) => {
            let body = response.encode().map_err(io::Error::other)?;
            wire.say(&over_http("application/ocsp-response", &body)).await?;
        }
        Step::SayCrl(list) => {
            let body = list.encode().map_err(io::Error::other)?;
            wire.say(&over_http("application/pkix-crl", &body)).await?;
        }
        Step::Frame(frame) => wire.say(&frame.encode()?).await?,
        Step::Hear(wanted) => hear(wire, wanted).await?,
        Step::HearBytes(count) => drop(wire.hear_until(|got| (got.len() >= *count).then_some(*count)).await?),
        Step::Wait(span) => tokio::time::sleep(span.0).await,
        Step::Close => wire.close().await,
        Step::Cut => wire.cut().await,
        Step::Reset => {
            wire.reset();
            return Ok(false);
        }
        Step::Hold => std::future::pending().await,
        Step::Starttls => wire.encrypt(acceptor.ok_or_else(|| io::Error::other("starttls without tls"))?).await?,
        Step::Answer { status, headers, body } => {
            let status = status.unwrap_or(200);
            let length = body.len();
            let head = format!("HTTP/1.1 {status} As Written\r\n{headers}Content-Length: {length}\r\n\r\n");
            wire.say(format!("{head}{body}").as_bytes()).await?;
        }
        Step::Echo(text) => {
            let (target, sign) = last_request(&wire.heard());
            wire.say(text.replace("{target}", &target).replace("{sign}", &sign).as_bytes()).await?;
        }
        Step::Empty(path) => std::fs::write(path, "")?,
        Step::Tunnel(address) => {
            wire.join(&mut TcpStream::connect(address).await?).await;
            return Ok(false);
        }
    }
    Ok(true)
}

async fn hear(wire: &mut Wire, wanted: &str) -> io::Result<()> {
    let heard = match wanted {
        "head" => return wire.hear_until(|got| after(got, b"\r\n\r\n")).await.map(drop),
        "record" => return wire.hear_until(whole_record).await.map(drop),
        "h2" => return frames::hear_request(wire).await,
        "end" => {
            wire.drain().await;
            return Ok(());
        }
        _ if wanted.ends_with('\n') => wire.hear_until(|got| after(got, b"\n")).await?,
        _ => wire.hear_until(|got| (got.len() >= wanted.len()).then_some(wanted.len())).await?,
    };
    let heard = String::from_utf8_lossy(&heard);
    if fits(wanted, &heard) { Ok(()) } else { Err(io::Error::other(format!("heard {heard:?}"))) }
}

fn after(got: &[u8], mark: &[u8]) -> Option<usize> {
    got.windows(mark.len()).position(|window| window == mark).map(|start| start + mark.len())
}

fn whole_record(got: &[u8]) -> Option<usize> {
    let length = 5 + usize::from(u16::from_be_bytes([*got.get(3)?, *got.get(4)?]));
    (got.len() >= length).then_some(length)
}

/// The target of the last request and its Authorization, as far as there is one.
fn last_request(heard: &str) -> (String, String) {
    let target = heard.lines().rev().find_map(|line| line.strip_suffix(" HTTP/1.1")?.split(' ').nth(1));
    let sign = heard.lines().rev().find_map(|line| line.strip_prefix("authorization: "));
    (target.unwrap_or_default().to_owned(), sign.unwrap_or_default().to_owned())
}

async fn say_repeated(wire: &mut Wire, text: &str, times: Option<u64>) -> io::Result<()> {
    // Whole buffers, so that megabytes cost no time; the remainder text by text.
    let per_block = (16 * 1024 / text.len().max(1)).max(1) as u64;
    let block = text.repeat(usize::try_from(per_block).unwrap_or(1));
    let mut left = times.unwrap_or(u64::MAX);
    while left >= per_block {
        wire.say(block.as_bytes()).await?;
        left -= per_block;
    }
    wire.say(text.repeat(usize::try_from(left).unwrap_or(0)).as_bytes()).await
}

async fn gzip_bomb(wire: &mut Wire) -> io::Result<()> {
    let zeros = vec![0; 1024 * 1024];
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    loop {
        encoder.write_all(&zeros)?;
        let block = std::mem::take(encoder.get_mut());
        wire.say(&block).await?;
    }
}

fn gzip(text: &str) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes())?;
    encoder.finish()
}

fn zlib(text: &str) -> io::Result<Vec<u8>> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes())?;
    encoder.finish()
}

/// Reads hex pairs; blanks are ignored.
pub fn from_hex(hex: &str) -> io::Result<Vec<u8>> {
    let digits: Vec<u32> = hex
        .chars()
        .filter(|letter| !letter.is_whitespace())
        .map(|letter| letter.to_digit(16).ok_or_else(|| io::Error::other(format!("`{letter}` is no hex digit"))))
        .collect::<Result<_, _>>()?;
    digits
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => u8::try_from(high * 16 + low).map_err(io::Error::other),
            _ => Err(io::Error::other("an odd number of hex digits")),
        })
        .collect()
}

/// Whether a text fits a pattern, in which `*` stands for anything; letters of either case fit.
pub fn fits(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.to_lowercase(), text.to_lowercase());
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut left) = text.strip_prefix(first) else { return false };
    let mut pieces: Vec<&str> = rest.split('*').collect();
    let last = pieces.pop().unwrap_or_default();
    for piece in pieces {
        let Some(start) = left.find(piece) else { return false };
        left = &left[start + piece.len()..];
    }
    left.ends_with(last)
}

/// What the lab checks of this file by itself.
pub fn check() -> Result<(), String> {
    let rows = [
        ("GET /* HTTP/1.1\r\n", "GET /a b HTTP/1.1\r\n", true),
        ("host: *", "Host: x", true),
        ("a*b*c", "a-b-b-c", true),
        ("a*b*c", "a-c-b", false),
        ("abc", "abcd", false),
        ("*a", "a", true),
        ("a*a", "a", false),
    ];
    for (pattern, text, wanted) in rows {
        if fits(pattern, text) != wanted {
            return Err(format!("{pattern} against {text} is not {wanted}"));
        }
    }
    match (from_hex("0aF f "), from_hex("0"), from_hex("0x")) {
        (Ok(bytes), Err(_), Err(_)) if bytes == [0x0a, 0xff] => Ok(()),
        other => Err(format!("hex is read as {other:?}")),
    }
}
