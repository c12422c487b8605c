//! What a service manager is told, if it wants to know: the protocol of `sd_notify(3)`.

use std::env;
use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// The service manager; nobody, if the agent was started in another way.
#[derive(Debug)]
pub(super) struct Manager(Option<(UnixDatagram, SocketAddr)>);

impl Manager {
    /// As the environment says.
    pub(super) fn of_environment() -> Self {
        let named = env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty());
        Self(named.and_then(|name| match connect(&name) {
            Ok(connected) => Some(connected),
            Err(error) => {
                tracing::warn!("$NOTIFY_SOCKET cannot be used: {error}");
                None
            }
        }))
    }

    /// Says something, such as `READY=1`.
    pub(super) fn tell(&self, state: &str) {
        if let Some((socket, address)) = &self.0 {
            // A manager that does not listen any more cannot be helped.
            let _ = socket.send_to_addr(state.as_bytes(), address);
        }
    }
}

/// How often the manager wants to hear that all is well, so that it does not start the agent anew.
pub(super) fn watchdog() -> Option<Duration> {
    let own = env::var("WATCHDOG_PID").ok().is_none_or(|pid| pid == std::process::id().to_string());
    let limit = env::var("WATCHDOG_USEC").ok()?.parse().ok().map(Duration::from_micros);
    limit.filter(|limit| own && !limit.is_zero()).map(|limit| limit / 2)
}

fn connect(name: &OsStr) -> io::Result<(UnixDatagram, SocketAddr)> {
    let address = match name.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(name)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    Ok((socket, address))
}
