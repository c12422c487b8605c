//! Naming what broke an exchange: by what the tap saw, whatever the libraries call it.

use http::StatusCode;

use super::clock::Clock;
use super::connection::Trouble;
use super::{Broken, Fault, ROOM, Statuses, broken};
use crate::fault::Failure;
use crate::net::Attempt;
use crate::net::stream::{Broken as Torn, Tap, show};
use crate::phases::Phase;

/// What is wrong with a 101 that no request of ours asks for.
pub(super) const SWITCHED: &str = "the server switched protocols unasked (101)";

/// The failure of an exchange whose time is over before a head came: the state decides, not the timer.
pub(super) fn late(
    attempt: &mut Attempt<'_>,
    clock: &mut Clock,
    tap: &Tap,
    streams: bool,
    statuses: Statuses,
) -> Failure<Fault> {
    if let Some(failure) = impossible_status(tap, statuses) {
        return failure;
    }
    // What the server says before its final head does not make the upload any more complete.
    let unsent = clock.sent.map_or_else(|| Some(tap.send_failure()), |sent| tap.unacknowledged(sent.wire));
    if let (true, Some(failure)) = (streams && head_arrived(tap), unsent) {
        (clock.sent, clock.answered) = (None, None);
        return Failure { fault: Fault::Broken(Broken::BodyUnsent), ..failure.map(Fault::Net) };
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
    failure.map(Fault::Net)
}

/// Whether the peer has acknowledged the whole head of the request.
fn head_arrived(tap: &Tap) -> bool {
    let head_end = tap.application().head_end;
    head_end.is_some_and(|end| tap.acknowledged() >= end)
}

/// The failure of a response whose status line is complete and none that a server may send here, whatever becomes of the
/// head behind it.
fn impossible_status(tap: &Tap, statuses: Statuses) -> Option<Failure<Fault>> {
    const SWITCHING: u16 = StatusCode::SWITCHING_PROTOCOLS.as_u16();
    let record = tap.application();
    let line = record.first_bytes.strip_prefix(b"HTTP/1.")?;
    let digits = std::str::from_utf8(line.get(2..5)?).ok()?;
    let ends = line.get(5).is_some_and(|byte| matches!(byte, b' ' | b'\r' | b'\n'));
    let status = digits.parse::<u16>().ok().filter(|status| ends && (*status == SWITCHING || !statuses(*status)))?;
    let detail = if status == SWITCHING { SWITCHED.to_owned() } else { format!("{status} is no HTTP status") };
    Some(broken(Broken::Malformed, detail))
}

/// A connection that is torn down before the whole request was taken broke while sending, even if a read is the
/// first to hear of it.
pub(super) fn torn_while_sending(attempt: &mut Attempt<'_>, clock: &Clock, tap: &Tap) -> Option<Failure<Fault>> {
    // A refusal of the client certificate, which TLS 1.3 delivers behind the handshake, explains the rest.
    if clock.answered.is_none()
        && let Some(failure) = attempt.client_certificate_failure(tap)
    {
        attempt.blame(Phase::Tls);
        return Some(failure.map(Fault::Net));
    }
    let reset = tap.application().read_error.as_ref().is_some_and(Torn::is_reset);
    let torn = clock.sent.is_none() && clock.answered.is_none() && (tap.is_torn() || reset);
    torn.then(|| tap.torn_failure().map(Fault::Net))
}

/// How far an answer came.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Progress {
    /// Not a byte of it.
    Nothing,
    /// A part of its head.
    Head,
    /// All of its head.
    Body,
}

/// Names what the libraries call an error, by what the tap saw.
pub(super) fn name_error(
    attempt: &mut Attempt<'_>,
    tap: &Tap,
    statuses: Statuses,
    error: &Trouble,
    progress: Progress,
) -> Failure<Fault> {
    if let Trouble::Http2(error) = error
        && let Some(failure) = http2_failure(error, tap, progress)
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
        let shown = show(&attempt.tainted, &attempt.conditions.secrets.strike_bytes(&first));
        return broken(Broken::Malformed, format!("what came back is no HTTP response; it began with {shown}"));
    }
    if let Some(failure) = impossible_status(tap, statuses) {
        return failure;
    }
    if read_failed || ended {
        return attempt.receive_failure(tap, progress != Progress::Nothing).map(Fault::Net);
    }
    if write_failed {
        return tap.send_failure().map(Fault::Net);
    }
    broken(Broken::Malformed, format!("the response breaks the rules of HTTP: {}", error.words()))
}

/// The failures that HTTP/2 has words of its own for (RFC 9113 section 7).
fn http2_failure(error: &h2::Error, tap: &Tap, progress: Progress) -> Option<Failure<Fault>> {
    /// The type of the frame that a server begins with (RFC 9113 section 3.4), behind the three octets of its length.
    const SETTINGS: u8 = 4;
    let speaks_http2 = tap.application().first_bytes.get(3) == Some(&SETTINGS);
    let reason = error.reason().map_or_else(|| error.to_string(), |reason| format!("{reason:?}"));
    if !error.is_remote() {
        // Our own side of the library complains about the peer's frames; a broken connection is the tap's to name.
        // What is wrong with the head alone makes it no head; what is wrong with the connection is HTTP/2's own.
        let of_head = error.is_reset() && progress != Progress::Body;
        let fault = if speaks_http2 && !of_head { Broken::Http2 } else { Broken::Malformed };
        return (!error.is_io()).then(|| broken(fault, format!("the peer broke HTTP/2: {reason}")));
    }
    if error.is_go_away() {
        return Some(broken(Broken::Goaway, format!("the server sent GOAWAY with {reason}")));
    }
    Some(broken(Broken::StreamReset, format!("the server reset the stream with {reason}")))
}
