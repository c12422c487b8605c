//! The kernel calls that no safe library wraps; the one file that may be unsafe.

#![allow(unsafe_code, reason = "TCP_INFO and the error queue have no safe wrapper; each call says why it is sound")]

use std::io;
use std::mem::{MaybeUninit, size_of};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::AsRawFd;
use std::ptr;

/// How many bytes the peer's TCP has acknowledged on this socket. The kernel counts the SYN as one; it is taken off.
pub(crate) fn acknowledged(socket: &impl AsRawFd) -> io::Result<u64> {
    let mut info = MaybeUninit::<libc::tcp_info>::zeroed();
    let mut length = libc::socklen_t::try_from(size_of::<libc::tcp_info>()).map_err(io::Error::other)?;
    // SAFETY: the pointer and the length describe `info`, which outlives the call; the kernel writes at most
    // `length` bytes, and the descriptor is open because `socket` is borrowed.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            info.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: every field of `tcp_info` is an integer, so zeroed memory is a value of it, and an older kernel that
    // writes less leaves the rest zero.
    let info = unsafe { info.assume_init() };
    Ok(info.tcpi_bytes_acked.saturating_sub(1))
}

/// Lets the kernel keep what ICMP messages say of datagrams that were sent from this socket (`IP_RECVERR`, ip(7)).
pub(crate) fn keep_icmp_errors(socket: &impl AsRawFd, ipv6: bool) -> io::Result<()> {
    let (level, option) =
        if ipv6 { (libc::IPPROTO_IPV6, libc::IPV6_RECVERR) } else { (libc::IPPROTO_IP, libc::IP_RECVERR) };
    let on: libc::c_int = 1;
    let length = libc::socklen_t::try_from(size_of::<libc::c_int>()).map_err(io::Error::other)?;
    // SAFETY: the pointer and the length describe `on`, which outlives the call and is only read; the descriptor is
    // open because `socket` is borrowed.
    let result = unsafe { libc::setsockopt(socket.as_raw_fd(), level, option, ptr::from_ref(&on).cast(), length) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// What an ICMP message said of a datagram that was sent earlier.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct IcmpError {
    /// Whether it came by IPv6, whose numbers differ.
    pub(crate) ipv6: bool,
    /// The type.
    pub(crate) kind: u8,
    /// The code.
    pub(crate) code: u8,
    /// Who sent it.
    pub(crate) from: Option<IpAddr>,
}

/// Takes the oldest ICMP message that the kernel keeps for this socket. What the kernel itself had to say of a
/// datagram is in the queue too and passed over.
pub(crate) fn take_icmp_error(socket: &impl AsRawFd) -> Option<IcmpError> {
    // The payload it is about is not asked for. The control data are a header, `sock_extended_err` and an address;
    // 64-bit words align them.
    let mut control = [0_u64; 64];
    loop {
        // SAFETY: every field of `msghdr` is an integer or a pointer, so zeroed memory is a value of it.
        let mut message = unsafe { MaybeUninit::<libc::msghdr>::zeroed().assume_init() };
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = size_of_val(&control);
        let flags = libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT;
        // SAFETY: the message has no name and no buffers, and its control pointer and length describe `control`, which
        // outlives the call; the descriptor is open because `socket` is borrowed.
        if unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, flags) } < 0 {
            return None;
        }
        let bytes: Vec<u8> = control.iter().flat_map(|word| word.to_ne_bytes()).take(message.msg_controllen).collect();
        if let Some(error) = icmp_error(&bytes) {
            return Some(error);
        }
    }
}

/// Finds the ICMP message among control data (cmsg(3), `struct sock_extended_err` in ip(7)).
fn icmp_error(mut control: &[u8]) -> Option<IcmpError> {
    const HEADER: usize = size_of::<libc::cmsghdr>();
    const EXTENDED: usize = size_of::<libc::sock_extended_err>();
    while let Some((header, _)) = control.split_at_checked(HEADER) {
        let word = |at: usize| header.get(at..at + 4)?.try_into().ok().map(i32::from_ne_bytes);
        let length = usize::from_ne_bytes(header.get(..size_of::<usize>())?.try_into().ok()?);
        let data = control.get(HEADER..length)?;
        let ipv6 = match (word(size_of::<usize>())?, word(size_of::<usize>() + 4)?) {
            (libc::IPPROTO_IP, libc::IP_RECVERR) => Some(false),
            (libc::IPPROTO_IPV6, libc::IPV6_RECVERR) => Some(true),
            _ => None,
        };
        if let Some(ipv6) = ipv6 {
            // Number, origin, type, code, padding, two words; then the address of the sender.
            let (origin, kind, code) = (*data.get(4)?, *data.get(5)?, *data.get(6)?);
            let from_network = matches!(origin, libc::SO_EE_ORIGIN_ICMP | libc::SO_EE_ORIGIN_ICMP6);
            return from_network.then(|| IcmpError { ipv6, kind, code, from: data.get(EXTENDED..).and_then(sender) });
        }
        control = control.get(length.next_multiple_of(size_of::<usize>())..)?;
    }
    None
}

/// The address in a `sockaddr`.
fn sender(bytes: &[u8]) -> Option<IpAddr> {
    let family = u16::from_ne_bytes(bytes.get(..2)?.try_into().ok()?);
    match i32::from(family) {
        libc::AF_INET => bytes.get(4..8)?.try_into().ok().map(|octets: [u8; 4]| Ipv4Addr::from(octets).into()),
        libc::AF_INET6 => bytes.get(8..24)?.try_into().ok().map(|octets: [u8; 16]| Ipv6Addr::from(octets).into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One piece of control data of this level and type.
    fn control(level: i32, kind: i32, data: &[u8]) -> Vec<u8> {
        let length = size_of::<libc::cmsghdr>() + data.len();
        let mut bytes = [&length.to_ne_bytes()[..], &level.to_ne_bytes(), &kind.to_ne_bytes(), data].concat();
        bytes.resize(length.next_multiple_of(size_of::<usize>()), 0);
        bytes
    }

    /// `sock_extended_err` of ECONNREFUSED and the address that sent it.
    fn extended(origin: u8, kind: u8, code: u8) -> Vec<u8> {
        let family = 2_u16.to_ne_bytes();
        [&[111, 0, 0, 0, origin, kind, code, 0][..], &[0; 8], &family, &[0, 0, 192, 0, 2, 1], &[0; 8]].concat()
    }

    #[test]
    fn icmp_messages_are_found_among_control_data() {
        let refused = extended(libc::SO_EE_ORIGIN_ICMP, 3, 3);
        let error = control(libc::IPPROTO_IP, libc::IP_RECVERR, &refused);
        let found = IcmpError { ipv6: false, kind: 3, code: 3, from: Some([192, 0, 2, 1].into()) };
        assert_eq!(icmp_error(&error), Some(found));
        let other = control(libc::SOL_SOCKET, libc::SCM_TIMESTAMP, &[1; 13]);
        assert_eq!(icmp_error(&[other.clone(), error.clone()].concat()), Some(found));
        let local = control(libc::IPPROTO_IP, libc::IP_RECVERR, &extended(libc::SO_EE_ORIGIN_LOCAL, 0, 0));
        for nothing in [vec![], other, local, vec![0; 64], vec![0xff; 64]] {
            assert_eq!(icmp_error(&nothing), None, "{nothing:?}");
        }
        // Cut off anywhere, it is no message, or one without a sender.
        for length in 0..error.len() {
            let cut = icmp_error(&error[..length]);
            assert!(cut.is_none_or(|cut| cut.kind == 3), "{length}");
        }
    }
}
