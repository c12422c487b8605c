//! A listening peer: what it is, where it listens, and what it heard.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use tokio::net::{TcpListener, TcpSocket, TcpStream, UdpSocket};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::certificates::{authority, pem};
use super::datagrams;
use super::dns::NameServer;
use super::files_v1::{Description, Service};
use super::icmp;
use super::places::Places;
use super::script::{self, Step};
use super::tls::{self, Tls};
use super::wire::{Record, Wire};
use super::zone::Zone;

/// A peer as a case file describes it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    #[serde(default, rename = "kind")]
    _kind: Kind,
    #[serde(default = "loopback", rename = "ip")]
    _ip: IpAddr,
    #[serde(rename = "port")]
    _port: Option<toml::Value>,
    /// What happens on every connection.
    #[serde(default)]
    script: Vec<Step>,
    /// What happens on each connection in turn; a further one is against the script.
    #[serde(default)]
    connections: Vec<Vec<Step>>,
    tls: Option<Tls>,
    /// What a name server knows.
    #[serde(default)]
    zone: Zone,
    /// A name server whose TCP port is closed.
    #[serde(default, rename = "udp_only")]
    _udp_only: bool,
    /// The status with which a DNS-over-HTTPS server answers everything.
    status: Option<u16>,
    /// What a host answers to echo requests.
    #[serde(default)]
    answers: Vec<icmp::Answer>,
    /// What an object storage has, and what goes wrong in it.
    #[serde(default)]
    service: Description,
}

/// What listens.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Kind {
    /// A scripted TCP peer.
    #[default]
    Tcp,
    /// A scripted UDP peer.
    Udp,
    /// A port on which nothing listens, kept so, over TCP and UDP.
    Closed,
    /// A port that does not answer: its queue is full.
    Stuck,
    /// A name server over UDP and TCP; with `tls` over TLS, and over HTTPS where its `alpn` has `h2`.
    Dns,
    /// A host that answers echo requests; its kernel does not.
    Icmp,
    /// An object storage with the files/v1 interface.
    #[serde(rename = "files_v1")]
    FilesV1,
}

/// What has to be known to listen, before places are filled.
#[derive(Debug, Deserialize)]
struct Where {
    #[serde(default)]
    kind: Kind,
    #[serde(default = "loopback")]
    ip: IpAddr,
    /// `{other.port}`: the port of another peer, on another address.
    port: Option<String>,
    #[serde(default)]
    udp_only: bool,
    tls: Option<Tls>,
}

fn loopback() -> IpAddr {
    Ipv4Addr::LOCALHOST.into()
}

impl Spec {
    /// A TCP peer that plays one script on every connection.
    pub fn scripted(script: Vec<Step>) -> Self {
        Self {
            _kind: Kind::Tcp,
            _ip: loopback(),
            _port: None,
            script,
            connections: Vec::new(),
            tls: None,
            zone: Zone::new(),
            _udp_only: false,
            status: None,
            answers: Vec::new(),
            service: Description::default(),
        }
    }
}

/// Sockets of a peer that do not answer yet.
enum Sockets {
    Tcp(TcpListener),
    Udp(UdpSocket),
    Closed { _socket: TcpSocket, _deaf: UdpSocket },
    Stuck { _listener: TcpListener, _queue: Vec<TcpStream> },
    Dns { udp: UdpSocket, tcp: TcpListener },
    UdpOnly { udp: UdpSocket, closed: TcpSocket },
    Icmp { raw: UdpSocket, own: IpAddr },
    FilesV1(TcpListener),
}

/// What one peer heard, connection by connection.
pub type Log = Arc<Mutex<Vec<Record>>>;

/// The peers of a case: first bound, then serving.
#[derive(Default)]
pub struct Peers {
    sockets: BTreeMap<String, Sockets>,
    logs: BTreeMap<String, Log>,
    services: BTreeMap<String, Arc<Service>>,
    tasks: JoinSet<()>,
}

impl Peers {
    /// Binds every peer and fills in its places; nothing is answered yet.
    pub async fn bind<'a>(
        peers: impl Iterator<Item = (&'a str, &'a toml::Value)>,
        places: &mut Places,
        folder: &std::path::Path,
    ) -> Result<Self, String> {
        let mut waiting: VecDeque<(&str, Where)> = VecDeque::new();
        for (name, value) in peers {
            let place = if value.is_array() { toml::Value::Table(toml::Table::new()) } else { value.clone() };
            let place: Where = place.try_into().map_err(|error| format!("peer {name}: {error}"))?;
            // Those that take over a port come after those whose port they take.
            if place.port.is_some() { waiting.push_back((name, place)) } else { waiting.push_front((name, place)) }
        }
        let mut bound = Self::default();
        for (name, place) in waiting {
            let port = match &place.port {
                Some(word) => places.fill(word)?.parse().map_err(|error| format!("peer {name}: {word}: {error}"))?,
                None => 0,
            };
            let (sockets, address) =
                listen(&place, port).await.map_err(|error| format!("peer {name} on {}: {error}", place.ip))?;
            places.set_peer(name, address);
            if let Some(tls) = &place.tls {
                describe_certificate(name, tls, places, folder)?;
            }
            bound.sockets.insert(name.to_owned(), sockets);
            bound.logs.insert(name.to_owned(), Log::default());
        }
        Ok(bound)
    }

    /// Starts to answer.
    pub fn serve(&mut self, name: &str, spec: &Spec) -> Result<(), String> {
        let acceptor = spec.tls.as_ref().map(Tls::acceptor).transpose()?;
        let sockets = self.sockets.remove(name).ok_or_else(|| format!("peer {name} is not bound"))?;
        let log = self.log(name)?;
        match sockets {
            Sockets::Tcp(listener) => {
                self.tasks.spawn(accept(listener, spec.clone(), acceptor, log));
            }
            Sockets::Udp(socket) => {
                self.tasks.spawn(datagrams::play(socket, spec.script.clone(), log));
            }
            Sockets::Dns { udp, tcp } => {
                let server = name_server(spec, &log);
                match acceptor {
                    Some(acceptor) => self.tasks.spawn(server.serve_encrypted(tcp, acceptor)),
                    None => self.tasks.spawn(server.serve(udp, tcp)),
                };
            }
            Sockets::UdpOnly { udp, closed } => {
                let server = name_server(spec, &log);
                self.tasks.spawn(async move {
                    let _closed = closed;
                    server.serve_udp(udp).await;
                });
            }
            Sockets::Icmp { raw, own } => {
                let record = Record::default();
                log.lock().unwrap_or_else(PoisonError::into_inner).push(record.clone());
                self.tasks.spawn(icmp::serve(raw, own, spec.answers.clone(), record));
            }
            Sockets::FilesV1(listener) => {
                let address = listener.local_addr().map_err(|error| error.to_string())?;
                let service = Arc::new(Service::new(&spec.service, address, acceptor.is_some())?);
                self.services.insert(name.to_owned(), Arc::clone(&service));
                self.tasks.spawn(accept_requests(listener, service, acceptor, log));
            }
            idle @ (Sockets::Closed { .. } | Sockets::Stuck { .. }) => {
                self.sockets.insert(name.to_owned(), idle);
            }
        }
        Ok(())
    }

    /// What a peer heard so far, in order of its connections.
    pub fn log(&self, name: &str) -> Result<Log, String> {
        self.logs.get(name).cloned().ok_or_else(|| format!("no peer {name}"))
    }

    /// What an object storage keeps, a line each.
    pub fn stored(&self, name: &str) -> Result<Vec<String>, String> {
        self.services.get(name).map(|service| service.stored()).ok_or_else(|| format!("{name} is no object storage"))
    }

    /// Every trouble the scripts met.
    pub fn troubles(&self) -> Vec<String> {
        let mut troubles = Vec::new();
        for (name, service) in &self.services {
            troubles.extend(service.troubles().into_iter().map(|trouble| format!("{name}: {trouble}")));
        }
        for (name, log) in &self.logs {
            for (index, record) in log.lock().unwrap_or_else(PoisonError::into_inner).iter().enumerate() {
                let record = record.lock().unwrap_or_else(PoisonError::into_inner);
                troubles.extend(
                    record.trouble.iter().map(|trouble| format!("{name}, connection {}: {trouble}", index + 1)),
                );
            }
        }
        troubles
    }
}

fn name_server(spec: &Spec, log: &Log) -> Arc<NameServer> {
    let record = Record::default();
    log.lock().unwrap_or_else(PoisonError::into_inner).push(record.clone());
    NameServer::new(spec.zone.clone(), spec.status, record)
}

/// `{name.sha256}`, `{name.spki}`, `{name.pem}`: what tasks name of a peer's certificate.
fn describe_certificate(name: &str, tls: &Tls, places: &mut Places, folder: &std::path::Path) -> Result<(), String> {
    use base64::prelude::{BASE64_STANDARD, Engine as _};

    let identity = authority().identity(&tls.certificate)?;
    let leaf = identity.chain.first().ok_or("an identity without certificate")?;
    let file = folder.join(format!("{name}.pem"));
    std::fs::write(&file, pem("CERTIFICATE", leaf)).map_err(|error| error.to_string())?;
    let facets = [
        ("sha256", tls::to_hex(&tls::sha256(leaf))),
        ("spki", BASE64_STANDARD.encode(tls::sha256(&identity.public_key))),
        ("pem", file.display().to_string()),
    ];
    for (facet, value) in facets {
        if name == "server" {
            places.set(facet, value.clone());
        }
        places.set(format!("{name}.{facet}"), value);
    }
    Ok(())
}

async fn listen(place: &Where, port: u16) -> io::Result<(Sockets, SocketAddr)> {
    let wanted = SocketAddr::new(place.ip, port);
    match place.kind {
        Kind::Tcp | Kind::FilesV1 => {
            let listener = TcpListener::bind(wanted).await?;
            let address = listener.local_addr()?;
            let sockets = if place.kind == Kind::Tcp { Sockets::Tcp } else { Sockets::FilesV1 };
            Ok((sockets(listener), address))
        }
        Kind::Udp => {
            let socket = UdpSocket::bind(wanted).await?;
            let address = socket.local_addr()?;
            Ok((Sockets::Udp(socket), address))
        }
        Kind::Closed => {
            // Bound and not listening: the kernel answers RST, and nobody else gets the port.
            let socket = socket_for(wanted)?;
            socket.bind(wanted)?;
            let address = socket.local_addr()?;
            // Connected to itself, it takes from nobody else: the kernel answers with ICMP.
            let deaf = UdpSocket::bind(address).await?;
            deaf.connect(address).await?;
            Ok((Sockets::Closed { _socket: socket, _deaf: deaf }, address))
        }
        Kind::Stuck => {
            let socket = socket_for(wanted)?;
            socket.bind(wanted)?;
            let listener = socket.listen(0)?;
            let address = listener.local_addr()?;
            Ok((Sockets::Stuck { _queue: fill_queue(address).await?, _listener: listener }, address))
        }
        Kind::Dns if place.udp_only => {
            let closed = socket_for(wanted)?;
            closed.bind(wanted)?;
            let address = closed.local_addr()?;
            Ok((Sockets::UdpOnly { udp: UdpSocket::bind(address).await?, closed }, address))
        }
        Kind::Icmp => Ok((Sockets::Icmp { raw: icmp::listen(place.ip)?, own: place.ip }, wanted)),
        Kind::Dns => {
            let tcp = TcpListener::bind(wanted).await?;
            let address = tcp.local_addr()?;
            Ok((Sockets::Dns { udp: UdpSocket::bind(address).await?, tcp }, address))
        }
    }
}

fn socket_for(address: SocketAddr) -> io::Result<TcpSocket> {
    if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }
}

/// Connects until nobody is let in any more.
async fn fill_queue(address: SocketAddr) -> io::Result<Vec<TcpStream>> {
    let mut queue = Vec::new();
    while let Ok(stream) = tokio::time::timeout(Duration::from_millis(100), TcpStream::connect(address)).await {
        queue.push(stream?);
    }
    Ok(queue)
}

async fn accept(listener: TcpListener, spec: Spec, acceptor: Option<TlsAcceptor>, log: Log) {
    // A peer that has nothing to say in its file still accepts: it is silent.
    let mut connections = JoinSet::new();
    for index in 0.. {
        let Ok((stream, _)) = listener.accept().await else { return };
        let record = Record::default();
        log.lock().unwrap_or_else(PoisonError::into_inner).push(record.clone());
        let mut wire = Wire::new(stream, record);
        let script = match spec.connections.get(index) {
            Some(script) => script.clone(),
            None if spec.connections.is_empty() => spec.script.clone(),
            None => {
                wire.note("was not expected".to_owned());
                wire.reset();
                continue;
            }
        };
        let acceptor = acceptor.clone();
        connections.spawn(async move {
            let at_once = !script.iter().any(|step| matches!(step, Step::Starttls));
            if let Some(acceptor) = acceptor.as_ref().filter(|_| at_once)
                && wire.encrypt(acceptor).await.is_err()
            {
                return;
            }
            script::play(wire, &script, acceptor.as_ref()).await;
        });
    }
}

async fn accept_requests(listener: TcpListener, service: Arc<Service>, acceptor: Option<TlsAcceptor>, log: Log) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let record = Record::default();
        log.lock().unwrap_or_else(PoisonError::into_inner).push(record.clone());
        let (service, acceptor) = (Arc::clone(&service), acceptor.clone());
        connections.spawn(async move {
            match acceptor {
                None => service.converse(stream, record).await,
                Some(acceptor) => {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        service.converse(stream, record).await;
                    }
                }
            }
        });
    }
}
