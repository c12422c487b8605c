//! P8: the body of a response. It is counted as it was sent, and judged by what was promised.

use http::{StatusCode, header};

use super::fault::{Content, Fault};
use super::hop::{Hop, Last, name};
use super::ranges::Parts;
use super::sink::{Drain, Kept, Sink};
use super::{Download, Transfer, fails};
use crate::exchange::{self, Answer, Spilt};
use crate::fault::{self, Failure, Receive};
use crate::net::Attempt;

/// An orderly end inside a body.
pub(super) const CLOSED: exchange::Fault = exchange::Fault::Net(fault::Fault::Receive(Receive::Closed));

impl Transfer {
    /// Downloads what a final response of success leads to.
    pub(super) async fn download(
        &self,
        attempt: &mut Attempt<'_>,
        hop: &Hop,
        answer: Answer,
        download: &Download,
    ) -> Result<(Kept, Last), Failure<Fault>> {
        let mut last = Last::of(&answer);
        let mut sink =
            Sink::new(download, self.progress.clone(), answer.first_byte().map(|at| attempt.since_begin(at)));
        let received = match Parts::of(&answer, self.first_range().is_some()) {
            Parts::Whole => self.pour(attempt, hop, answer, download, &mut sink).await.map(Some),
            Parts::Some(parts) => self.gather(attempt, hop, answer, download, parts, &mut sink).await,
            Parts::Anew => {
                answer.leave_body(attempt);
                Ok(None)
            }
            Parts::Wrong(why) => {
                answer.leave_body(attempt);
                fails(Content::Range, why)
            }
        };
        let received = match received {
            Ok(None) => self.once_more(attempt, hop, download, &mut sink, &mut last).await,
            Ok(Some(received)) => Ok(received),
            Err(failure) => Err(failure),
        };
        attempt.evidence.transfer = Some(sink.figures());
        let received = received?;
        if received == 0 && !download.allow_empty {
            return fails(Content::Empty, "the response is complete and has no byte of body");
        }
        let late = || fails(Content::Unwritten, "what came was not written to its end in time");
        let kept = match attempt.within(sink.finish()).await {
            Some(kept) => kept?,
            None => return late(),
        };
        attempt.evidence.md5 = Some(super::supply::hex(&kept.md5));
        Ok((kept, last))
    }

    /// Takes one body in from its beginning to its end.
    pub(super) async fn pour(
        &self,
        attempt: &mut Attempt<'_>,
        hop: &Hop,
        answer: Answer,
        download: &Download,
        sink: &mut Sink,
    ) -> Result<u64, Failure<Fault>> {
        let length = content_length(&answer);
        self.progress.begin(length);
        let poured = answer.pour(attempt, download.decode, sink).await;
        let received = poured.received;
        let promised = length.into_iter().chain(download.size).min();
        let missing = promised.filter(|promised| received < *promised);
        let short = |promised: u64| {
            fails(Content::Short, format!("the body ended after {received} of at least {promised} bytes"))
        };
        match (poured.end, missing) {
            (Ok(_), None) => Ok(received),
            (Ok(_), Some(promised)) => short(promised),
            (Err(Spilt::Exchange(failure)), Some(promised)) if failure.fault == CLOSED => short(promised),
            (Err(Spilt::Exchange(failure)), _) => {
                Err(failure.map(|cause| name(hop.leg, hop.url.scheme() == "https", false, cause)))
            }
            (Err(Spilt::Sink(failure)), _) => Err(failure),
        }
    }

    /// Asks for the whole, on a connection of its own, whose answer is the final one.
    async fn once_more(
        &self,
        attempt: &mut Attempt<'_>,
        hop: &Hop,
        download: &Download,
        sink: &mut Sink,
        last: &mut Last,
    ) -> Result<u64, Failure<Fault>> {
        sink.restart();
        let last_tap = attempt.tap.take();
        attempt.count_in(last_tap);
        let session = self.reach(attempt, &hop.url, hop.leg).await?;
        let ask = self.ask(&hop.url, hop.method.clone(), bytes::Bytes::new().into(), None, false);
        let answer = self.exchange(attempt, hop, false, session, ask).await?;
        exchange::note_answer(attempt, &answer);
        *last = Last::of(&answer);
        if !answer.status.is_success() {
            let status = answer.status.as_u16();
            answer.leave_body(attempt);
            return fails(
                Fault::Status(status),
                format!("the server answered {status} when it was asked for the whole"),
            );
        }
        self.pour(attempt, hop, answer, download, sink).await
    }

    /// Hears the response to an upload to its end; nobody looks at its body.
    pub(super) async fn hear_out(
        &self,
        attempt: &mut Attempt<'_>,
        hop: &Hop,
        answer: Answer,
    ) -> Result<(), Failure<Fault>> {
        match answer.pour(attempt, false, &mut Drain).await.end {
            Ok(_) => Ok(()),
            Err(Spilt::Exchange(failure)) => {
                Err(failure.map(|cause| name(hop.leg, hop.url.scheme() == "https", false, cause)))
            }
            Err(Spilt::Sink(failure)) => Err(failure),
        }
    }

    /// Whether a status is no answer to what is asked here, but to the range it was asked for.
    pub(super) fn asks_anew(&self, status: StatusCode) -> bool {
        status == StatusCode::RANGE_NOT_SATISFIABLE && self.first_range().is_some()
    }
}

/// How long the server says that the body is; chunks say it themselves (RFC 9112 section 6.3).
pub(super) fn content_length(answer: &Answer) -> Option<u64> {
    if answer.headers.contains_key(header::TRANSFER_ENCODING) {
        return None;
    }
    answer.headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.trim().parse().ok()
}
