//! How much went over a connection.

use serde::Serialize;

/// Bytes over the probe's connection.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Bytes {
    /// Handed to the kernel.
    pub sent: u64,
    /// Acknowledged by the peer's TCP (`tcpi_bytes_acked` without the SYN).
    pub acked: u64,
    /// Received.
    pub received: u64,
}

impl Bytes {
    /// The sums.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self { sent: self.sent + other.sent, acked: self.acked + other.acked, received: self.received + other.received }
    }

    /// What came on top of an earlier count.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Self {
        Self {
            sent: self.sent.saturating_sub(earlier.sent),
            acked: self.acked.saturating_sub(earlier.acked),
            received: self.received.saturating_sub(earlier.received),
        }
    }
}
