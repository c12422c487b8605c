//! ICMP on the wire: echo requests out, echo replies and errors in (RFC 792, RFC 4443).
//!
//! Looked at in this order: the lengths, the checksum (ICMPv6's is the kernel's business), the type, and for an error
//! the packet that it quotes, which says whose request it answers. What is neither a reply nor an error is nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Type, code, checksum, identifier, sequence number.
pub(super) const HEADER: usize = 8;

pub(super) const ECHO_REPLY_V4: u8 = 0;
const UNREACHABLE_V4: u8 = 3;
const ECHO_REQUEST_V4: u8 = 8;
const TIME_EXCEEDED_V4: u8 = 11;
const PARAMETER_PROBLEM_V4: u8 = 12;
const ECHO_REQUEST_V6: u8 = 128;
pub(super) const ECHO_REPLY_V6: u8 = 129;

/// The numbers of the protocols inside IP.
const ICMP_V4: u8 = 1;
const ICMP_V6: u8 = 58;
const IPV6_HEADER: usize = 40;
/// Ethernet's with two VLAN tags has 22 bytes.
const LONGEST_LINK_HEADER: usize = 32;
/// How much of the copy of a packet says whose it is: up to the longest IPv4 header.
pub(super) const ENOUGH_OF_DEPARTED: usize = LONGEST_LINK_HEADER + 60 + HEADER;

/// The types that a socket has to hand over.
pub(super) const WANTED_V4: [u8; 4] = [ECHO_REPLY_V4, UNREACHABLE_V4, TIME_EXCEEDED_V4, PARAMETER_PROBLEM_V4];
/// The same of ICMPv6: the errors are 1 to 4.
pub(super) const WANTED_V6: [u8; 5] = [1, 2, 3, 4, ECHO_REPLY_V6];

/// Whether a type is an error; redirects, and the source quench of old, say nothing of whether anybody is there.
pub(super) fn is_error(family: Family, kind: u8) -> bool {
    match family {
        Family::V4 => matches!(kind, UNREACHABLE_V4 | TIME_EXCEEDED_V4 | PARAMETER_PROBLEM_V4),
        Family::V6 => matches!(kind, 1..=4),
    }
}

/// The version of IP.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    pub(crate) const fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    pub(super) const fn unspecified(self) -> IpAddr {
        match self {
            Self::V4 => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            Self::V6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        }
    }
}

/// Whose request a message answers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Echo {
    pub(super) identifier: u16,
    pub(super) sequence: u16,
}

/// An ICMP error as it stands in its header.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Error {
    pub(crate) kind: u8,
    pub(crate) code: u8,
    /// Of "packet too big".
    pub(crate) mtu: Option<u32>,
}

/// What came.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Heard<'p> {
    /// An echo reply; `sound` is whether its checksum is right.
    Reply { echo: Echo, data: &'p [u8], sound: bool },
    /// An error that quotes a request to `destination`.
    Error { echo: Echo, error: Error, destination: IpAddr },
}

/// Writes the header of an echo request before its data. The kernel overwrites what is its own business.
pub(super) fn write_request(packet: &mut [u8], family: Family, echo: Echo) {
    packet[0] = if family == Family::V4 { ECHO_REQUEST_V4 } else { ECHO_REQUEST_V6 };
    packet[1..4].fill(0);
    packet[4..6].copy_from_slice(&echo.identifier.to_be_bytes());
    packet[6..8].copy_from_slice(&echo.sequence.to_be_bytes());
    if family == Family::V4 {
        let sum = checksum(packet);
        packet[2..4].copy_from_slice(&sum.to_be_bytes());
    }
}

/// Reads what a raw IPv4 socket hands over: the IP header is in front.
pub(super) fn read_with_header(packet: &[u8]) -> Option<Heard<'_>> {
    let message = packet.get(header_length(packet)?..)?;
    let sound = checksum(message) == 0;
    let heard = read(message, Family::V4, sound)?;
    // An error is nobody's answer, so that a broken one need not be counted.
    (sound || matches!(heard, Heard::Reply { .. })).then_some(heard)
}

/// Reads a message from its ICMP header on.
pub(super) fn read(message: &[u8], family: Family, sound: bool) -> Option<Heard<'_>> {
    let kind = *message.first()?;
    let quoted = message.get(HEADER..)?;
    let reply = match family {
        Family::V4 => ECHO_REPLY_V4,
        Family::V6 => ECHO_REPLY_V6,
    };
    if kind == reply {
        return Some(Heard::Reply { echo: echo(message)?, data: quoted, sound });
    }
    let (destination, request) = match family {
        Family::V4 if WANTED_V4.contains(&kind) => quoted_v4(quoted)?,
        Family::V6 if WANTED_V6.contains(&kind) => quoted_v6(quoted)?,
        Family::V4 | Family::V6 => return None,
    };
    let word = u32::from_be_bytes(message[4..8].try_into().ok()?);
    let error = Error::new(family, kind, message[1], word);
    Some(Heard::Error { echo: echo_of_request(request, family)?, error, destination })
}

impl Error {
    /// `word` is what follows the checksum: of "packet too big" the MTU, in IPv4 in its lower half.
    pub(super) fn new(family: Family, kind: u8, code: u8, word: u32) -> Self {
        let mtu = match family {
            Family::V4 if (kind, code) == (UNREACHABLE_V4, 4) => Some(word & 0xffff),
            Family::V6 if kind == 2 => Some(word),
            Family::V4 | Family::V6 => None,
        };
        // Routers from before RFC 1191 leave it zero.
        Self { kind, code, mtu: mtu.filter(|mtu| *mtu != 0) }
    }
}

/// Identifier and sequence number of a message that begins as an echo request does.
pub(super) fn echo_of_request(message: &[u8], family: Family) -> Option<Echo> {
    let request = if family == Family::V4 { ECHO_REQUEST_V4 } else { ECHO_REQUEST_V6 };
    if *message.first()? == request { echo(message) } else { None }
}

/// The same of the copy of a packet that was sent, which begins with the header of its link, if it has one.
pub(super) fn echo_of_departed(frame: &[u8], family: Family) -> Option<Echo> {
    (0..=LONGEST_LINK_HEADER).find_map(|at| {
        let packet = frame.get(at..)?;
        let message = match family {
            Family::V4 => packet.get(header_length(packet)?..).filter(|_| packet[9] == ICMP_V4),
            Family::V6 => packet.get(IPV6_HEADER..).filter(|_| packet[0] >> 4 == 6 && packet[6] == ICMP_V6),
        };
        echo_of_request(message?, family)
    })
}

fn echo(message: &[u8]) -> Option<Echo> {
    let field = |at: usize| Some(u16::from_be_bytes(message.get(at..at + 2)?.try_into().ok()?));
    Some(Echo { identifier: field(4)?, sequence: field(6)? })
}

/// The length of an IPv4 header, if it is one.
fn header_length(packet: &[u8]) -> Option<usize> {
    let first = *packet.first()?;
    let length = usize::from(first & 0xf) * 4;
    (first >> 4 == 4 && length >= 20).then_some(length)
}

/// Destination and payload of a quoted IPv4 packet that carries ICMP.
fn quoted_v4(packet: &[u8]) -> Option<(IpAddr, &[u8])> {
    let payload = packet.get(header_length(packet)?..)?;
    let offset = u16::from_be_bytes(packet[6..8].try_into().ok()?) & 0x1fff;
    let destination: [u8; 4] = packet[16..20].try_into().ok()?;
    (packet[9] == ICMP_V4 && offset == 0).then_some((destination.into(), payload))
}

/// Destination and payload of a quoted IPv6 packet that carries ICMPv6, behind whatever headers it has.
fn quoted_v6(packet: &[u8]) -> Option<(IpAddr, &[u8])> {
    const FRAGMENT: u8 = 44;
    const OTHERS: [u8; 3] = [0, 43, 60]; // hop-by-hop options, routing, destination options
    let destination: [u8; 16] = packet.get(24..IPV6_HEADER)?.try_into().ok()?;
    let mut next = packet[6];
    let mut rest = &packet[IPV6_HEADER..];
    while next != ICMP_V6 {
        let length = match next {
            FRAGMENT => 8,
            _ if OTHERS.contains(&next) => (usize::from(*rest.get(1)?) + 1) * 8,
            _ => return None,
        };
        next = *rest.first()?;
        rest = rest.get(length..)?;
    }
    Some((destination.into(), rest))
}

/// The Internet checksum (RFC 1071); zero over a message that carries its own.
fn checksum(bytes: &[u8]) -> u16 {
    let (words, rest) = bytes.as_chunks::<4>();
    let mut sum: u64 = words.iter().map(|word| u64::from(u32::from_be_bytes(*word))).sum();
    let mut last = [0; 4];
    last[..rest.len()].copy_from_slice(rest);
    sum += u64::from(u32::from_be_bytes(last));
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ECHO: Echo = Echo { identifier: 0x1234, sequence: 0x5678 };

    fn in_v4(protocol: u8, payload: &[u8]) -> Vec<u8> {
        let mut packet = vec![0; 20];
        packet[0] = 0x45;
        packet[9] = protocol;
        packet[16..20].copy_from_slice(&[192, 0, 2, 7]);
        packet.extend(payload);
        packet
    }

    fn request(family: Family) -> Vec<u8> {
        let mut packet = vec![0; HEADER];
        packet.extend(b"abc");
        write_request(&mut packet, family, ECHO);
        packet
    }

    fn error_v4(kind: u8, code: u8, word: u32, quoted: &[u8]) -> Vec<u8> {
        let mut message = vec![kind, code, 0, 0];
        message.extend(word.to_be_bytes());
        message.extend(quoted);
        let sum = checksum(&message);
        message[2..4].copy_from_slice(&sum.to_be_bytes());
        in_v4(1, &message)
    }

    #[test]
    fn a_reply_is_read_and_its_checksum_judged() {
        let mut message = request(Family::V4);
        assert_eq!(checksum(&message), 0);
        message[0] = ECHO_REPLY_V4;
        let reply = |sound| Some(Heard::Reply { echo: ECHO, data: b"abc", sound });
        assert_eq!(read_with_header(&in_v4(1, &message)), reply(false));
        message[2..4].fill(0);
        let sum = checksum(&message);
        message[2..4].copy_from_slice(&sum.to_be_bytes());
        assert_eq!(read_with_header(&in_v4(1, &message)), reply(true));
    }

    #[test]
    fn an_error_is_read_with_what_it_quotes() {
        let quoted = in_v4(1, &request(Family::V4));
        let error = |kind, code, mtu| {
            let destination = [192, 0, 2, 7].into();
            Some(Heard::Error { echo: ECHO, error: Error { kind, code, mtu }, destination })
        };
        assert_eq!(read_with_header(&error_v4(3, 1, 0, &quoted)), error(3, 1, None));
        assert_eq!(read_with_header(&error_v4(3, 4, 1400, &quoted)), error(3, 4, Some(1400)));
        assert_eq!(read_with_header(&error_v4(11, 0, 0, &quoted)), error(11, 0, None));
    }

    #[test]
    fn what_answers_nothing_of_ours_is_nothing() {
        let quoted = in_v4(1, &request(Family::V4));
        let mut later_fragment = quoted.clone();
        later_fragment[7] = 1;
        let mut broken = error_v4(3, 1, 0, &quoted);
        broken[25] ^= 1;
        let reply_quoted = in_v4(1, &[0, 0, 0, 0, 0x12, 0x34, 0x56, 0x78]);
        let rows = [
            Vec::new(),
            vec![0x45],
            vec![0x41; 40],
            in_v4(1, &[]),
            in_v4(1, &[0, 0, 0]),
            error_v4(5, 0, 0, &quoted),
            error_v4(3, 1, 0, &quoted[..24]),
            error_v4(3, 1, 0, &in_v4(17, &request(Family::V4))),
            error_v4(3, 1, 0, &later_fragment),
            error_v4(3, 1, 0, &reply_quoted),
            broken,
        ];
        for packet in rows {
            assert_eq!(read_with_header(&packet), None, "{packet:x?}");
        }
    }

    #[test]
    fn a_packet_that_left_is_known_behind_any_link_header() {
        let mut v6 = vec![0; IPV6_HEADER];
        v6[0] = 0x60;
        v6[6] = ICMP_V6;
        v6.extend(request(Family::V6));
        for (packet, family) in [(in_v4(ICMP_V4, &request(Family::V4)), Family::V4), (v6, Family::V6)] {
            for link in [0, 14, 22] {
                let frame = [vec![0; link], packet.clone()].concat();
                assert_eq!(echo_of_departed(&frame, family), Some(ECHO), "{link}");
                assert_eq!(echo_of_departed(&frame[..frame.len() - 4], family), None, "{link}");
            }
        }
    }

    #[test]
    fn ipv6_errors_may_quote_further_headers() {
        let mut quoted = vec![0; 40];
        quoted[6] = 44;
        quoted[24..40].copy_from_slice(&Ipv6Addr::LOCALHOST.octets());
        quoted.extend([58, 0, 0, 0, 0, 0, 0, 0]);
        quoted.extend(request(Family::V6));
        let mut message = vec![2, 0, 0, 0, 0, 0, 5, 0];
        message.extend(&quoted);
        let error = Error { kind: 2, code: 0, mtu: Some(1280) };
        let wanted = Heard::Error { echo: ECHO, error, destination: Ipv6Addr::LOCALHOST.into() };
        assert_eq!(read(&message, Family::V6, true), Some(wanted));
        for length in 0..message.len() - 3 {
            assert_eq!(read(&message[..length], Family::V6, true), None, "{length}");
        }
    }
}
