//! When the parts of one exchange happened.

use std::sync::atomic::Ordering;
use std::time::Instant;

use crate::net::Attempt;
use crate::net::stream::Tap;
use crate::phases::Phase;

/// The end of a request.
#[derive(Clone, Copy)]
pub(super) struct Sent {
    /// When its last byte was taken by the kernel.
    pub(super) at: Instant,
    /// How many bytes of the wire that was.
    pub(super) wire: u64,
}

/// When the parts of one exchange happened.
pub(super) struct Clock {
    http2: bool,
    begun: Instant,
    /// The end of the request; absent while it is not over.
    pub(super) sent: Option<Sent>,
    /// The first byte of the response.
    pub(super) answered: Option<Instant>,
}

impl Clock {
    pub(super) fn start(attempt: &mut Attempt<'_>, http2: bool) -> Self {
        Self { http2, begun: attempt.enter(Phase::Send), sent: None, answered: None }
    }

    /// Stamps the end of the request: its body was taken, and no write waits any more.
    pub(super) fn note_sent(&mut self, tap: &Tap, body: &super::outgoing::Fate) {
        if self.sent.is_none() && body.is_taken() {
            let record = tap.application();
            // The preface of HTTP/2 goes out before the request does.
            let written = record.last_write.filter(|written| *written >= self.begun);
            if !record.write_pending && !tap.is_torn() {
                self.sent = written.map(|at| Sent { at, wire: tap.wire().sent });
            }
        }
    }

    /// Stamps the first interim response of HTTP/2: with it the response has begun.
    pub(super) fn note_interim(&mut self, tap: &Tap, interim: &super::interim::Interim) {
        if self.http2 && self.answered.is_none() && interim.count.load(Ordering::Relaxed) > 0 {
            self.answered = tap.application().last_read;
        }
    }

    /// Stamps the first byte of the response. In HTTP/2 the server's settings come first, so there it is the
    /// arrival of the bytes that completed the head.
    pub(super) fn note_begun(&mut self, tap: &Tap, complete: bool) {
        let record = tap.application();
        self.answered = match self.answered {
            None if self.http2 => record.last_read.filter(|_| complete),
            None => record.first_read,
            begun => begun,
        };
    }

    /// Gives the phases the time they took so far, and goes on in the last one.
    pub(super) fn split(&mut self, attempt: &mut Attempt<'_>) {
        self.stop(attempt);
        let now = Instant::now();
        self.begun = now;
        self.sent = None;
        self.answered = Some(now);
    }

    /// Gives the phases the time they took; called once, when the exchange is over.
    pub(super) fn stop(&mut self, attempt: &mut Attempt<'_>) {
        let now = Instant::now();
        let first = self.answered.unwrap_or(now);
        let sent = self.sent.map_or(first, |sent| sent.at.min(first));
        attempt.add(Phase::Send, sent.saturating_duration_since(self.begun));
        if self.sent.is_some() || self.answered.is_some() {
            attempt.add(Phase::Wait, first.saturating_duration_since(sent));
        }
        if self.answered.is_some() {
            attempt.add(Phase::Receive, now.saturating_duration_since(first));
        }
    }
}
