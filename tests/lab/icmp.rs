//! A host that answers echo requests by script: late, twice, changed, from elsewhere, or with an error.
//!
//! It listens on a raw socket of the case's own namespace, whose kernel is told not to answer. Every request gets all
//! the answers of the list that are for its number; an empty list is silence.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;

use super::script::Span;
use super::wire::Record;

/// One answer to a request.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// The first and the last request that get it; all, if absent.
    requests: Option<[usize; 2]>,
    /// How long after the request.
    after: Option<Span>,
    /// How often.
    #[serde(default = "once")]
    times: usize,
    /// From which address, in the place of the peer's own.
    from: Option<IpAddr>,
    /// What becomes of the data: `changed` in its last byte, `renumbered` in its first, `cut`, `longer` or `empty`.
    data: Option<String>,
    /// With a wrong checksum (IPv4).
    #[serde(default)]
    bad_checksum: bool,
    /// With another identifier.
    #[serde(default)]
    other_identifier: bool,
    /// With another sequence number.
    #[serde(default)]
    other_sequence: bool,
    /// An ICMP error of this type and code that quotes the request, in the place of a reply.
    error: Option<[u8; 2]>,
    /// The word in the header of an error, such as the MTU.
    #[serde(default)]
    word: u32,
    /// What becomes of the quoted request: `cut`, `other_destination`, `other_identifier`, `other_protocol`.
    quote: Option<String>,
    /// Bytes in hex instead of all that, from the ICMP header on.
    hex: Option<String>,
}

const fn once() -> usize {
    1
}

/// A socket that hears the requests to one address; the kernel of this namespace answers none from now on.
pub fn listen(address: IpAddr) -> io::Result<UdpSocket> {
    for switch in ["ipv4/icmp_echo_ignore_all", "ipv6/icmp/echo_ignore_all"] {
        std::fs::write(format!("/proc/sys/net/{switch}"), "1")?;
    }
    let socket = raw(address)?;
    socket.set_recv_buffer_size(4 * 1024 * 1024)?;
    // tokio has no raw sockets, and needs to know no more of one than that it has messages with addresses.
    UdpSocket::from_std(socket.into())
}

fn raw(address: IpAddr) -> io::Result<Socket> {
    let (domain, protocol) = match address {
        IpAddr::V4(_) => (Domain::IPV4, Protocol::ICMPV4),
        IpAddr::V6(_) => (Domain::IPV6, Protocol::ICMPV6),
    };
    let socket = Socket::new(domain, Type::RAW.nonblocking(), Some(protocol))?;
    match address {
        IpAddr::V4(_) => socket.set_freebind_v4(true)?,
        IpAddr::V6(_) => socket.set_freebind_v6(true)?,
    }
    socket.bind(&SocketAddr::new(address, 0).into())?;
    Ok(socket)
}

/// Answers until it is dropped.
pub async fn serve(socket: UdpSocket, own: IpAddr, answers: Vec<Answer>, record: Record) {
    let answers = Arc::new(answers);
    let mut buffer = vec![0; 65_536];
    let mut number = 0;
    while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
        let Some(request) = Request::read(&buffer[..length], own, from.ip()) else { continue };
        number += 1;
        record.lock().unwrap_or_else(PoisonError::into_inner).bytes.extend(request.words().bytes());
        for answer in answers.iter().filter(|answer| answer.is_for(number)) {
            let (answer, request, record) = (answer.clone(), request.clone(), Arc::clone(&record));
            tokio::spawn(async move {
                tokio::time::sleep(answer.after.map_or(Duration::ZERO, |span| span.0)).await;
                if let Err(error) = answer.send(&request) {
                    record.lock().unwrap_or_else(PoisonError::into_inner).trouble = Some(error.to_string());
                }
            });
        }
    }
}

/// An echo request.
#[derive(Clone, Debug)]
struct Request {
    own: IpAddr,
    from: IpAddr,
    /// TTL and "don't fragment", as far as the socket shows them.
    marks: Option<(u8, bool)>,
    message: Vec<u8>,
}

impl Request {
    fn read(packet: &[u8], own: IpAddr, from: IpAddr) -> Option<Self> {
        let (message, kind, marks) = match own {
            IpAddr::V4(_) => {
                let header = usize::from(packet.first()? & 0xf) * 4;
                (packet.get(header..)?, 8, Some((packet[8], packet[6] & 0x40 != 0)))
            }
            IpAddr::V6(_) => (packet, 128, None),
        };
        (message.first() == Some(&kind) && message.len() >= 8).then(|| Self {
            own,
            from,
            marks,
            message: message.to_vec(),
        })
    }

    fn words(&self) -> String {
        let marks = self.marks.map(|(ttl, whole)| format!(", ttl {ttl}{}", if whole { ", df" } else { "" }));
        format!("{} bytes from {}{}\n", self.message.len() - 8, self.from, marks.unwrap_or_default())
    }
}

impl Answer {
    fn is_for(&self, number: usize) -> bool {
        self.requests.is_none_or(|[first, last]| (first..=last).contains(&number))
    }

    fn send(&self, request: &Request) -> io::Result<()> {
        let mut message = match (&self.hex, self.error) {
            (Some(hex), _) => {
                let digits: Vec<u32> = hex.chars().filter_map(|letter| letter.to_digit(16)).collect();
                digits.chunks(2).filter_map(|pair| u8::try_from(pair[0] << 4 | pair[1]).ok()).collect()
            }
            (None, Some(error)) => self.error(request, error),
            (None, None) => self.reply(request),
        };
        if request.own.is_ipv4() && self.hex.is_none() {
            message[2..4].fill(0);
            let sum = checksum(&message) ^ u16::from(self.bad_checksum);
            message[2..4].copy_from_slice(&sum.to_be_bytes());
        }
        let socket = raw(self.from.unwrap_or(request.own))?;
        for _ in 0..self.times {
            socket.send_to(&message, &SocketAddr::new(request.from, 0).into())?;
        }
        Ok(())
    }

    fn reply(&self, request: &Request) -> Vec<u8> {
        let mut message = request.message.clone();
        message[0] = if request.own.is_ipv4() { 0 } else { 129 };
        message[4] ^= u8::from(self.other_identifier);
        message[6] ^= u8::from(self.other_sequence);
        match self.data.as_deref() {
            Some("changed") => *message.last_mut().expect("a header at least") ^= 1,
            Some("renumbered") => message[8] ^= 1,
            Some("cut") => drop(message.pop()),
            Some("longer") => message.push(0),
            Some("empty") => message.truncate(8),
            _ => {}
        }
        message
    }

    fn error(&self, request: &Request, [kind, code]: [u8; 2]) -> Vec<u8> {
        let mut quoted = header(request);
        if self.quote.as_deref() == Some("other_destination") {
            *quoted.last_mut().expect("a header") ^= 1;
        }
        if self.quote.as_deref() == Some("other_protocol") {
            quoted[if request.own.is_ipv4() { 9 } else { 6 }] = 17;
        }
        quoted.extend(&request.message[..request.message.len().min(64)]);
        let begin = quoted.len() - request.message.len().min(64);
        match self.quote.as_deref() {
            Some("cut") => quoted.truncate(begin + 4),
            Some("other_identifier") => quoted[begin + 4] ^= 1,
            _ => {}
        }
        let mut message = vec![kind, code, 0, 0];
        message.extend(self.word.to_be_bytes());
        message.extend(quoted);
        message
    }
}

/// The IP header of a request, as far as errors quote what matters.
fn header(request: &Request) -> Vec<u8> {
    match (request.from, request.own) {
        (IpAddr::V4(from), IpAddr::V4(own)) => {
            let mut header = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, 1, 0, 0];
            header[3] = u8::try_from(20 + request.message.len()).unwrap_or(u8::MAX);
            header.extend(from.octets());
            header.extend(own.octets());
            header
        }
        (IpAddr::V6(from), IpAddr::V6(own)) => {
            let mut header = vec![0x60, 0, 0, 0, 0, 0, 58, 64];
            header[5] = u8::try_from(request.message.len()).unwrap_or(u8::MAX);
            header.extend(from.octets());
            header.extend(own.octets());
            header
        }
        _ => unreachable!("a request has one version of IP"),
    }
}

fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(u16::MAX)
}
