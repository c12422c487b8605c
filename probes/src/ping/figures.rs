//! What came of a series, in figures: the evidence of a ping.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use super::errors;
use crate::evidence::{Echoes, IcmpError, Rtt};
use crate::net::connect::kernel_words;
use crate::net::icmp::{Fate, Refusal, Tally};

pub(super) fn of(tally: &Tally) -> (Echoes, Vec<IcmpError>) {
    let unsent: Vec<i32> = tally.fates.iter().filter_map(errno).collect();
    let times: Vec<Duration> = tally.fates.iter().filter_map(time).collect();
    let echoes = Echoes {
        sent: tally.fates.len() - unsent.len(),
        unsent: unsent.len(),
        received: times.len(),
        loss: share(tally.fates.len() - times.len(), tally.fates.len()),
        rtt: rtt(&times),
        jitter: jitter(&times),
        duplicates: tally.duplicates,
        late: tally.late,
        corrupted: tally.corrupted,
        other_addresses: tally.others.clone(),
    };
    let errors = tally.refusals.iter().map(refused).chain(kernel_errors(&unsent)).collect();
    (echoes, errors)
}

/// The error number of a request that could not be sent.
pub(super) const fn errno(fate: &Fate) -> Option<i32> {
    match fate {
        Fate::Unsent(errno) => Some(*errno),
        Fate::Open | Fate::Answered(_) | Fate::Refused(_) => None,
    }
}

const fn time(fate: &Fate) -> Option<Duration> {
    match fate {
        Fate::Answered(time) => Some(*time),
        Fate::Open | Fate::Refused(_) | Fate::Unsent(_) => None,
    }
}

fn refused((refusal, count): (&Refusal, &u32)) -> IcmpError {
    IcmpError {
        name: errors::name(refusal).to_owned(),
        kind: Some(refusal.kind),
        code: Some(refusal.code),
        from: Some(refusal.from),
        mtu: refusal.mtu,
        errno: None,
        count: *count,
    }
}

fn kernel_errors(unsent: &[i32]) -> impl Iterator<Item = IcmpError> + use<> {
    let mut counts: BTreeMap<i32, u32> = BTreeMap::new();
    for errno in unsent {
        *counts.entry(*errno).or_default() += 1;
    }
    counts.into_iter().map(|(errno, count)| IcmpError {
        name: kernel_words(&io::Error::from_raw_os_error(errno)),
        kind: None,
        code: None,
        from: None,
        mtu: None,
        errno: Some(errno),
        count,
    })
}

#[expect(clippy::cast_precision_loss, reason = "a series is short")]
fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

fn rtt(times: &[Duration]) -> Option<Rtt> {
    let (min, max) = (*times.iter().min()?, *times.iter().max()?);
    let seconds: Vec<f64> = times.iter().map(Duration::as_secs_f64).collect();
    let avg = mean(&seconds);
    let squares: Vec<f64> = seconds.iter().map(|time| (time - avg).powi(2)).collect();
    let duration = |seconds: f64| Duration::try_from_secs_f64(seconds).unwrap_or_default();
    Some(Rtt { min, avg: duration(avg), max, stddev: duration(mean(&squares).sqrt()) })
}

/// The mean difference between the time of one reply and the next.
fn jitter(times: &[Duration]) -> Option<Duration> {
    let steps: Vec<f64> = times.windows(2).map(|pair| pair[0].abs_diff(pair[1]).as_secs_f64()).collect();
    (!steps.is_empty()).then(|| Duration::try_from_secs_f64(mean(&steps)).unwrap_or_default())
}

#[expect(clippy::cast_precision_loss, reason = "a series is short")]
fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn figures_are_of_the_replies_and_loss_is_of_all() {
        let fates = vec![
            Fate::Answered(ms(10)),
            Fate::Open,
            Fate::Answered(ms(20)),
            Fate::Unsent(libc::EPERM),
            Fate::Answered(ms(30)),
        ];
        let (icmp, errors) = of(&Tally { fates, ..Tally::default() });
        assert_eq!((icmp.sent, icmp.unsent, icmp.received), (4, 1, 3));
        assert!((icmp.loss - 0.4).abs() < 1e-9, "{}", icmp.loss);
        let rtt = icmp.rtt.expect("there were replies");
        assert_eq!((rtt.min, rtt.avg, rtt.max, icmp.jitter), (ms(10), ms(20), ms(30), Some(ms(10))));
        assert_eq!(rtt.stddev.as_micros(), 8_164);
        assert_eq!(errors.len(), 1);
    }

    #[test]
    fn no_reply_has_no_times() {
        let (icmp, _) = of(&Tally { fates: vec![Fate::Open], ..Tally::default() });
        assert!(icmp.rtt.is_none() && icmp.jitter.is_none());
        assert_eq!(of(&Tally::default()).0.loss.to_bits(), 0);
    }
}
