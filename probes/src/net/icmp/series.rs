//! A series of echo requests to one address: sent one after the other, and listened for together.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use socket2::SockAddr;

use super::line::{Line, held};
use super::message;
use super::record::{Fate, Record, Refusal, Tally, pattern};
use crate::net::before;

/// A series under way.
#[derive(Debug)]
pub(crate) struct Series {
    line: Arc<Line>,
    record: Arc<Record>,
    to: SockAddr,
    packet: Vec<u8>,
    sequences: Vec<u16>,
    told: Vec<bool>,
}

impl Series {
    pub(super) fn new(line: Arc<Line>, target: IpAddr, size: usize, wait: Duration) -> Self {
        let record = Record::new(target, size, wait);
        Self {
            line,
            record: Arc::new(record),
            to: SocketAddr::new(target, 0).into(),
            packet: std::iter::repeat_n(0, message::HEADER).chain((0..size).map(pattern)).collect(),
            sequences: Vec::new(),
            told: Vec::new(),
        }
    }

    /// Sends the next request; one that cannot be sent is part of the tally too.
    pub(crate) async fn send(&mut self) {
        let index = self.told.len();
        self.told.push(false);
        let (target, size) = (self.record.target, self.record.size);
        tracing::debug!(target: "conversation", "> echo request {} to {target}, {size} bytes", index + 1);
        let sent = self.line.send(&self.record, index, &mut self.packet, &self.to, &mut self.sequences).await;
        if let Err(error) = sent
            && let Some(request) = held(&self.record.progress).requests.get_mut(index)
        {
            request.fate = Fate::Unsent(error.raw_os_error().unwrap_or(0));
        }
    }

    /// Takes answers until `end`, or until every request that was sent has its own if that is enough.
    pub(crate) async fn listen(&mut self, end: Instant, until_answered: bool) {
        loop {
            self.tell();
            if until_answered && self.is_answered() {
                return;
            }
            let record = Arc::clone(&self.record);
            if before(end, record.changed.notified()).await.is_none() {
                return;
            }
        }
    }

    /// Whether waiting can change nothing any more. A request that drew an error may still get its reply, which counts
    /// more.
    fn is_answered(&self) -> bool {
        let progress = held(&self.record.progress);
        !progress.requests.iter().any(|request| matches!(request.fate, Fate::Open | Fate::Refused(_)))
    }

    /// Ends the series. What has come by now counts, whether or not somebody had the time to look.
    pub(crate) fn finish(mut self) -> Tally {
        self.line.take_in();
        self.tell();
        let mut progress = held(&self.record.progress);
        let mut tally = std::mem::take(&mut progress.tally);
        tally.tell();
        tally.fates = progress.requests.iter().map(|request| request.fate).collect();
        tally
    }

    /// Tells what came since the last time.
    fn tell(&mut self) {
        if !tracing::enabled!(target: "conversation", tracing::Level::DEBUG) {
            return;
        }
        let progress = held(&self.record.progress);
        for (index, (request, told)) in progress.requests.iter().zip(&mut self.told).enumerate() {
            let number = index + 1;
            match request.fate {
                _ if *told => {}
                Fate::Open => continue,
                Fate::Answered(time) => {
                    let milliseconds = crate::phases::milliseconds(time);
                    tracing::debug!(target: "conversation", "< echo reply {number} after {milliseconds} ms");
                }
                Fate::Refused(Refusal { kind, code, from, .. }) => {
                    tracing::debug!(target: "conversation", "< ICMP type {kind} code {code} from {from} to request {number}");
                }
                Fate::Unsent(errno) => {
                    let words = crate::net::connect::kernel_words(&std::io::Error::from_raw_os_error(errno));
                    tracing::debug!(target: "conversation", "* request {number} could not be sent: {words}");
                }
            }
            *told = true;
        }
    }
}

impl Drop for Series {
    fn drop(&mut self) {
        self.line.forget(&self.record, &self.sequences);
    }
}
