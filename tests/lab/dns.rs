//! Name servers that answer by script: UDP and TCP on one port, or DNS over TLS (RFC 7858) or HTTPS (RFC 8484).

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use bytes::Bytes;
use hickory_proto::op::{Edns, Message, MessageType, Query, ResponseCode};
use hickory_proto::rr::rdata::{CNAME, TXT};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio_rustls::TlsAcceptor;

use super::records;
use super::script::{Span, from_hex};
use super::wire::Record as Heard;
use super::zone::{Answer, Wrong, Zone};

/// How a query came.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    Udp,
    Tcp,
    Tls,
    Https,
}

/// One name server.
pub struct NameServer {
    zone: Zone,
    status: Option<u16>,
    heard: Heard,
    asked: AtomicU32,
}

impl NameServer {
    /// A name server that knows a zone; over HTTPS it may answer everything with a status.
    pub fn new(zone: Zone, status: Option<u16>, heard: Heard) -> Arc<Self> {
        Arc::new(Self { zone, status, heard, asked: AtomicU32::new(0) })
    }

    /// Answers on both sockets until dropped.
    pub async fn serve(self: Arc<Self>, udp: UdpSocket, tcp: TcpListener) {
        tokio::join!(Arc::clone(&self).serve_udp(udp), self.serve_tcp(tcp));
    }

    /// Answers over TLS, or over HTTPS where ALPN agrees on `h2`.
    pub async fn serve_encrypted(self: Arc<Self>, listener: TcpListener, acceptor: TlsAcceptor) {
        while let Ok((stream, _)) = listener.accept().await {
            let (server, acceptor) = (Arc::clone(&self), acceptor.clone());
            tokio::spawn(async move {
                let stream = acceptor.accept(stream).await?;
                if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
                    server.serve_https(stream).await.map_err(io::Error::other)
                } else {
                    server.serve_stream(stream, Way::Tls).await
                }
            });
        }
    }

    /// Answers over UDP alone.
    pub async fn serve_udp(self: Arc<Self>, socket: UdpSocket) {
        let socket = Arc::new(socket);
        let mut buffer = vec![0; 4096];
        while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
            let (server, socket, query) = (Arc::clone(&self), Arc::clone(&socket), buffer[..length].to_vec());
            tokio::spawn(async move { server.answer_datagram(&socket, &query, from).await });
        }
    }

    async fn answer_datagram(&self, socket: &UdpSocket, query: &[u8], from: SocketAddr) {
        for message in self.answers(query, Way::Udp).await {
            let _ = socket.send_to(&message, from).await;
        }
        while self.wrong(query) == Some(Wrong::IdFlood) {
            for message in self.answers(query, Way::Udp).await {
                let _ = socket.send_to(&message, from).await;
            }
        }
    }

    async fn serve_tcp(self: Arc<Self>, listener: TcpListener) {
        while let Ok((mut stream, _)) = listener.accept().await {
            let server = Arc::clone(&self);
            tokio::spawn(async move {
                let ended = server.serve_stream(&mut stream, Way::Tcp).await;
                if ended.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionReset) {
                    let _ = stream.set_zero_linger();
                }
            });
        }
    }

    /// Answers messages that are preceded by their length, until one is to be answered by the end.
    async fn serve_stream<S: AsyncRead + AsyncWrite + Unpin>(&self, mut stream: S, way: Way) -> io::Result<()> {
        loop {
            let length = stream.read_u16().await?;
            let mut query = vec![0; length.into()];
            stream.read_exact(&mut query).await?;
            let wrong = self.wrong(&query);
            match wrong {
                Some(Wrong::End | Wrong::TruncatedThenEnd) => return stream.shutdown().await,
                Some(Wrong::TruncatedThenReset) => return Err(io::ErrorKind::ConnectionReset.into()),
                Some(Wrong::TruncatedThenSilence) => std::future::pending().await,
                _ => {}
            }
            for message in self.answers(&query, way).await {
                let length = u16::try_from(message.len()).map_err(io::Error::other)?;
                let halved = matches!(wrong, Some(Wrong::Half | Wrong::TruncatedThenHalf | Wrong::TruncatedThenStall));
                let half = if halved { message.len() / 2 } else { message.len() };
                stream.write_all(&[&length.to_be_bytes(), &message[..half]].concat()).await?;
                stream.flush().await?;
            }
            match wrong {
                Some(Wrong::Half | Wrong::TruncatedThenHalf) => return stream.shutdown().await,
                Some(Wrong::TruncatedThenStall) => std::future::pending().await,
                _ => {}
            }
        }
    }

    async fn serve_https<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S) -> Result<(), h2::Error> {
        let mut connection = h2::server::handshake(stream).await?;
        while let Some(request) = connection.accept().await {
            let (request, mut respond) = request?;
            let query = doh_query(request, &mut connection).await?;
            let status = self.status.unwrap_or(200);
            let response = http::Response::builder().status(status).header("content-type", "application/dns-message");
            let response = response.body(()).map_err(|_| h2::Error::from(h2::Reason::INTERNAL_ERROR))?;
            let mut body = respond.send_response(response, false)?;
            let answer = self.answers(&query, Way::Https).await.pop().unwrap_or_default();
            body.send_data(answer.into(), true)?;
        }
        Ok(())
    }

    fn find(&self, query: &Query) -> Option<&Answer> {
        self.zone.get(&plain_name(&query.name))
    }

    fn wrong(&self, query: &[u8]) -> Option<Wrong> {
        let message = Message::from_vec(query).ok()?;
        self.find(message.queries.first()?)?.wrong
    }

    /// What is sent back for one query: nothing, one message or several.
    async fn answers(&self, query: &[u8], way: Way) -> Vec<Vec<u8>> {
        let Ok(message) = Message::from_vec(query) else { return Vec::new() };
        let Some(question) = message.queries.first() else { return Vec::new() };
        let line = format!("{way:?} {} {}\n", question.query_type, plain_name(&question.name));
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).bytes.extend_from_slice(line.as_bytes());

        let known = self.find(question);
        if let Some(Span(delay)) = known.and_then(|answer| answer.delay) {
            tokio::time::sleep(delay).await;
        }
        if let Some(known) = known {
            if known.silent.as_deref() == Some(question.query_type.to_string().as_str()) {
                return Vec::new();
            }
            if self.asked.fetch_add(1, Ordering::Relaxed) < known.lost {
                return Vec::new();
            }
            if known.no_edns && message.edns.is_some() {
                let refused = Message::error_msg(message.metadata.id, message.metadata.op_code, ResponseCode::FormErr);
                return refused.to_vec().into_iter().collect();
            }
            if let Some(raw) = known.raw.as_deref().and_then(|raw| from_hex(raw).ok()) {
                return vec![[&message.metadata.id.to_be_bytes(), raw.as_slice()].concat()];
            }
        }
        let right = self.right(&message, question);
        let cut = |right: Message| {
            let mut cut = right.truncate();
            cut.metadata.truncation = true;
            cut
        };
        let messages = match known.and_then(|answer| answer.wrong) {
            Some(Wrong::Silence) => Vec::new(),
            Some(Wrong::Garbage) => return vec![garbage(&message)],
            Some(Wrong::TruncatedThenGarbage) if way == Way::Tcp => return vec![garbage(&message)],
            Some(Wrong::TruncatedThenId) if way == Way::Tcp => vec![with_other_id(right)],
            Some(Wrong::TruncatedEverywhere) => vec![cut(right)],
            Some(Wrong::Id | Wrong::IdFlood) => vec![with_other_id(right)],
            Some(Wrong::IdFirst) => vec![with_other_id(elsewhere(right.clone(), question)), right],
            Some(Wrong::Question) => vec![with_other_question(right)],
            Some(Wrong::QuestionFirst) => vec![with_other_question(elsewhere(right.clone(), question)), right],
            Some(Wrong::Echo) => vec![message],
            None | Some(Wrong::End | Wrong::Half) => vec![right],
            // The others are truncated over UDP, and go wrong elsewhere or not at all.
            Some(_) if way == Way::Udp => vec![cut(right)],
            Some(_) => vec![right],
        };
        messages.iter().filter_map(|message| message.to_vec().ok()).collect()
    }

    /// The answer by the zone.
    fn right(&self, message: &Message, question: &Query) -> Message {
        let mut answer = Message::response(message.metadata.id, message.metadata.op_code);
        answer.metadata.recursion_desired = message.metadata.recursion_desired;
        answer.metadata.recursion_available = true;
        answer.add_query(question.clone());
        let Some(known) = self.find(question) else {
            answer.metadata.response_code = ResponseCode::NXDomain;
            return answer;
        };
        let rcode = match question.query_type {
            RecordType::AAAA => known.aaaa_rcode.or(known.rcode),
            _ => known.rcode,
        };
        if let Some(rcode) = rcode {
            answer.metadata.response_code = ResponseCode::from(0, rcode as u8);
            return answer;
        }
        answer.add_answers(self.records(question.name.clone(), question.query_type));
        script(known, question, &mut answer);
        answer
    }

    fn records(&self, name: Name, wanted: RecordType) -> Vec<Record> {
        let Some(known) = self.zone.get(&plain_name(&name)) else { return Vec::new() };
        let Some(alias) = known.cname.as_deref().and_then(|alias| Name::from_ascii(format!("{alias}.")).ok()) else {
            return known.addresses.iter().filter_map(|ip| address_record(&name, *ip, wanted)).collect();
        };
        let mut records = vec![Record::from_rdata(name, 60, RData::CNAME(CNAME(alias.clone())))];
        if known.whole_chain {
            records.extend(self.records(alias, wanted));
        }
        records
    }
}

/// What the zone says of an answer word by word.
fn script(known: &Answer, question: &Query, answer: &mut Message) {
    let lines = |lines: &[String]| -> Vec<Record> {
        let record = |line: &String| records::record(line).unwrap_or_else(|error| panic!("{error}"));
        lines.iter().map(record).collect()
    };
    answer.add_answers(lines(&known.records));
    answer.add_authorities(lines(&known.authorities));
    if let Some(count) = known.text_strings {
        let strings = vec![[b'x'; 255].as_slice(); count];
        answer.add_answer(Record::from_rdata(question.name.clone(), 60, RData::TXT(TXT::from_bytes(strings))));
    }
    answer.metadata.authoritative = known.flags.iter().any(|flag| flag == "aa");
    answer.metadata.authentic_data = known.flags.iter().any(|flag| flag == "ad");
    answer.metadata.checking_disabled = known.flags.iter().any(|flag| flag == "cd");
    if let Some(number) = known.rcode_number {
        answer.metadata.response_code = number.into();
        if number > 15 {
            answer.set_edns(Edns::new());
        }
    }
}

/// The message of a DoH request, from its body or from the `dns` parameter of its path.
///
/// A body comes only while the connection is driven, which is what accepting the next request does.
async fn doh_query<S: AsyncRead + AsyncWrite + Unpin>(
    request: http::Request<h2::RecvStream>,
    connection: &mut h2::server::Connection<S, Bytes>,
) -> Result<Vec<u8>, h2::Error> {
    if let Some(text) = request.uri().query().and_then(|query| query.strip_prefix("dns=")) {
        return Ok(BASE64_URL_SAFE_NO_PAD.decode(text).unwrap_or_default());
    }
    let mut body = request.into_body();
    let read = async {
        let mut message = Vec::new();
        while let Some(data) = body.data().await {
            message.extend_from_slice(&data?);
        }
        Ok(message)
    };
    drive(read, connection).await
}

async fn drive<S: AsyncRead + AsyncWrite + Unpin>(
    read: impl Future<Output = Result<Vec<u8>, h2::Error>>,
    connection: &mut h2::server::Connection<S, Bytes>,
) -> Result<Vec<u8>, h2::Error> {
    tokio::select! {
        message = read => message,
        closed = std::future::poll_fn(|context| connection.poll_closed(context)) => closed.map(|()| Vec::new()),
    }
}

fn address_record(name: &Name, ip: IpAddr, wanted: RecordType) -> Option<Record> {
    match (ip, wanted) {
        (IpAddr::V4(ip), RecordType::A) => Some(Record::from_rdata(name.clone(), 60, RData::A(ip.into()))),
        (IpAddr::V6(ip), RecordType::AAAA) => Some(Record::from_rdata(name.clone(), 60, RData::AAAA(ip.into()))),
        _ => None,
    }
}

fn plain_name(name: &Name) -> String {
    name.to_ascii().trim_end_matches('.').to_ascii_lowercase()
}

fn with_other_id(mut message: Message) -> Message {
    message.metadata.id = message.metadata.id.wrapping_add(1);
    message
}

fn with_other_question(mut message: Message) -> Message {
    for query in &mut message.queries {
        if let Ok(name) = Name::from_ascii("somebody.else.test.") {
            query.set_name(name);
        }
    }
    message
}

/// The same answer with an address that nobody listens on.
fn elsewhere(mut message: Message, question: &Query) -> Message {
    message.answers.clear();
    message.answers.extend(address_record(&question.name, IpAddr::from([127, 0, 0, 66]), question.query_type));
    message
}

/// The header of a response that announces records, and then no records.
fn garbage(query: &Message) -> Vec<u8> {
    debug_assert_eq!(query.metadata.message_type, MessageType::Query);
    let mut bytes = query.metadata.id.to_be_bytes().to_vec();
    bytes.extend([0x81, 0x80, 0, 1, 0, 7, 0, 0, 0, 0]);
    bytes.extend([0xff; 9]);
    bytes
}

/// What the lab checks of this file by itself: a lookup over UDP and, after truncation, over TCP.
pub async fn check() -> Result<(), String> {
    let words = |error: io::Error| error.to_string();
    let mut zone = Zone::new();
    let addresses = vec![IpAddr::from([127, 0, 0, 9])];
    zone.insert("big.test".to_owned(), Answer { addresses, wrong: Some(Wrong::Truncated), ..Answer::default() });
    let tcp = TcpListener::bind("127.0.0.1:0").await.map_err(words)?;
    let address = tcp.local_addr().map_err(words)?;
    let udp = UdpSocket::bind(address).await.map_err(words)?;
    let server = tokio::spawn(NameServer::new(zone, None, Heard::default()).serve(udp, tcp));

    let mut query = Message::query();
    let name = Name::from_ascii("big.test.").map_err(|error| error.to_string())?;
    query.add_query(Query::query(name, RecordType::A));
    let query = query.to_vec().map_err(|error| error.to_string())?;
    let client = UdpSocket::bind("127.0.0.1:0").await.map_err(words)?;
    client.send_to(&query, address).await.map_err(words)?;
    let mut buffer = vec![0; 512];
    let length = tokio::time::timeout(Duration::from_secs(2), client.recv(&mut buffer)).await;
    let length = length.map_err(|_| "no answer over UDP")?.map_err(words)?;
    let short = Message::from_vec(&buffer[..length]).map_err(|error| error.to_string())?;

    let mut stream = TcpStream::connect(address).await.map_err(words)?;
    let prefix = u16::try_from(query.len()).map_err(|error| error.to_string())?.to_be_bytes();
    stream.write_all(&[prefix.as_slice(), &query].concat()).await.map_err(words)?;
    let length = stream.read_u16().await.map_err(words)?;
    let mut buffer = vec![0; length.into()];
    stream.read_exact(&mut buffer).await.map_err(words)?;
    let whole = Message::from_vec(&buffer).map_err(|error| error.to_string())?;
    server.abort();
    match (short.metadata.truncation, short.answers.len(), whole.metadata.truncation, whole.answers.len()) {
        (true, 0, false, 1) => Ok(()),
        other => Err(format!("TC, records over UDP and TCP: {other:?}")),
    }
}
