//! The timers of a step: the earliest fires, and at the same instant the narrower one counts.
//!
//! Connect, TLS and receive timers are narrower than the one of the step, that is narrower than the one of the round, and
//! that than the one of the task. One of the three that is not set ends with the step, a step timer that is not set with
//! the round: it then ends together with a wider one. Together with the step's, the narrower one counts as always; together
//! with the round's or the task's it does in the first step of a round only, since in a later one the steps before it
//! have used up the time.

use std::time::{Duration, Instant};

use super::fault::{Fault, Limit};
use crate::fault::Failure;
use crate::phases::Phases;

/// Timers that are started at one instant of the program are meant to end at the same instant, if they are as long.
const SAME: Duration = Duration::from_millis(5);

/// The wider timers of a step under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    /// When the step began.
    pub(super) begun: Instant,
    /// The end of the step, where it has a timer of its own.
    pub(super) step: Option<Instant>,
    /// The end of the round, where it has a timer of its own.
    pub(super) round: Option<Instant>,
    /// The end of the task.
    pub(super) task: Instant,
    /// Whether the step is the first of a round.
    pub(super) first: bool,
}

/// Which timer fired.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Fired {
    /// The one of what the step is doing.
    Narrow,
    /// A wider one.
    Wide(Limit),
}

impl Clock {
    /// When the first of them ends.
    pub(super) fn end(&self) -> Instant {
        [self.step, self.round].into_iter().flatten().fold(self.task, Instant::min)
    }

    /// Whether the time is over before the step does anything more.
    pub(super) fn over(&self, now: Instant) -> Option<Limit> {
        (now >= self.end()).then(|| self.narrowest(self.end()))
    }

    /// The failure of a step at the end of the first of them.
    pub(super) fn late(&self, detail: &str) -> Failure<Fault> {
        Failure { fault: Fault::Limit(self.narrowest(self.end())), detail: detail.to_owned(), errno: None }
    }

    /// The time of the step that no phase took: the agent's own, which must not decide which timer counts.
    pub(super) fn overhead(&self, phases: &Phases) -> Duration {
        let spent: Duration = phases.iter().map(|(_, time)| time).sum();
        self.begun.elapsed().saturating_sub(spent)
    }

    /// Which timer ended what the step was doing, where the one for that is set to `limit` and has run for `spent`.
    pub(super) fn fired(&self, limit: Option<Duration>, spent: Duration, now: Instant) -> Fired {
        let end = self.end();
        if now < end {
            return Fired::Narrow;
        }
        match limit {
            Some(limit) if spent + SAME >= limit => Fired::Narrow,
            Some(_) => Fired::Wide(self.narrowest(end)),
            // It ends with the narrowest of the wider ones that is set.
            None => match (self.step, self.round) {
                (Some(step), _) if step <= end + SAME => Fired::Narrow,
                (None, Some(round)) if round <= end + SAME && self.first => Fired::Narrow,
                (None, None) if self.first => Fired::Narrow,
                _ => Fired::Wide(self.narrowest(end)),
            },
        }
    }

    /// The narrowest of the wider timers that are set and end then.
    fn narrowest(&self, end: Instant) -> Limit {
        let ends = |timer: Option<Instant>| timer.is_some_and(|timer| timer <= end + SAME);
        if ends(self.step) {
            Limit::Step
        } else if ends(self.round) {
            Limit::Round
        } else {
            Limit::Task
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seconds of the step's, the round's and the task's timer, 0 for one that is not set.
    fn clock(step: u64, round: u64, task: u64, first: bool) -> (Clock, Instant) {
        let begun = Instant::now();
        let at = |seconds: u64| begun + Duration::from_secs(seconds);
        let set = |seconds: u64| (seconds > 0).then(|| at(seconds));
        let clock = Clock { begun, step: set(step), round: set(round), task: at(task), first };
        (clock, clock.end())
    }

    #[test]
    fn the_earliest_counts_and_then_the_narrower() {
        use Fired::{Narrow, Wide};
        // Step, round and task timer; whether the step is the first; the narrow timer and how long it has run.
        let rows = [
            ((1, 0, 9, true), Some(5), 1, Wide(Limit::Step)),
            ((1, 0, 9, false), Some(5), 1, Wide(Limit::Step)),
            ((1, 0, 9, true), Some(1), 1, Narrow),
            ((1, 0, 9, false), Some(1), 1, Narrow),
            ((1, 0, 9, true), None, 1, Narrow),
            ((1, 0, 9, false), None, 1, Narrow),
            ((1, 1, 9, false), Some(5), 1, Wide(Limit::Step)),
            ((1, 1, 9, false), None, 1, Narrow),
            ((2, 1, 9, true), None, 1, Wide(Limit::Round)),
            ((2, 1, 9, true), Some(1), 1, Narrow),
            ((2, 0, 1, true), None, 1, Wide(Limit::Task)),
            ((0, 1, 9, true), None, 1, Narrow),
            ((0, 1, 9, false), None, 1, Wide(Limit::Round)),
            ((0, 1, 9, false), Some(1), 1, Narrow),
            ((0, 1, 9, true), Some(5), 1, Wide(Limit::Round)),
            ((0, 1, 1, false), None, 1, Wide(Limit::Round)),
            ((0, 0, 1, true), None, 1, Narrow),
            ((0, 0, 1, false), None, 1, Wide(Limit::Task)),
            ((0, 0, 1, true), Some(5), 1, Wide(Limit::Task)),
            ((0, 5, 1, true), None, 1, Wide(Limit::Task)),
        ];
        for (index, ((step, round, task, first), limit, spent, wanted)) in rows.into_iter().enumerate() {
            let (clock, end) = clock(step, round, task, first);
            let fired = clock.fired(limit.map(Duration::from_secs), Duration::from_secs(spent), end);
            assert_eq!(fired, wanted, "row {index}");
        }
    }

    #[test]
    fn before_the_end_only_the_narrow_one_can_have_fired() {
        let (clock, end) = clock(1, 1, 1, false);
        let before = end.checked_sub(Duration::from_millis(1)).expect("time goes on");
        assert_eq!(clock.fired(None, Duration::ZERO, before), Fired::Narrow);
        assert_eq!((clock.over(before), clock.over(end)), (None, Some(Limit::Step)));
    }
}
