//! Numbers packed into bytes, small ones into few (LEB128).

use std::time::Duration;

use probes::phases::{Phase, Phases};

/// Appends a number.
pub(super) fn put(bytes: &mut Vec<u8>, mut number: u64) {
    loop {
        let [low, ..] = number.to_le_bytes();
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            break;
        }
        bytes.push(low | 0x80);
    }
}

/// Takes the next number off the front; nothing if there is none.
pub(super) fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

/// A time in whole microseconds, rounded as results show it.
pub(super) fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_nanos().saturating_add(500) / 1000).unwrap_or(u64::MAX)
}

/// The phases that were begun: which, as bits, and the microseconds of each.
pub(super) fn phases(phases: &Phases) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(16);
    put(&mut bytes, phases.iter().fold(0, |begun, (phase, _)| begun | 1 << phase as u64));
    phases.iter().for_each(|(_, time)| put(&mut bytes, micros(time)));
    bytes
}

/// The phases back again.
pub(super) fn unpack_phases(mut bytes: &[u8]) -> Phases {
    let mut phases = Phases::default();
    let begun = take(&mut bytes).unwrap_or(0);
    for phase in Phase::ALL.into_iter().filter(|phase| begun & (1 << *phase as u64) != 0) {
        let Some(time) = take(&mut bytes) else { break };
        phases.add(phase, Duration::from_micros(time));
    }
    phases
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back() {
        let numbers = [0, 1, 127, 128, 300, 1 << 35, u64::MAX];
        let mut bytes = Vec::new();
        for number in numbers {
            put(&mut bytes, number);
        }
        let mut rest = bytes.as_slice();
        assert_eq!(numbers.map(|_| take(&mut rest)), numbers.map(Some));
        assert_eq!(take(&mut rest), None);
        assert_eq!(take(&mut [0x80].as_slice()), None);
    }

    #[test]
    fn phases_come_back() {
        let mut wanted = Phases::default();
        wanted.add(Phase::Connect, Duration::from_micros(310));
        wanted.add(Phase::Rtt, Duration::ZERO);
        assert_eq!(unpack_phases(&phases(&wanted)), wanted);
        assert_eq!(unpack_phases(&[]), Phases::default());
    }
}
