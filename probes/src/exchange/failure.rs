//! Naming what broke an exchange: by what the tap saw, whatever the libraries call it.

use http::StatusCode;

use super::clock::Clock;
use super::connection::Trouble;
use super::{Broken, Fault, ROOM, broken};
use crate::fault::{self, Failure};
use crate::net::Attempt;
use crate::net::stream::{Broken as Torn, Tap, show};

/// What is wrong with a 101 that no request of ours asks for.
pub(super) const SWITCHED: &str = "the server switched protocols unasked (101)";

/// The failure of an exchange whose time is over before a head came: the state decides, not the timer.
pub(super) fn late(attempt: &mut Attempt<'_>, clock: &mut Clock, tap: &Tap, streams: bool) -> Failure<Fault> {
    if let Some(failure) = impossible_status(tap) {
        return failure;
    }
    let failure = match clock.sent {
        _ if clock.answered.is_some() => attempt.receive_failure(tap, true),
        None => tap.send_failure(),
        Some(sent) => match tap.unacknowledged(sent.wire) {
            Some(failure) => {
                clock.sent = None;
                failure
            }
            None => attempt.receive_failure(tap, false),
        },
    };
    if streams && failure.fault == fault::Fault::Send(fault::Send::TimedOut) && head_arrived(tap) {
        return Failure { fault: Fault::Broken(Broken::BodyUnsent), ..failure.map(Fault::Net) };
    }
    failure.map(Fault::Net)
}

/// Whether the peer has acknowledged the whole head of the request.
fn head_arrived(tap: &Tap) -> bool {
    let head_end = tap.application().head_end;
    head_end.is_some_and(|end| tap.acknowledged() >= end)
}

/// The failure of a response whose status line is complete and none that a server may send here, whatever becomes of the
/// head behind it.
fn impossible_status(tap: &Tap) -> Option<Failure<Fault>> {
    const SWITCHING: u16 = StatusCode::SWITCHING_PROTOCOLS.as_u16();
    let record = tap.application();
    let line = record.first_bytes.strip_prefix(b"HTTP/1.")?;
    let digits = std::str::from_utf8(line.get(2..5)?).ok()?;
    let ends = line.get(5).is_some_and(|byte| matches!(byte, b' ' | b'\r' | b'\n'));
    let status = digits.parse::<u16>().ok().filter(|status| ends && (*status == SWITCHING || *status / 100 > 5))?;
    let detail = if status == SWITCHING { SWITCHED.to_owned() } else { format!("{status} is no HTTP status") };
    Some(broken(Broken::Malformed, detail))
}

/// A connection that is torn down before the whole request was taken broke while sending, even if a read is the
/// first to hear of it.
pub(super) fn torn_while_sending(clock: &Clock, tap: &Tap) -> Option<Failure<Fault>> {
    let reset = tap.application().read_error.as_ref().is_some_and(Torn::is_reset);
    let torn = clock.sent.is_none() && clock.answered.is_none() && (tap.is_torn() || reset);
    torn.then(|| tap.torn_failure().map(Fault::Net))
}

/// Names what the libraries call an error, by what the tap saw; `begun` says whether any of the answer came.
pub(super) fn name_error(attempt: &mut Attempt<'_>, tap: &Tap, error: &Trouble, begun: bool) -> Failure<Fault> {
    if let Trouble::Http2(error) = error
        && let Some(failure) = http2_failure(error)
    {
        return failure;
    }
    let (ended, read_failed, write_failed, first) = {
        let record = tap.application();
        (record.ended, record.read_error.is_some(), record.write_error.is_some(), record.first_bytes.clone())
    };
    if tap.application().room == Some(0) {
        return broken(Broken::Malformed, format!("{ROOM} bytes came and the response did not get on"));
    }
    if error.is_garbage() {
        return broken(
            Broken::Malformed,
            format!("what came back is no HTTP response; it began with {}", show(&attempt.conditions.secrets, &first)),
        );
    }
    if let Some(failure) = impossible_status(tap) {
        return failure;
    }
    if read_failed || ended {
        return attempt.receive_failure(tap, begun).map(Fault::Net);
    }
    if write_failed {
        return tap.send_failure().map(Fault::Net);
    }
    broken(Broken::Malformed, format!("the response breaks the rules of HTTP: {}", error.words()))
}

/// The failures that HTTP/2 has words of its own for (RFC 9113 section 7).
fn http2_failure(error: &h2::Error) -> Option<Failure<Fault>> {
    let reason = error.reason().map_or_else(|| error.to_string(), |reason| format!("{reason:?}"));
    if !error.is_remote() {
        // Our own side of the library complains about the peer's frames; a broken connection is the tap's to name.
        return (!error.is_io()).then(|| broken(Broken::Malformed, format!("the peer broke HTTP/2: {reason}")));
    }
    if error.is_go_away() {
        return Some(broken(Broken::Goaway, format!("the server sent GOAWAY with {reason}")));
    }
    Some(broken(Broken::StreamReset, format!("the server reset the stream with {reason}")))
}
