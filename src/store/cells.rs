//! What the runs of one task and target add up to in one hour or day: a cell for each outcome, code and address.
//!
//! The cells of an hour are one value of the file, so that a question about months reads a few thousand values and no
//! runs, and a batch of runs writes each value once.

use probes::outcome::Verdict;

use super::pack::{put, take};

/// What an hour and a day are, in microseconds since 1970.
pub(super) const HOUR: i64 = 3_600_000_000;
pub(super) const DAY: i64 = 24 * HOUR;

/// One outcome, code and address, and the runs that had them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Cell {
    pub(super) key: Key,
    pub(super) runs: u64,
    /// Of their durations, in microseconds.
    pub(super) sum: u64,
    pub(super) min: u64,
    pub(super) max: u64,
}

/// What the runs of a cell have in common.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Key {
    pub(super) verdict: Verdict,
    /// The number of the code in the file; 0 for none.
    pub(super) code: i64,
    /// The number of the address in the file; 0 for none.
    pub(super) address: i64,
}

/// The number of a verdict in the file.
pub(super) const fn number(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Ok => 0,
        Verdict::Failed => 1,
        Verdict::Error => 2,
        Verdict::Skipped => 3,
        Verdict::Missed => 4,
    }
}

/// The verdict of a number.
pub(super) fn verdict(number: u64) -> Option<Verdict> {
    let all = [Verdict::Ok, Verdict::Failed, Verdict::Error, Verdict::Skipped, Verdict::Missed];
    all.get(usize::try_from(number).ok()?).copied()
}

/// Adds a run to cells.
pub(super) fn add(cells: &mut Vec<Cell>, key: Key, duration: u64) {
    match cells.iter_mut().find(|cell| cell.key == key) {
        Some(cell) => {
            cell.runs += 1;
            cell.sum = cell.sum.saturating_add(duration);
            cell.min = cell.min.min(duration);
            cell.max = cell.max.max(duration);
        }
        None => cells.push(Cell { key, runs: 1, sum: duration, min: duration, max: duration }),
    }
}

/// Cells as bytes.
pub(super) fn pack(cells: &[Cell]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(cells.len() * 16);
    for cell in cells {
        put(&mut bytes, u64::from(number(cell.key.verdict)));
        put(&mut bytes, cell.key.code.cast_unsigned());
        put(&mut bytes, cell.key.address.cast_unsigned());
        for number in [cell.runs, cell.sum, cell.min, cell.max] {
            put(&mut bytes, number);
        }
    }
    bytes
}

/// Bytes as cells, as far as they are whole.
pub(super) fn unpack(mut bytes: &[u8]) -> impl Iterator<Item = Cell> {
    std::iter::from_fn(move || {
        let mut next = || take(&mut bytes);
        let key = Key { verdict: verdict(next()?)?, code: next()?.cast_signed(), address: next()?.cast_signed() };
        Some(Cell { key, runs: next()?, sum: next()?, min: next()?, max: next()? })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_add_up_and_come_back() {
        let ok = Key { verdict: Verdict::Ok, code: 1, address: 7 };
        let failed = Key { verdict: Verdict::Failed, code: 300, address: 0 };
        let mut cells = Vec::new();
        for (key, duration) in [(ok, 20), (failed, 1_000_000), (ok, 10), (ok, 30)] {
            add(&mut cells, key, duration);
        }
        let wanted = [
            Cell { key: ok, runs: 3, sum: 60, min: 10, max: 30 },
            Cell { key: failed, runs: 1, sum: 1_000_000, min: 1_000_000, max: 1_000_000 },
        ];
        assert_eq!(cells, wanted);
        assert_eq!(unpack(&pack(&cells)).collect::<Vec<_>>(), wanted);
    }
}
