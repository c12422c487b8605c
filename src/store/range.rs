//! A range of time as whole days, whole hours and edges, so that what adds up a range is exact and reads little.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::cells::{DAY, HOUR};

/// A part of a range, from its first microsecond to the one before its end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Part {
    /// Whole days.
    Days(i64, i64),
    /// Whole hours.
    Hours(i64, i64),
    /// Single runs.
    Runs(i64, i64),
}

/// The parts of a range, none of them empty.
pub(super) fn parts(since: i64, until: i64) -> Vec<Part> {
    let (first_hour, last_hour) = (up(since, HOUR), down(until, HOUR));
    if first_hour >= last_hour {
        return if since < until { vec![Part::Runs(since, until)] } else { Vec::new() };
    }
    let (first_day, last_day) = (up(first_hour, DAY), down(last_hour, DAY));
    let middle = if first_day < last_day {
        vec![Part::Hours(first_hour, first_day), Part::Days(first_day, last_day), Part::Hours(last_day, last_hour)]
    } else {
        vec![Part::Hours(first_hour, last_hour)]
    };
    let mut parts = vec![Part::Runs(since, first_hour)];
    parts.extend(middle);
    parts.push(Part::Runs(last_hour, until));
    parts.retain(|part| {
        let (Part::Days(from, to) | Part::Hours(from, to) | Part::Runs(from, to)) = part;
        from < to
    });
    parts
}

/// A range that ends now has no end: the sums of the hour under way have all there is, and its runs need not be read one
/// by one.
pub(super) fn open_end(until: i64) -> i64 {
    const NOW: i64 = 1_000_000;
    if until.saturating_add(NOW) < micros(SystemTime::now()) { until } else { up(until, HOUR) }
}

/// The last whole unit not after a time.
pub(super) const fn down(time: i64, unit: i64) -> i64 {
    time.div_euclid(unit) * unit
}

/// The first whole unit not before a time.
pub(super) const fn up(time: i64, unit: i64) -> i64 {
    let whole = down(time, unit);
    if whole == time { whole } else { whole.saturating_add(unit) }
}

/// Microseconds since 1970.
pub(super) fn micros(time: SystemTime) -> i64 {
    let after = |time: Duration| i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => after(since),
        Err(before) => -after(before.duration()),
    }
}

/// The time of so many microseconds since 1970.
pub(super) fn time(micros: i64) -> SystemTime {
    let distance = Duration::from_micros(micros.unsigned_abs());
    if micros < 0 { UNIX_EPOCH - distance } else { UNIX_EPOCH + distance }
}

/// The least id of a run that began at a time or in the same millisecond.
pub(super) fn least_id(micros: i64) -> [u8; 16] {
    let milliseconds = u64::try_from(micros / 1000).unwrap_or(0).min((1 << 48) - 1);
    ulid::Ulid::from_parts(milliseconds, 0).to_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_the_sum_of_its_parts() {
        let rows = [
            (5, 5, vec![]),
            (5, 90, vec![Part::Runs(5, 90)]),
            (0, HOUR, vec![Part::Hours(0, HOUR)]),
            (1, HOUR, vec![Part::Runs(1, HOUR)]),
            (HOUR - 1, HOUR + 1, vec![Part::Runs(HOUR - 1, HOUR + 1)]),
            (
                HOUR - 1,
                3 * DAY + HOUR + 7,
                vec![
                    Part::Runs(HOUR - 1, HOUR),
                    Part::Hours(HOUR, DAY),
                    Part::Days(DAY, 3 * DAY),
                    Part::Hours(3 * DAY, 3 * DAY + HOUR),
                    Part::Runs(3 * DAY + HOUR, 3 * DAY + HOUR + 7),
                ],
            ),
        ];
        for (since, until, wanted) in rows {
            assert_eq!(parts(since, until), wanted, "{since} to {until}");
        }
    }
}
