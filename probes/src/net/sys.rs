//! The kernel calls that no safe library wraps; the one file that may be unsafe.

#![allow(unsafe_code, reason = "no safe wrapper has these calls; each says why it is sound")]

use std::ffi::CString;
use std::io;
use std::mem::{MaybeUninit, size_of};
use std::os::fd::AsRawFd;

use socket2::Socket;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

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

/// The number of an interface of this host.
pub(crate) fn interface_index(name: &str) -> Option<u32> {
    let name = CString::new(name).ok()?;
    // SAFETY: the pointer is to a text that ends in a zero byte, which the call only reads and which outlives it.
    let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
    (index != 0).then_some(index)
}

/// Sets an option of a socket to a value of plain bytes.
pub(crate) fn set_option(socket: &impl AsRawFd, level: i32, name: i32, value: &[u8]) -> io::Result<()> {
    let length = libc::socklen_t::try_from(value.len()).map_err(io::Error::other)?;
    // SAFETY: the pointer and the length describe `value`, which the kernel only reads; the descriptor is open
    // because `socket` is borrowed.
    let result = unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, value.as_ptr().cast(), length) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// How many bytes an address of a message takes at most.
pub(crate) const ADDRESS_ROOM: usize = size_of::<libc::sockaddr_in6>();

/// How much of each buffer one message filled.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Filled {
    /// Of the message.
    pub(crate) message: usize,
    /// Of the control data.
    pub(crate) control: usize,
}

/// Receives one message with its control data and the address it came from, of a socket that does not block.
pub(crate) fn receive(
    socket: &impl AsRawFd,
    message: &mut [u8],
    control: &mut [u8],
    address: &mut [u8; ADDRESS_ROOM],
    flags: i32,
) -> io::Result<Filled> {
    let mut part = libc::iovec { iov_base: message.as_mut_ptr().cast(), iov_len: message.len() };
    // SAFETY: every field of `msghdr` is an integer or a pointer, of which zero and null are values.
    let mut header = unsafe { MaybeUninit::<libc::msghdr>::zeroed().assume_init() };
    header.msg_iov = &raw mut part;
    header.msg_iovlen = 1;
    header.msg_name = address.as_mut_ptr().cast();
    header.msg_namelen = libc::socklen_t::try_from(address.len()).map_err(io::Error::other)?;
    header.msg_control = control.as_mut_ptr().cast();
    header.msg_controllen = control.len();
    // SAFETY: every pointer of `header` and the length beside it describe a buffer that outlives the call and is
    // borrowed mutably for it; the descriptor is open because `socket` is borrowed.
    let received = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut header, flags) };
    match usize::try_from(received) {
        Ok(message) => Ok(Filled { message, control: header.msg_controllen }),
        Err(_) => Err(io::Error::last_os_error()),
    }
}

/// Has the runtime watch a socket, its error queue included.
pub(crate) fn watch(socket: Socket) -> io::Result<AsyncFd<Socket>> {
    let interest = Interest::READABLE | Interest::WRITABLE | Interest::ERROR;
    // SAFETY: `Socket` owns its descriptor, closes it only when it is dropped, and names it in `as_raw_fd`; nobody
    // outside gets the socket by value or mutably.
    let watched = unsafe { AsyncFd::register_with_interest(socket, interest) };
    watched.map_err(io::Error::from)
}
