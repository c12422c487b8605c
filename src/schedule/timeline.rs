//! The wall clock as the schedule sees it: carried on by the monotonic clock, and corrected to what the machine's
//! clock says, so that a jump is seen as what it is.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::grid::{Nanos, nanos};

/// The wall clock, by the monotonic clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timeline {
    instant: Instant,
    wall: Nanos,
}

/// The machine's clock is not where the time that has passed puts it: it was set, or the machine was suspended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Jump {
    /// It is ahead by so much.
    Ahead(Duration),
    /// It is behind by so much.
    Back(Duration),
}

/// What is less is the clock being steered, and followed in silence.
const JUMP: Duration = Duration::from_secs(1);

impl Timeline {
    /// Begins where both clocks are.
    pub(super) fn new(instant: Instant, wall: SystemTime) -> Self {
        Self { instant, wall: nanos(wall.duration_since(UNIX_EPOCH).unwrap_or_default()) }
    }

    /// The wall clock at an instant.
    pub(super) fn wall(&self, instant: Instant) -> Nanos {
        self.wall.saturating_add(nanos(instant.saturating_duration_since(self.instant)))
    }

    /// The instant at which the wall clock shows something.
    pub(super) fn instant(&self, wall: Nanos) -> Instant {
        // Nothing in the schedule is further away than this.
        const FAR: Duration = Duration::from_secs(366 * 24 * 60 * 60);
        let distance = Duration::from_nanos(wall.abs_diff(self.wall)).min(FAR);
        if wall >= self.wall {
            self.instant + distance
        } else {
            self.instant.checked_sub(distance).unwrap_or(self.instant)
        }
    }

    /// Takes over what the machine's clocks say, and says whether that was a jump.
    pub(super) fn follow(&mut self, instant: Instant, wall: SystemTime) -> Option<Jump> {
        let expected = self.wall(instant);
        *self = Self::new(instant, wall);
        let difference = Duration::from_nanos(self.wall.abs_diff(expected));
        (difference >= JUMP).then_some(if self.wall > expected {
            Jump::Ahead(difference)
        } else {
            Jump::Back(difference)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jumps_are_seen_and_steering_is_followed() {
        let (begin, wall) = (Instant::now(), UNIX_EPOCH + Duration::from_secs(1000));
        let second = Duration::from_secs(1);
        let rows = [
            (10.0, None),
            (10.4, None),
            (9.6, None),
            (11.0, Some(Jump::Ahead(second))),
            (9.0, Some(Jump::Back(second))),
            (3610.0, Some(Jump::Ahead(Duration::from_secs(3600)))),
        ];
        for (shown, jump) in rows {
            let mut timeline = Timeline::new(begin, wall);
            let (later, shown) = (begin + 10 * second, wall + Duration::from_secs_f64(shown));
            assert_eq!(timeline.follow(later, shown), jump, "{shown:?}");
            assert_eq!(timeline.wall(later), nanos(shown.duration_since(UNIX_EPOCH).unwrap()));
            assert_eq!(timeline.instant(timeline.wall(later) + 5), later + Duration::from_nanos(5));
        }
    }
}
