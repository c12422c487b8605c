//! What the kernel says beside a message (`cmsg(3)`): when it came or went, and which ICMP error it stands for (`ip(7)`).
//!
//! Read from plain bytes, so that a length that lies leads nowhere.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, SystemTime};

use super::message::{Error, Family};

/// Room for a time stamp and an extended error with its address.
pub(super) const ROOM: usize = 256;

/// The length, level and type of each part.
const HEADER: usize = size_of::<usize>() + 8;

/// The control data of one message, part by part.
fn parts(control: &[u8]) -> impl Iterator<Item = (i32, i32, &[u8])> {
    let mut rest = control;
    std::iter::from_fn(move || {
        let length = usize::from_ne_bytes(*rest.first_chunk()?);
        let level = i32::from_ne_bytes(*rest.get(size_of::<usize>()..)?.first_chunk()?);
        let kind = i32::from_ne_bytes(*rest.get(size_of::<usize>() + 4..)?.first_chunk()?);
        let data = rest.get(HEADER..length)?;
        rest = rest.get(length.next_multiple_of(align_of::<usize>())..).unwrap_or_default();
        Some((level, kind, data))
    })
}

/// When the kernel took the message in, or gave it to the device, by the wall clock.
pub(super) fn stamp(control: &[u8]) -> Option<SystemTime> {
    let wanted = (libc::SOL_SOCKET, libc::SCM_TIMESTAMPING);
    let (.., time) = parts(control).find(|(level, kind, _)| (*level, *kind) == wanted)?;
    let seconds = i64::from_ne_bytes(*time.first_chunk()?);
    let nanoseconds = i64::from_ne_bytes(*time.get(8..)?.first_chunk()?);
    let since = Duration::new(u64::try_from(seconds).ok()?, u32::try_from(nanoseconds).ok()?);
    SystemTime::UNIX_EPOCH.checked_add(since)
}

/// Whether the message is a copy of one that was sent, kept for the sake of its stamp.
pub(super) fn is_departure(control: &[u8]) -> bool {
    extended(control).and_then(|data| data.get(4)) == Some(&libc::SO_EE_ORIGIN_TIMESTAMPING)
}

/// The kernel's `struct sock_extended_err`: errno, origin, type, code, padding, info, data; an address follows.
fn extended(control: &[u8]) -> Option<&[u8]> {
    let of_v4 = (libc::IPPROTO_IP, libc::IP_RECVERR);
    let of_v6 = (libc::IPPROTO_IPV6, libc::IPV6_RECVERR);
    let is_error = |level: i32, kind: i32| (level, kind) == of_v4 || (level, kind) == of_v6;
    parts(control).find(|(level, kind, _)| is_error(*level, *kind)).map(|(.., data)| data)
}

/// The ICMP error that the kernel kept for this socket, and who sent it.
pub(super) fn error(control: &[u8]) -> Option<(Error, IpAddr)> {
    let data = extended(control)?;
    let [origin, kind, code]: [u8; 3] = data.get(4..7)?.try_into().ok()?;
    let family = match origin {
        libc::SO_EE_ORIGIN_ICMP => Family::V4,
        libc::SO_EE_ORIGIN_ICMP6 => Family::V6,
        _ => return None,
    };
    let info = u32::from_ne_bytes(*data.get(8..)?.first_chunk()?);
    Some((Error::new(family, kind, code, info), address(data.get(16..)?)?))
}

/// The address in a `struct sockaddr_in` or `sockaddr_in6`.
pub(super) fn address(bytes: &[u8]) -> Option<IpAddr> {
    match i32::from(u16::from_ne_bytes(*bytes.first_chunk()?)) {
        libc::AF_INET => Some(Ipv4Addr::from(*bytes.get(4..)?.first_chunk::<4>()?).into()),
        libc::AF_INET6 => Some(Ipv6Addr::from(*bytes.get(8..)?.first_chunk::<16>()?).into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(level: i32, kind: i32, data: &[u8]) -> Vec<u8> {
        let mut part = (HEADER + data.len()).to_ne_bytes().to_vec();
        part.extend(level.to_ne_bytes());
        part.extend(kind.to_ne_bytes());
        part.extend(data);
        part.resize(part.len().next_multiple_of(align_of::<usize>()), 0);
        part
    }

    #[test]
    fn stamps_and_errors_are_found_behind_other_parts() {
        let mut control = part(libc::IPPROTO_IP, libc::IP_TTL, &64_i32.to_ne_bytes());
        let time = [5_i64.to_ne_bytes(), 7_i64.to_ne_bytes()].concat();
        control.extend(part(libc::SOL_SOCKET, libc::SCM_TIMESTAMPING, &time));
        let mut extended = vec![113, 0, 0, 0, libc::SO_EE_ORIGIN_ICMP, 3, 4, 0];
        extended.extend(1400_u32.to_ne_bytes());
        extended.extend([0; 4]);
        extended.extend(u16::try_from(libc::AF_INET).unwrap().to_ne_bytes());
        extended.extend([0, 0, 192, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
        control.extend(part(libc::IPPROTO_IP, libc::IP_RECVERR, &extended));
        assert_eq!(stamp(&control), SystemTime::UNIX_EPOCH.checked_add(Duration::new(5, 7)));
        let wanted = Error { kind: 3, code: 4, mtu: Some(1400) };
        assert_eq!(error(&control), Some((wanted, [192, 0, 2, 1].into())));
        assert!(!is_departure(&control));
        let sent =
            part(libc::IPPROTO_IPV6, libc::IPV6_RECVERR, &[42, 0, 0, 0, libc::SO_EE_ORIGIN_TIMESTAMPING, 0, 0, 0]);
        assert!(is_departure(&sent));
        assert_eq!(error(&sent), None);
        for length in 0..control.len() {
            let _ = (stamp(&control[..length]), error(&control[..length]));
        }
        assert_eq!(stamp(&[0; 64]), None);
    }
}
