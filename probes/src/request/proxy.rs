//! A tunnel through an HTTP proxy by CONNECT (RFC 9110 section 9.3.6).
//!
//! The proxy is resolved, judged and connected to like a hop. Where the policy denies anything, the target is
//! resolved and judged here and CONNECT names the judged address, so that the proxy cannot be sent inside.

use std::net::SocketAddr;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{Fault, Unwanted, unwanted};
use crate::address::Endpoint;
use crate::exchange::describe;
use crate::fault::Failure;
use crate::net::Attempt;
use crate::net::stream::{Stream, show};
use crate::phases::Phase;
use crate::secret::Secret;

/// A proxy's answer to CONNECT may be this long.
const LARGEST_HEAD: usize = 256 * 1024;

/// How many interim responses may come before it.
const MOST_INTERIM: usize = 16;

/// How many fields such an answer may have.
const MOST_FIELDS: usize = 256;

/// An HTTP proxy.
#[derive(Clone, Debug)]
pub struct Proxy {
    /// Where it listens.
    pub endpoint: Endpoint,
    /// The value of Proxy-Authorization.
    pub authorization: Option<Secret>,
}

impl Proxy {
    /// Opens a connection to `target` through the proxy; its time belongs to the phase connect.
    pub(super) async fn tunnel(&self, attempt: &mut Attempt<'_>, target: &Endpoint) -> Result<Stream, Failure<Fault>> {
        let authority = authority(attempt, target).await?;
        let addresses = attempt.resolve(&self.endpoint).await.map_err(|failure| self.leg(failure))?;
        let mut stream = attempt.connect(&addresses).await.map_err(|failure| self.leg(failure))?;
        let begun = attempt.enter(Phase::Connect);
        tracing::debug!(target: "conversation", "> CONNECT {authority}");
        let status = attempt.within_setup(self.ask(&mut stream, &authority)).await;
        attempt.leave(Phase::Connect, begun);
        let head = match status {
            None | Some(Err(Broke::Io)) => {
                let tap = stream.tap();
                let begun = tap.application().received > 0;
                let failure = attempt.receive_failure(&tap, begun);
                return Err(self.leg(failure));
            }
            Some(Err(Broke::Malformed(first))) => {
                let detail = format!(
                    "the proxy {} answered CONNECT with {}",
                    self.endpoint,
                    show(&attempt.conditions.secrets, &first)
                );
                return Err(unwanted(Unwanted::ProxyMalformed, detail));
            }
            Some(Ok(answered)) => answered,
        };
        let (status, head) = head;
        tracing::debug!(target: "conversation", "< {status} from the proxy {}", self.endpoint);
        if !status.is_success() {
            let (version, fields) = version_and_fields(&head);
            attempt.evidence.http = Some(describe(attempt, status.as_u16(), version, &fields));
            let detail = format!("the proxy {} refused the tunnel to {authority} with {status}", self.endpoint);
            return Err(Failure { fault: Fault::ProxyStatus(status.as_u16()), detail, errno: None });
        }
        // What was said to the proxy is no part of the exchange with the target.
        match stream.into_wire() {
            Some(wire) => Ok(Stream::plain(wire)),
            None => Err(unwanted(Unwanted::ProxyMalformed, "the connection to the proxy is encrypted")),
        }
    }

    fn leg(&self, failure: Failure) -> Failure<Fault> {
        let mut failure = failure.map(Fault::Proxy);
        failure.detail = format!("proxy {}: {}", self.endpoint, failure.detail);
        failure
    }

    /// Asks for the tunnel, and reads the head of the answer.
    async fn ask(&self, stream: &mut Stream, authority: &str) -> Result<(StatusCode, Vec<u8>), Broke> {
        let mut request = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n");
        if let Some(authorization) = &self.authorization {
            request.push_str(&format!("Proxy-Authorization: {}\r\n", authorization.expose()));
        }
        request.push_str("\r\n");
        stream.write_all(request.as_bytes()).await.map_err(|_| Broke::Io)?;
        for _ in 0..=MOST_INTERIM {
            let head = read_head(stream).await?;
            let status = parse(&head)?.and_then(|status| StatusCode::from_u16(status).ok());
            match status.map(|status| (status, status.as_u16() / 100)) {
                // Interim responses come before the one that counts; 101 is none of them.
                Some((status, 1)) if status != StatusCode::SWITCHING_PROTOCOLS => {}
                Some((status, 2..=5)) => return Ok((status, head)),
                Some(_) | None => return Err(Broke::Malformed(head)),
            }
        }
        Err(Broke::Malformed(b"interim responses without end".to_vec()))
    }
}

/// The status of a head; `None` while it is not complete.
fn parse(head: &[u8]) -> Result<Option<u16>, Broke> {
    let mut fields = [httparse::EMPTY_HEADER; MOST_FIELDS];
    let mut response = httparse::Response::new(&mut fields);
    match response.parse(head) {
        Ok(httparse::Status::Complete(_)) => Ok(response.code),
        Ok(httparse::Status::Partial) => Ok(None),
        Err(_) => Err(Broke::Malformed(head.to_vec())),
    }
}

/// The version and the fields of a head that is complete.
fn version_and_fields(head: &[u8]) -> (&'static str, HeaderMap) {
    let mut fields = [httparse::EMPTY_HEADER; MOST_FIELDS];
    let mut response = httparse::Response::new(&mut fields);
    // It was parsed before, for its status.
    let _ = response.parse(head);
    let field = |field: &httparse::Header<'_>| {
        let name = HeaderName::from_bytes(field.name.as_bytes()).ok()?;
        Some((name, HeaderValue::from_bytes(field.value).ok()?))
    };
    let version = if response.version == Some(0) { "1.0" } else { "1.1" };
    (version, response.headers.iter().filter_map(field).collect())
}

/// Why there is no status of the proxy.
enum Broke {
    /// The tap knows.
    Io,
    /// It said something else.
    Malformed(Vec<u8>),
}

/// What CONNECT asks for: the judged address where the policy may forbid any, else the target as it is.
async fn authority(attempt: &mut Attempt<'_>, target: &Endpoint) -> Result<String, Failure<Fault>> {
    if target.literal().is_none() && !attempt.host.policy.may_forbid(attempt.conditions.demand) {
        return Ok(target.to_string());
    }
    let addresses = attempt.resolve(target).await.map_err(|failure| failure.map(Fault::Net))?;
    Ok(addresses.first().map_or_else(|| target.to_string(), SocketAddr::to_string))
}

/// Where an empty line ends the head, if one does; up to `known` it was looked for already. Lines may end with LF alone.
fn end_of_head(head: &[u8], known: usize) -> Option<usize> {
    const BEFORE: usize = 2;
    let from = known.saturating_sub(BEFORE);
    memchr::memchr_iter(b'\n', &head[from..]).map(|at| from + at + 1).find_map(|at| match &head[at..] {
        [b'\n', ..] => Some(at + 1),
        [b'\r', b'\n', ..] => Some(at + 2),
        _ => None,
    })
}

/// Reads exactly the head, so that nothing of the tunnel is lost: what lies behind it stays in the socket.
async fn read_head(stream: &mut Stream) -> Result<Vec<u8>, Broke> {
    let mut head = Vec::new();
    let mut ahead = [0; 2048];
    let tap = stream.tap();
    loop {
        let seen = tap.peek(&mut ahead).await.map_err(|_| Broke::Io)?;
        let before = head.len();
        head.extend_from_slice(&ahead[..seen]);
        let end = end_of_head(&head, before);
        let taken = end.unwrap_or(head.len()) - before;
        // Also at the end of the connection, so that the tap sees it.
        let mut now = vec![0; taken.max(1)];
        if seen == 0 {
            let _ = stream.read(&mut now).await;
            return if head.is_empty() { Err(Broke::Io) } else { Err(Broke::Malformed(head)) };
        }
        stream.read_exact(&mut now).await.map_err(|_| Broke::Io)?;
        if let Some(end) = end {
            head.truncate(end);
            return Ok(head);
        }
        // What cannot become a response is not waited for to its end.
        parse(&head)?;
        if head.len() > LARGEST_HEAD {
            return Err(Broke::Malformed(head));
        }
    }
}
