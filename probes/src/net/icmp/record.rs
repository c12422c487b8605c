//! What came of each request of a series, and how an answer to one is judged.
//!
//! In this order: does it carry the data of the request (else it is corrupted), did it come from the target (else it is
//! another's), is it the first (else a duplicate), did it come within its time (else late).

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::Notify;

use super::line::held;
use super::message::{Error, Family};

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

/// One request.
#[derive(Debug)]
pub(super) struct Request {
    nonce: u64,
    sent_at: SystemTime,
    sent: Instant,
    /// Whether `sent_at` is the kernel's.
    departed: bool,
    pub(super) fate: Fate,
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
    pub(super) fn tell(&self) {
        let others = self.others.values().sum();
        let rows = [
            (self.duplicates, "second replies"),
            (self.late, "late replies"),
            (self.corrupted, "replies with other data or with a wrong checksum"),
            (others, "replies from other addresses"),
        ];
        for (count, words) in rows.iter().filter(|(count, _)| *count > 0) {
            tracing::debug!(target: "conversation", "* {count} {words}");
        }
    }
}

/// How far a series is.
#[derive(Debug, Default)]
pub(super) struct Progress {
    pub(super) requests: Vec<Request>,
    pub(super) tally: Tally,
}

/// What a line knows of a series.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) target: IpAddr,
    pub(super) size: usize,
    wait: Duration,
    pub(super) progress: Mutex<Progress>,
    /// Rings when a request has its answer.
    pub(super) changed: Notify,
}

impl Record {
    pub(super) fn new(target: IpAddr, size: usize, wait: Duration) -> Self {
        Self { target, size, wait, progress: Mutex::default(), changed: Notify::new() }
    }

    /// Starts the clock of a request; again, if it has to be sent again.
    pub(super) fn begin(&self, index: usize, nonce: u64) {
        let mut progress = held(&self.progress);
        progress.requests.truncate(index);
        let (sent, sent_at) = (Instant::now(), SystemTime::now());
        progress.requests.push(Request { nonce, sent, sent_at, departed: false, fate: Fate::Open });
    }

    /// Whether it is still to be learned when a request left.
    pub(super) fn lacks_departure(&self, index: usize) -> bool {
        held(&self.progress).requests.get(index).is_some_and(|request| !request.departed)
    }

    /// A request left through its device at this time of the kernel's, which is later than that of its handing over.
    pub(super) fn depart(&self, index: usize, stamp: SystemTime) {
        let mut progress = held(&self.progress);
        let Some(request) = progress.requests.get_mut(index) else { return };
        let later = stamp.duration_since(request.sent_at).ok();
        // An earlier one is that of another request which had the number before, or of a clock that was set.
        if later.is_some_and(|later| later <= request.sent.elapsed()) && !request.departed {
            request.sent_at = stamp;
            request.departed = true;
        }
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
    /// From when the kernel sent it to when it took the answer in. Both are times of the wall clock, so that the steady
    /// clock says whether somebody set it in between.
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
pub(super) const fn pattern(at: usize) -> u8 {
    at as u8
}

fn count<K: Ord>(counts: &mut BTreeMap<K, u32>, key: K, left_out: &mut bool) {
    if counts.len() < MOST_KINDS || counts.contains_key(&key) {
        *counts.entry(key).or_default() += 1;
    } else {
        *left_out = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGET: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    const STRANGER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::BROADCAST);

    fn sent(size: usize) -> Record {
        let record = Record::new(TARGET, size, Duration::from_secs(1));
        record.begin(0, 7);
        record
    }

    fn fate(record: &Record) -> Fate {
        held(&record.progress).requests[0].fate
    }

    #[test]
    fn a_reply_is_one_of_its_own_data_from_the_target_in_time() {
        for size in [0, 3, 8, 56, 1000] {
            let record = sent(size);
            let good: Vec<u8> = data_of(7, size).collect();
            record.reply(0, TARGET, &data_of(7, size + 1).collect::<Vec<_>>(), true, None);
            record.reply(0, TARGET, &good, false, None);
            record.reply(0, STRANGER, &good, true, None);
            record.reply(0, STRANGER, &good, false, None);
            record.reply(1, TARGET, &good, true, None);
            assert_eq!(fate(&record), Fate::Open, "{size}");
            assert!(record.waits_for(0));
            record.reply(0, TARGET, &good, true, None);
            assert!(matches!(fate(&record), Fate::Answered(_)), "{size}");
            record.reply(0, TARGET, &good, true, None);
            let Progress { tally, .. } = &*held(&record.progress);
            assert_eq!((tally.corrupted, tally.duplicates, tally.late), (2, 1, 0));
            assert_eq!(tally.others, BTreeMap::from([(STRANGER, 1)]));
        }
    }

    #[test]
    fn the_kernels_stamp_decides_unless_the_clock_was_set() {
        let data: Vec<u8> = data_of(7, 56).collect();
        let record = sent(56);
        let sent_at = held(&record.progress).requests[0].sent_at;
        std::thread::sleep(Duration::from_millis(5));
        record.reply(0, TARGET, &data, true, sent_at.checked_add(Duration::from_millis(2)));
        assert_eq!(fate(&record), Fate::Answered(Duration::from_millis(2)));
        for hours in [Duration::from_secs(3600), Duration::ZERO] {
            let record = sent(56);
            let stamp = sent_at.checked_add(hours).and_then(|stamp| stamp.checked_sub(Duration::from_secs(60)));
            record.reply(0, TARGET, &data, true, stamp);
            assert!(matches!(fate(&record), Fate::Answered(time) if time < Duration::from_secs(1)));
        }
    }

    #[test]
    fn the_clock_starts_when_the_request_leaves() {
        let data: Vec<u8> = data_of(7, 56).collect();
        let record = sent(56);
        assert!(record.lacks_departure(0) && !record.lacks_departure(1));
        let sent_at = held(&record.progress).requests[0].sent_at;
        std::thread::sleep(Duration::from_millis(5));
        let after = |time: u64| sent_at + Duration::from_millis(time);
        // Neither one of long ago nor one of the future is its own, nor is a second one.
        record.depart(0, after(0) - Duration::from_millis(1));
        record.depart(0, after(60_000));
        record.depart(0, after(1));
        record.depart(0, after(2));
        assert!(!record.lacks_departure(0));
        record.reply(0, TARGET, &data, true, Some(after(3)));
        assert_eq!(fate(&record), Fate::Answered(Duration::from_millis(2)));
    }

    #[test]
    fn kinds_of_errors_are_counted_within_bounds() {
        let record = sent(56);
        for code in 0..=255 {
            let refusal = Refusal { v6: false, kind: 3, code, mtu: None, from: STRANGER };
            record.refuse(0, STRANGER, refusal);
            record.refuse(0, TARGET, refusal);
        }
        let Progress { tally, .. } = &*held(&record.progress);
        assert_eq!((tally.refusals.len(), tally.left_out), (MOST_KINDS, true));
        assert!(tally.refusals.values().all(|count| *count == 1));
    }
}
