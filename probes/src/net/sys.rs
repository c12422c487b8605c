//! The kernel calls that no safe library wraps; the one file that may be unsafe.

#![allow(unsafe_code, reason = "TCP_INFO has no safe wrapper; each call says why it is sound")]

use std::io;
use std::mem::{MaybeUninit, size_of};
use std::os::fd::AsRawFd;

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
