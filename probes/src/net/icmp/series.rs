//! A series of echo requests to one address, and what came of each.
//!
//! An answer is judged in this order: does it carry the data of the request (else it is corrupted), did it come from
//! the target (else it is another's), is it the first (else a duplicate), did it come within its time (else late).

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use socket2::SockAddr;
use tokio::sync::Notify;

use super::line::{Line, held};
use super::message::{self, Error, Family};
use crate::net::before;

/// How many kinds of errors, and other addresses, are told apart.
const MOST_KINDS: usize = 16;
/// How much of a request's data is its own number.
const NONCE: usize = size_of::<u64>();
/// How far the wall clock may be ahead of the steady one before it must have been set in between.
const CLOCK_SLACK: Duration = Duration::from_millis(1);

/// An ICMP error in answer to a request.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Refusal {
    /// Of which version of ICMP the type and the code are.
    pub(crate) v6: bool,
    /// The ICMP type.
    pub(crate) kind: u8,
    /// The ICMP code.
    pub(crate) code: u8,
    /// Of "packet too big": what would go through.
    pub(crate) mtu: Option<u32>,
    /// Who says so.
    pub(crate) from: IpAddr,
}

impl Refusal {
    pub(super) fn new(family: Family, error: Error, from: IpAddr) -> Self {
        Self { v6: family == Family::V6, kind: error.kind, code: error.code, mtu: error.mtu, from }
    }
}

/// What came of one request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Fate {
    /// Nothing yet, or at all.
    Open,
    /// An echo reply, after this time.
    Answered(Duration),
    /// An ICMP error.
    Refused(Refusal),
    /// It could not be sent: the kernel's error number.
    Unsent(i32),
}

#[derive(Debug)]
struct Request {
    nonce: u64,
    sent_at: SystemTime,
    sent: Instant,
    fate: Fate,
}

/// What came of a series.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// What came of each request, in their order.
    pub(crate) fates: Vec<Fate>,
    /// Further replies to requests that had theirs.
    pub(crate) duplicates: u32,
    /// Replies after the time of their requests.
    pub(crate) late: u32,
    /// Replies with other data than was sent, or a wrong checksum.
    pub(crate) corrupted: u32,
    /// Replies from other addresses than the target.
    pub(crate) others: BTreeMap<IpAddr, u32>,
    /// Every ICMP error and how often it came.
    pub(crate) refusals: BTreeMap<Refusal, u32>,
    /// Whether there were more kinds of errors or addresses than are kept.
    pub(crate) left_out: bool,
}

impl Tally {
    /// Tells of the replies that do not count.
    fn tell(&self) {
        let others = self.others.values().sum();
        let rows = [
            (self.duplicates, "second replies"),
            (self.late, "late replies"),
            (self.corrupted, "replies with other data than was sent"),
            (others, "replies from other addresses"),
        ];
        for (count, words) in rows.iter().filter(|(count, _)| *count > 0) {
            tracing::debug!(target: "conversation", "* {count} {words}");
        }
    }
}

#[derive(Debug, Default)]
struct Progress {
    requests: Vec<Request>,
    tally: Tally,
}

/// What a line knows of a series.
#[derive(Debug)]
pub(super) struct Record {
    target: IpAddr,
    size: usize,
    wait: Duration,
    progress: Mutex<Progress>,
    changed: Notify,
}

impl Record {
    /// Starts the clock of a request; again, if it has to be sent again.
    pub(super) fn begin(&self, index: usize, nonce: u64) {
        let mut progress = held(&self.progress);
        progress.requests.truncate(index);
        progress.requests.push(Request { nonce, sent: Instant::now(), sent_at: SystemTime::now(), fate: Fate::Open });
    }

    /// Whether a request may still be answered.
    pub(super) fn waits_for(&self, index: usize) -> bool {
        let progress = held(&self.progress);
        // One that has its place and is not begun is about to be.
        progress
            .requests
            .get(index)
            .is_none_or(|request| request.fate == Fate::Open && request.sent.elapsed() <= self.wait)
    }

    /// Takes in an echo reply to a request.
    pub(super) fn reply(&self, index: usize, from: IpAddr, data: &[u8], sound: bool, stamp: Option<SystemTime>) {
        let mut progress = held(&self.progress);
        let Progress { requests, tally } = &mut *progress;
        let Some(request) = requests.get_mut(index) else { return };
        let intact = sound && data.len() == self.size && data_of(request.nonce, self.size).eq(data.iter().copied());
        let own = from == self.target || self.target.is_unspecified();
        match (intact, own) {
            (true, true) => {
                let time = request.time_until(stamp);
                match request.fate {
                    Fate::Answered(_) => tally.duplicates += 1,
                    _ if time > self.wait => tally.late += 1,
                    _ => {
                        request.fate = Fate::Answered(time);
                        self.changed.notify_one();
                    }
                }
            }
            (false, true) => tally.corrupted += 1,
            (true, false) => count(&mut tally.others, from, &mut tally.left_out),
            (false, false) => {}
        }
    }

    /// Takes in an ICMP error about a request; a reply that comes all the same counts more.
    pub(super) fn refuse(&self, index: usize, destination: IpAddr, refusal: Refusal) {
        if destination != self.target && !self.target.is_unspecified() {
            return;
        }
        let mut progress = held(&self.progress);
        let Progress { requests, tally } = &mut *progress;
        let Some(request) = requests.get_mut(index) else { return };
        count(&mut tally.refusals, refusal, &mut tally.left_out);
        if request.fate == Fate::Open {
            request.fate = Fate::Refused(refusal);
            self.changed.notify_one();
        }
    }
}

impl Request {
    /// From right before it was sent to when the kernel took the answer in. Both are times of the wall clock, so that
    /// the steady clock says whether somebody set it in between.
    fn time_until(&self, stamp: Option<SystemTime>) -> Duration {
        let most = self.sent.elapsed();
        let time = stamp.and_then(|stamp| stamp.duration_since(self.sent_at).ok());
        time.filter(|time| *time <= most + CLOCK_SLACK).unwrap_or(most)
    }
}

/// The data of a request: its number, as far as there is room for it, and a pattern.
fn data_of(nonce: u64, size: usize) -> impl Iterator<Item = u8> {
    nonce.to_be_bytes().into_iter().chain((NONCE..).map(pattern)).take(size)
}

#[expect(clippy::cast_possible_truncation, reason = "the low eight bits are the pattern")]
const fn pattern(at: usize) -> u8 {
    at as u8
}

fn count<K: Ord>(counts: &mut BTreeMap<K, u32>, key: K, left_out: &mut bool) {
    if counts.len() < MOST_KINDS || counts.contains_key(&key) {
        *counts.entry(key).or_default() += 1;
    } else {
        *left_out = true;
    }
}

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
        let record = Record { target, size, wait, progress: Mutex::default(), changed: Notify::new() };
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

    /// Whether waiting can change nothing any more. Where the host does answer, one that drew an error may still get
    /// its reply, and would be counted as lost.
    fn is_answered(&self) -> bool {
        let progress = held(&self.record.progress);
        let any = |is: fn(&Fate) -> bool| progress.requests.iter().any(|request| is(&request.fate));
        let mixed = any(|fate| matches!(fate, Fate::Refused(_))) && any(|fate| matches!(fate, Fate::Answered(_)));
        !(mixed || any(|fate| *fate == Fate::Open))
    }

    /// Ends the series. What has come by now counts, whether or not somebody had the time to look.
    pub(crate) fn finish(mut self) -> Tally {
        self.line.catch_up();
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
