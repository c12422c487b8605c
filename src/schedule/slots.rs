//! Which run begins when: slots that come, places that are free, and who waits for one. Pure: whoever calls says what
//! the time is, and does what comes of it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap, VecDeque};

use probes::codes::Protocol;
use probes::outcome::Idle;

use super::grid::{Grid, Key, Nanos};
use crate::settings::daemon::Schedule as Limits;

/// What is to be done.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Event {
    /// A run begins, which was due then.
    Begin { key: Key, due: Nanos },
    /// So many slots, from `due` on, get no run.
    Idle { key: Key, due: Nanos, why: Idle, count: u64 },
}

/// Who has slots, which, and what is spoken in them.
pub(super) type Due = (Key, Grid, Protocol);

/// All slots to come, and the places.
#[derive(Debug, Default)]
pub(super) struct Slots {
    lanes: HashMap<Key, Lane>,
    /// When each lane's next slot comes; what no longer fits its lane is passed over.
    coming: BinaryHeap<Reverse<(Nanos, Key)>>,
    /// What runs, whether its lane is still there or not.
    under_way: HashMap<Key, Protocol>,
    used: BTreeMap<Protocol, u32>,
    queues: BTreeMap<Protocol, VecDeque<(u64, Key)>>,
    waiting: usize,
    tickets: u64,
    limits: Limits,
}

/// The slots of one key.
#[derive(Clone, Copy, Debug)]
struct Lane {
    grid: Grid,
    protocol: Protocol,
    next: Nanos,
    waiting: Option<Waiting>,
}

/// A run that is due and has no place yet.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    ticket: u64,
    due: Nanos,
}

impl Slots {
    /// Takes over who has slots, and how many may run. Whoever had them already keeps them, and what it waits for.
    pub(super) fn replace(&mut self, lanes: Vec<Due>, limits: Limits, now: Nanos) {
        let mut old = std::mem::take(&mut self.lanes);
        self.limits = limits;
        self.lanes = lanes
            .into_iter()
            .map(|(key, grid, protocol)| {
                let kept = old.remove(&key).filter(|lane| lane.grid == grid && lane.protocol == protocol);
                (key, kept.unwrap_or(Lane { grid, protocol, next: grid.after(now), waiting: None }))
            })
            .collect();
        self.waiting = self.lanes.values().filter(|lane| lane.waiting.is_some()).count();
        self.list();
    }

    /// After the clock was set back: the slots to come are those after this instant.
    pub(super) fn restart(&mut self, now: Nanos) {
        self.lanes.values_mut().for_each(|lane| lane.next = lane.grid.after(now));
        self.list();
    }

    fn list(&mut self) {
        self.coming = self.lanes.iter().map(|(key, lane)| Reverse((lane.next, *key))).collect();
    }

    /// When the next slot comes.
    pub(super) fn next(&self) -> Option<Nanos> {
        self.coming.peek().map(|Reverse((next, _))| *next)
    }

    /// How many runs are under way.
    pub(super) fn running(&self) -> usize {
        self.under_way.len()
    }

    /// How many runs wait for a place.
    pub(super) const fn waiting(&self) -> usize {
        self.waiting
    }

    /// What is to be done at the slots that have come.
    pub(super) fn advance(&mut self, now: Nanos) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some(Reverse((due, key))) = self.coming.peek().copied().filter(|Reverse((due, _))| *due <= now) {
            self.coming.pop();
            let Some(lane) = self.lanes.get_mut(&key).filter(|lane| lane.next == due) else { continue };
            let (latest, passed) = lane.grid.latest(due, now);
            lane.next = latest.saturating_add(lane.grid.interval());
            self.coming.push(Reverse((lane.next, key)));
            if passed > 0 {
                events.push(Event::Idle { key, due, why: Idle::Passed, count: passed });
            }
            events.extend(self.come(key, latest));
        }
        events
    }

    /// The run of a key has ended: its place is free.
    pub(super) fn ended(&mut self, key: Key) -> Vec<Event> {
        self.forget(key);
        self.admit()
    }

    /// The same, where nobody is to get the place.
    pub(super) fn forget(&mut self, key: Key) {
        if let Some(protocol) = self.under_way.remove(&key)
            && let Some(used) = self.used.get_mut(&protocol)
        {
            *used = used.saturating_sub(1);
        }
    }

    /// Gives free places to those who wait longest.
    pub(super) fn admit(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some((key, due)) = self.first() {
            self.begin(key);
            events.push(Event::Begin { key, due });
        }
        events
    }

    /// A slot has come.
    fn come(&mut self, key: Key, due: Nanos) -> Option<Event> {
        let lane = self.lanes.get_mut(&key)?;
        let idle = |due, why| Some(Event::Idle { key, due, why, count: 1 });
        if let Some(waiting) = &mut lane.waiting {
            // The new slot takes the old one's place in the queue, or a lane with a short interval would never be first.
            let old = std::mem::replace(&mut waiting.due, due);
            return idle(old, Idle::Busy);
        }
        if self.under_way.contains_key(&key) {
            return idle(due, Idle::Overlap);
        }
        let protocol = lane.protocol;
        if self.has_room(protocol) {
            self.begin(key);
            return Some(Event::Begin { key, due });
        }
        self.tickets += 1;
        self.waiting += 1;
        let ticket = self.tickets;
        self.lanes.get_mut(&key)?.waiting = Some(Waiting { ticket, due });
        self.queues.entry(protocol).or_default().push_back((ticket, key));
        None
    }

    fn begin(&mut self, key: Key) {
        if let Some(lane) = self.lanes.get(&key) {
            self.under_way.insert(key, lane.protocol);
            *self.used.entry(lane.protocol).or_default() += 1;
        }
    }

    fn has_room(&self, protocol: Protocol) -> bool {
        let all = u32::try_from(self.under_way.len()).unwrap_or(u32::MAX);
        let own = self.used.get(&protocol).copied().unwrap_or(0);
        all < self.limits.concurrency && self.limits.per_protocol.get(&protocol).is_none_or(|most| own < *most)
    }

    /// Takes out of the queues who has waited longest of those that there is room for.
    fn first(&mut self) -> Option<(Key, Nanos)> {
        let lanes = &self.lanes;
        let holds = |(ticket, key): &(u64, Key)| {
            lanes.get(key).and_then(|lane| lane.waiting).is_some_and(|waiting| waiting.ticket == *ticket)
        };
        for queue in self.queues.values_mut() {
            while queue.front().is_some_and(|entry| !holds(entry)) {
                queue.pop_front();
            }
        }
        let heads = self.queues.iter().filter_map(|(protocol, queue)| Some((queue.front()?.0, *protocol)));
        let (_, protocol) = heads.filter(|(_, protocol)| self.has_room(*protocol)).min()?;
        let (_, key) = self.queues.get_mut(&protocol)?.pop_front()?;
        let waiting = self.lanes.get_mut(&key)?.waiting.take()?;
        self.waiting -= 1;
        Some((key, waiting.due))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SECOND: Nanos = 1_000_000_000;
    /// When the tests begin: long after 1970, as always.
    const BEGIN: Nanos = 1_700_000_000 * SECOND;

    fn key(name: &str) -> Key {
        Key::of(name, "", 0)
    }

    fn lane(name: &str, seconds: u64, protocol: Protocol) -> Due {
        (key(name), Grid::of(key(name), Duration::from_secs(seconds)), protocol)
    }

    fn limits(concurrency: u32, http: u32) -> Limits {
        Limits { concurrency, per_protocol: BTreeMap::from([(Protocol::Http, http)]) }
    }

    fn slots(lanes: &[Due], limits: Limits) -> Slots {
        let mut slots = Slots::default();
        slots.replace(lanes.to_vec(), limits, BEGIN);
        slots
    }

    fn begin(name: &str, due: Nanos) -> Event {
        Event::Begin { key: key(name), due }
    }

    fn idle(name: &str, due: Nanos, why: Idle, count: u64) -> Event {
        Event::Idle { key: key(name), due, why, count }
    }

    #[test]
    fn every_slot_gets_its_run() {
        let mut slots = slots(&[lane("a", 10, Protocol::Http)], limits(9, 9));
        let first = slots.next().unwrap();
        assert!((BEGIN..BEGIN + 10 * SECOND).contains(&first));
        assert_eq!(slots.advance(first - 1), []);
        for nth in 0..5 {
            let due = first + nth * 10 * SECOND;
            assert_eq!(slots.next(), Some(due));
            assert_eq!(slots.advance(due), [begin("a", due)]);
            assert_eq!(slots.ended(key("a")), []);
        }
    }

    #[test]
    fn a_run_does_not_overlap_the_one_before_it() {
        let mut slots = slots(&[lane("a", 10, Protocol::Http)], limits(9, 9));
        let first = slots.next().unwrap();
        slots.advance(first);
        let second = first + 10 * SECOND;
        assert_eq!(slots.advance(second), [idle("a", second, Idle::Overlap, 1)]);
        assert_eq!(slots.ended(key("a")), []);
        assert_eq!(slots.advance(second + 10 * SECOND), [begin("a", second + 10 * SECOND)]);
    }

    /// Neither a machine that sleeps for a day nor a clock that is set ahead gives more than one run and one record.
    #[test]
    fn slots_that_passed_give_one_record_and_one_run() {
        let mut slots = slots(&[lane("a", 10, Protocol::Http)], limits(9, 9));
        let first = slots.next().unwrap();
        let now = first + 86_405 * SECOND;
        let latest = first + 86_400 * SECOND;
        assert_eq!(slots.advance(now), [idle("a", first, Idle::Passed, 8640), begin("a", latest)]);
        assert_eq!(slots.advance(now), []);
        assert_eq!(slots.next(), Some(latest + 10 * SECOND));
    }

    #[test]
    fn a_clock_that_is_set_back_does_not_stop_anything() {
        let mut slots = slots(&[lane("a", 10, Protocol::Http)], limits(9, 9));
        let first = slots.next().unwrap();
        slots.restart(first - 3600 * SECOND);
        assert_eq!(slots.next(), Some(first - 3590 * SECOND));
    }

    #[test]
    fn who_has_waited_longest_is_next_and_protocols_do_not_hold_each_other_up() {
        let lanes = [
            lane("a", 10, Protocol::Http),
            lane("b", 10, Protocol::Http),
            lane("c", 10, Protocol::Http),
            lane("d", 10, Protocol::Ping),
        ];
        let mut slots = slots(&lanes, limits(2, 1));
        let events = slots.advance(BEGIN + 10 * SECOND - 1);
        let begun: Vec<_> = events.iter().map(|event| key_of(*event)).collect();
        assert_eq!(begun.len(), 2, "{events:?}");
        assert!(begun.contains(&key("d")), "one of HTTP, and PING beside it: {events:?}");
        assert_eq!((slots.running(), slots.waiting()), (2, 2));
        let mut waiting: Vec<_> = lanes.iter().filter(|lane| !begun.contains(&lane.0)).collect();
        waiting.sort_by_key(|lane| lane.1.after(BEGIN));
        assert_eq!(slots.ended(key("d")), [], "HTTP has one place only");
        let http = begun.into_iter().find(|begun| *begun != key("d")).unwrap();
        let mut freed = http;
        for lane in waiting {
            let events = slots.ended(freed);
            assert_eq!(events, [Event::Begin { key: lane.0, due: lane.1.after(BEGIN) }]);
            freed = lane.0;
        }
        assert_eq!(slots.ended(freed), []);
        assert_eq!((slots.running(), slots.waiting()), (0, 0));
    }

    #[test]
    fn who_waits_until_the_next_slot_is_skipped_and_keeps_the_place_in_the_queue() {
        let (a, b, c) = (lane("a", 10, Protocol::Ping), lane("b", 10, Protocol::Ping), lane("c", 10, Protocol::Ping));
        let mut slots = slots(&[a], limits(1, 1));
        let now = slots.next().unwrap();
        assert_eq!(slots.advance(now), [begin("a", now)]);
        slots.replace(vec![b], limits(1, 1), now);
        let (first, second) = (b.1.after(now), b.1.after(now) + 10 * SECOND);
        assert_eq!(slots.advance(first), []);
        slots.replace(vec![b, c], limits(1, 1), first);
        let other = c.1.after(first);
        assert_eq!(slots.advance(other.min(second - 1)), []);
        let mut events = slots.advance(second);
        events.retain(|event| key_of(*event) == key("b"));
        assert_eq!(events, [idle("b", first, Idle::Busy, 1)]);
        assert_eq!(slots.ended(key("a")), [begin("b", second)]);
    }

    #[test]
    fn a_reload_keeps_the_slots_of_those_that_stay() {
        let (a, b) = (lane("a", 10, Protocol::Http), lane("b", 10, Protocol::Http));
        let mut slots = slots(&[a, b], limits(9, 9));
        let first = a.1.after(BEGIN);
        slots.advance(first);
        let next = slots.lanes[&key("a")].next;
        slots.replace(vec![a, lane("c", 10, Protocol::Http)], limits(9, 9), first);
        assert_eq!(slots.lanes[&key("a")].next, next);
        assert_eq!(slots.running(), 1 + usize::from(b.1.after(BEGIN) < first), "runs under way go on");
        assert!(!slots.lanes.contains_key(&key("b")));
        assert_eq!(slots.advance(next).iter().filter(|event| key_of(**event) == key("b")).count(), 0);
        // What has another interval has other slots.
        slots.replace(vec![lane("a", 60, Protocol::Http)], limits(9, 9), next);
        assert_eq!(slots.next(), Some(lane("a", 60, Protocol::Http).1.after(next)));
    }

    #[test]
    fn one_that_was_removed_and_is_back_does_not_overlap_its_own_run() {
        let a = lane("a", 10, Protocol::Http);
        let mut slots = slots(&[a], limits(9, 9));
        let first = slots.next().unwrap();
        slots.advance(first);
        slots.replace(Vec::new(), limits(9, 9), first);
        assert_eq!((slots.next(), slots.running()), (None, 1));
        slots.replace(vec![a], limits(9, 9), first);
        let second = first + 10 * SECOND;
        assert_eq!(slots.advance(second), [idle("a", second, Idle::Overlap, 1)]);
    }

    #[test]
    fn fewer_places_hold_for_the_runs_to_come() {
        let lanes = [lane("a", 10, Protocol::Http), lane("b", 10, Protocol::Http)];
        let mut slots = slots(&lanes, limits(2, 2));
        slots.advance(BEGIN + 10 * SECOND - 1);
        assert_eq!(slots.running(), 2);
        slots.replace(lanes.to_vec(), limits(1, 1), BEGIN + 10 * SECOND - 1);
        slots.ended(key("a"));
        assert_eq!(slots.running(), 1);
        slots.advance(lanes[0].1.after(BEGIN) + 10 * SECOND);
        assert_eq!((slots.running(), slots.waiting()), (1, 1));
    }

    fn key_of(event: Event) -> Key {
        match event {
            Event::Begin { key, .. } | Event::Idle { key, .. } => key,
        }
    }
}
