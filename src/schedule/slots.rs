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
    pub(super) fn replace(&mut self, lanes: Vec<(Key, Grid, Protocol)>, limits: Limits, now: Nanos) {
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
