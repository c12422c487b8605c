//! What comes, or should come, before the final head of a response: interim heads, and patience.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Context;
use std::time::{Duration, Instant};

use http::StatusCode;

use super::clock::Clock;
use super::failure::SWITCHED;
use super::{MOST_INTERIM, Patience};
use crate::net::stream::Tap;

/// The heads that came before the final one.
#[derive(Debug, Default)]
pub(super) struct Interim {
    pub(super) count: AtomicUsize,
    switched: AtomicBool,
}

impl Interim {
    pub(super) fn note(&self, status: StatusCode) {
        self.count.fetch_add(1, Ordering::Relaxed);
        self.switched.fetch_or(status == StatusCode::SWITCHING_PROTOCOLS, Ordering::Relaxed);
    }

    /// What no server may do with them.
    pub(super) fn objection(&self) -> Option<String> {
        if self.switched.load(Ordering::Relaxed) {
            return Some(SWITCHED.to_owned());
        }
        let many = self.count.load(Ordering::Relaxed) > MOST_INTERIM;
        many.then(|| format!("more than {MOST_INTERIM} interim responses"))
    }
}

/// The wait for the first byte of a response, which begins when the request has arrived: an upload may take long to get out
/// of the kernel's buffer.
pub(super) struct Impatience {
    patience: Option<Patience>,
    uploads: bool,
    arrived: Option<Instant>,
    sleep: Option<std::pin::Pin<Box<tokio::time::Sleep>>>,
}

/// How often the acknowledgements of an upload are looked at.
const LOOK: Duration = Duration::from_millis(20);

impl Impatience {
    pub(super) const fn new(patience: Option<Patience>, uploads: bool) -> Self {
        Self { patience, uploads, arrived: None, sleep: None }
    }

    pub(super) fn is_over(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut Context<'_>,
        clock: &Clock,
        tap: &Tap,
    ) -> bool {
        let (Some(patience), Some(sent)) = (self.patience, clock.sent) else { return false };
        let patience = match patience {
            Patience::FirstByte(_) if tap.application().first_read.is_some_and(|first| first >= sent.at) => {
                return false;
            }
            Patience::FirstByte(patience) | Patience::Head(patience) => patience,
        };
        loop {
            if self.arrived.is_none() && (!self.uploads || tap.unacknowledged(sent.wire).is_none()) {
                self.arrived = Some(if self.uploads { Instant::now() } else { sent.at });
                self.sleep = None;
            }
            let ends = self.arrived.map_or_else(|| Instant::now() + LOOK, |arrived| arrived + patience);
            let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(ends.into())));
            if sleep.as_mut().poll(context).is_pending() {
                return false;
            }
            if self.arrived.is_some() {
                return true;
            }
            self.sleep = None;
        }
    }
}
