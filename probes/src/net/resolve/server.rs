//! One question to one server over UDP, TCP, TLS or HTTPS. It waits as long as it is let: the lookup decides.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use hickory_proto::op::Message;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use tokio_rustls::client::TlsStream;

use super::lookup::Lookup;
use super::{Server, Settings, Trouble};
use crate::address::{Endpoint, Host as Target};
use crate::evidence;
use crate::fault::{Connect, Datagram, Failure, Fault, Resolve};
use crate::net::connect::{kernel_words, open};
use crate::net::message::{self, Received};
use crate::net::stream::Wire;
use crate::net::{Host, tls, udp};
use crate::secret::Secrets;

/// Behind the deadline of the lookup, so that it is the lookup that is out of time.
const LONGEST_HANDSHAKE: Duration = Duration::from_secs(60);

/// Answers over UDP without EDNS are 512 octets long at most; some servers do not keep to it.
const LARGEST_DATAGRAM: usize = 4096;

/// The largest DNS message there is.
const LARGEST_MESSAGE: usize = 65_535;

/// What an exchange with a server needs to know.
#[derive(Clone, Copy)]
pub(super) struct Exchange<'a> {
    pub(super) host: &'a Host,
    pub(super) settings: &'a Settings,
    pub(super) secrets: &'a Secrets,
    pub(super) started: SystemTime,
    pub(super) deadline: Instant,
}

impl Exchange<'_> {
    /// Asks and waits for the answer; answers to something else are ignored.
    pub(super) async fn with(&self, server: &Server, query: &Message) -> Result<Box<Message>, Trouble> {
        let bytes = query.to_vec().map_err(|error| Trouble::new(Resolve::InvalidName, error.to_string()))?;
        match server {
            Server::Udp(address) => {
                let message = self.udp(*address, &bytes, query).await?;
                if message.metadata.truncation { self.tcp(*address, &bytes, query).await } else { Ok(message) }
            }
            Server::Tcp(address) => self.tcp(*address, &bytes, query).await,
            Server::Tls(endpoint) => {
                let stream = self.encrypted(endpoint, &[]).await?;
                framed(stream, &bytes, query).await
            }
            Server::Https(url) => self.https(url, bytes, query).await,
        }
    }

    async fn udp(&self, address: SocketAddr, bytes: &[u8], query: &Message) -> Result<Box<Message>, Trouble> {
        // A server on this host is not behind the interface or the address that probes are bound to.
        let here = Host::default();
        let host = if address.ip().is_loopback() { &here } else { self.host };
        let failed = |failure: Failure<Datagram>| datagram_trouble(address, &failure);
        let socket = udp::open(host, address, None).map_err(failed)?;
        socket.send(bytes).await.map_err(|undelivered| failed(undelivered.failure))?;
        let mut buffer = vec![0; LARGEST_DATAGRAM];
        loop {
            let length = socket.receive(&mut buffer).await.map_err(|undelivered| failed(undelivered.failure))?;
            match message::read_datagram(&buffer[..length], query) {
                Received::Answer(message) => return Ok(message),
                Received::Foreign(what) => {
                    let what = what.words();
                    tracing::debug!(target: "conversation", "* name server {address} sent {what}; still waiting");
                }
                Received::Garbled(why) => {
                    let detail = format!("name server {address} sent what is no DNS message: {why}");
                    return Err(Trouble::new(Resolve::Malformed, detail));
                }
            }
        }
    }

    async fn tcp(&self, address: SocketAddr, bytes: &[u8], query: &Message) -> Result<Box<Message>, Trouble> {
        framed(self.connect(address).await?, bytes, query).await
    }

    async fn connect(&self, address: SocketAddr) -> Result<Wire, Trouble> {
        let stream = open(self.host, address, None, self.deadline).await.map_err(|failure| {
            let fault = match failure.fault {
                Fault::Connect(Connect::Refused) => Resolve::ServerRefused,
                Fault::Connect(Connect::HostUnreachable | Connect::NetworkUnreachable) => Resolve::ServerUnreachable,
                Fault::Connect(Connect::TimedOut) => Resolve::TimedOut,
                _ => Resolve::Socket,
            };
            Trouble { fault, detail: failure.detail, errno: failure.errno }
        })?;
        Ok(stream)
    }

    /// A TLS connection to a DoT or DoH server; its certificate is always verified.
    async fn encrypted(&self, endpoint: &Endpoint, alpn: &[&[u8]]) -> Result<TlsStream<Wire>, Trouble> {
        let address = match endpoint.host {
            Target::Address(ip) => SocketAddr::new(ip, endpoint.port),
            Target::Name(ref name) => SocketAddr::new(self.bootstrap(name).await?, endpoint.port),
        };
        let wire = self.connect(address).await?;
        let name = ServerName::try_from(endpoint.host.without_dot())
            .map_err(|error| Trouble::new(Resolve::InvalidName, error.to_string()))?;
        let anchors = self.settings.anchors.clone().unwrap_or_else(|| self.host.roots());
        let client = tls::Client::plain(anchors);
        let session = tls::Session::new(&client, self.host, name, self.started, alpn);
        // Whoever asks stops waiting by itself, long before this.
        let done = session.shake_hands(wire, self.deadline + LONGEST_HANDSHAKE, &Secrets::default()).await;
        done.result.map_err(|failure| {
            let fault =
                if matches!(failure.fault, Fault::Certificate(_)) { Resolve::Certificate } else { Resolve::Tls };
            Trouble { fault, detail: format!("name server {endpoint}: {}", failure.detail), errno: failure.errno }
        })
    }

    /// The address of a server that is given by name: from the hosts of the task, else from the system.
    async fn bootstrap(&self, name: &str) -> Result<std::net::IpAddr, Trouble> {
        let plain = Settings { family: self.settings.family, ..Settings::default() };
        let fixed = self.settings.hosts.get(name.trim_end_matches('.')).and_then(|addresses| addresses.first());
        if let Some(address) = fixed {
            return Ok(*address);
        }
        let mut unused = evidence::Dns::default();
        let lookup = Lookup::new(self.host, &plain, self.secrets, self.started, self.deadline);
        let addresses = Box::pin(lookup.addresses(name, &mut unused))
            .await
            .map_err(|trouble| Trouble { detail: format!("name server {name}: {}", trouble.detail), ..trouble })?;
        addresses
            .first()
            .copied()
            .ok_or_else(|| Trouble::new(Resolve::Nodata, format!("name server {name}: no address")))
    }

    async fn https(&self, url: &url::Url, bytes: Vec<u8>, query: &Message) -> Result<Box<Message>, Trouble> {
        let endpoint =
            Endpoint::of_url(url).ok_or_else(|| Trouble::new(Resolve::InvalidName, format!("{url} names no host")))?;
        let stream = self.encrypted(&endpoint, &[b"h2", b"http/1.1"]).await?;
        let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        let request = http::Request::post(url.as_str())
            .header(http::header::HOST, url.authority())
            .header(http::header::CONTENT_TYPE, message::MEDIA_TYPE)
            .header(http::header::ACCEPT, message::MEDIA_TYPE)
            .body(Full::new(Bytes::from(bytes)))
            .map_err(|error| Trouble::new(Resolve::InvalidName, error.to_string()))?;
        let response = if http2 { over_http2(stream, request).await } else { over_http1(stream, request, url).await }?;
        let (head, body) = response.into_parts();
        match message::read(&body, query) {
            Received::Answer(message) => whole(message),
            Received::Foreign(what) => {
                Err(Trouble::new(Resolve::Malformed, format!("the server answered with {}", what.words())))
            }
            Received::Garbled(why) => {
                let detail = why + &message::other_content_type(&head.headers, self.secrets);
                Err(Trouble::new(Resolve::Malformed, detail))
            }
        }
    }
}

async fn framed<S>(mut stream: S, bytes: &[u8], query: &Message) -> Result<Box<Message>, Trouble>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let closed = |error: io::Error| Trouble {
        fault: Resolve::ServerClosed,
        detail: format!("the name server ended the connection: {}", kernel_words(&error)),
        errno: error.raw_os_error(),
    };
    message::write_framed(&mut stream, bytes).await.map_err(closed)?;
    let mut heard = Vec::new();
    loop {
        while let Some(message) = message::take_framed(&mut heard) {
            match message::read(&message, query) {
                Received::Answer(message) => return whole(message),
                Received::Foreign(_) => {}
                Received::Garbled(why) => return Err(Trouble::new(Resolve::Malformed, why)),
            }
        }
        if stream.read_buf(&mut heard).await.map_err(closed)? == 0 {
            return Err(closed(io::ErrorKind::UnexpectedEof.into()));
        }
    }
}

async fn over_http1(
    stream: TlsStream<Wire>,
    mut request: http::Request<Full<Bytes>>,
    url: &url::Url,
) -> Result<http::Response<Bytes>, Trouble> {
    *request.uri_mut() = url[url::Position::BeforePath..].parse().unwrap_or_default();
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| broken(&error))?;
    finish(sender.send_request(request), connection).await
}

async fn over_http2(
    stream: TlsStream<Wire>,
    request: http::Request<Full<Bytes>>,
) -> Result<http::Response<Bytes>, Trouble> {
    let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .map_err(|error| broken(&error))?;
    finish(sender.send_request(request), connection).await
}

async fn finish(
    response: impl Future<Output = hyper::Result<http::Response<hyper::body::Incoming>>>,
    connection: impl Future<Output = hyper::Result<()>>,
) -> Result<http::Response<Bytes>, Trouble> {
    let answered = async {
        let response = response.await.map_err(|error| broken(&error))?;
        if response.status() != http::StatusCode::OK {
            return Err(Trouble::new(
                Resolve::HttpStatus,
                format!("the name server answered HTTP {}", response.status()),
            ));
        }
        let (head, body) = response.into_parts();
        let body = Limited::new(body, LARGEST_MESSAGE).collect().await;
        body.map(|body| http::Response::from_parts(head, body.to_bytes())).map_err(|error| {
            let fault = if error.is::<LengthLimitError>() { Resolve::Malformed } else { Resolve::ServerClosed };
            Trouble::new(fault, format!("the answer broke off: {error}"))
        })
    };
    let mut answered = std::pin::pin!(answered);
    tokio::select! {
        biased;
        done = &mut answered => done,
        // When the connection is over, the answer is either complete in memory or will never be.
        _ = connection => answered.await,
    }
}

/// What is truncated where there is room for all of it says nothing of what is missing.
fn whole(message: Box<Message>) -> Result<Box<Message>, Trouble> {
    if message.metadata.truncation {
        return Err(Trouble::new(Resolve::Malformed, "the name server truncated its answer over a stream"));
    }
    Ok(message)
}

fn broken(error: &hyper::Error) -> Trouble {
    let fault = if error.is_parse() { Resolve::Malformed } else { Resolve::ServerClosed };
    Trouble::new(fault, format!("the exchange with the name server broke off: {error}"))
}

fn datagram_trouble(address: SocketAddr, failure: &Failure<Datagram>) -> Trouble {
    let fault = match failure.fault {
        Datagram::PortUnreachable => Resolve::ServerRefused,
        Datagram::HostUnreachable
        | Datagram::NetworkUnreachable
        | Datagram::Prohibited
        | Datagram::TimeExceeded
        | Datagram::Icmp => Resolve::ServerUnreachable,
        Datagram::Socket | Datagram::Bind | Datagram::TooLarge | Datagram::Forbidden | Datagram::Other => {
            Resolve::Socket
        }
    };
    Trouble { fault, detail: format!("name server {address}: {}", failure.detail), errno: failure.errno }
}
