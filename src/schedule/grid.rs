//! The slots of one task and target: instants of the wall clock that are one interval apart, for ever. Where they lie
//! is a hash of the names, so that they are the same after every restart and those of many tasks are spread.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sha2::{Digest as _, Sha256};

/// An instant of the wall clock: nanoseconds since 1970.
pub(super) type Nanos = u64;

/// Who has slots: a task and one of its targets, by the hash of their names.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(super) struct Key(u128);

impl Key {
    /// The key of a task and a target; `nth` counts from 0 where a task names the same target again.
    pub(super) fn of(task: &str, target: &str, nth: usize) -> Self {
        let mut hash = Sha256::new();
        for part in [task.as_bytes(), target.as_bytes(), &(nth as u64).to_le_bytes()] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        let digest = hash.finalize();
        Self(digest.iter().take(16).fold(0, |key, byte| key << 8 | u128::from(*byte)))
    }
}

/// All slots of a key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Grid {
    interval: Nanos,
    phase: Nanos,
}

impl Grid {
    /// The grid of a key with an interval.
    pub(super) fn of(key: Key, interval: Duration) -> Self {
        let interval = nanos(interval).max(1);
        let phase = u64::try_from(key.0 % u128::from(interval)).unwrap_or(0);
        Self { interval, phase }
    }

    /// The time from one slot to the next.
    pub(super) const fn interval(self) -> Nanos {
        self.interval
    }

    /// The first slot after an instant.
    pub(super) const fn after(self, now: Nanos) -> Nanos {
        match now.checked_sub(self.phase) {
            None => self.phase,
            Some(since) => self.phase.saturating_add((since / self.interval + 1).saturating_mul(self.interval)),
        }
    }

    /// The last of the slots from `slot` on that is not after an instant, and how many lie before it.
    pub(super) const fn latest(self, slot: Nanos, now: Nanos) -> (Nanos, u64) {
        let passed = now.saturating_sub(slot) / self.interval;
        (slot.saturating_add(passed.saturating_mul(self.interval)), passed)
    }
}

/// A duration in nanoseconds.
pub(super) fn nanos(duration: Duration) -> Nanos {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// An instant as it is kept with results.
pub(super) fn wall_clock(at: Nanos) -> SystemTime {
    UNIX_EPOCH + Duration::from_nanos(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Nanos = 1_000_000_000;

    #[test]
    fn slots_are_an_interval_apart() {
        let grid = Grid { interval: 10, phase: 3 };
        for (now, after) in [(0, 3), (2, 3), (3, 13), (12, 13), (13, 23), (1000, 1003)] {
            assert_eq!(grid.after(now), after, "after {now}");
        }
        for (slot, now, latest) in [(3, 3, (3, 0)), (3, 12, (3, 0)), (3, 13, (13, 1)), (3, 1009, (1003, 100))] {
            assert_eq!(grid.latest(slot, now), latest, "from {slot} to {now}");
        }
    }

    /// What a version did, every later one has to do: a restart must not move anybody's slots.
    #[test]
    fn slots_stay_over_versions() {
        let grid = Grid::of(Key::of("shop-front", "https://shop.example.com/", 0), Duration::from_secs(60));
        assert_eq!(grid, Grid { interval: 60 * SECOND, phase: 39_633_391_274 });
    }

    #[test]
    fn slots_of_many_are_spread() {
        let mut tenths = [0_u32; 10];
        for number in 0..10_000 {
            let key = Key::of(&format!("task-{number}"), "http://127.0.0.1/", 0);
            let tenth = Grid::of(key, Duration::from_secs(10)).phase / SECOND;
            tenths[usize::try_from(tenth).unwrap()] += 1;
        }
        assert!(tenths.iter().all(|count| (850..1150).contains(count)), "{tenths:?}");
    }

    #[test]
    fn the_same_target_twice_has_two_keys() {
        assert_ne!(Key::of("a", "b", 0), Key::of("a", "b", 1));
        assert_ne!(Key::of("ab", "", 0), Key::of("a", "b", 0));
    }
}
