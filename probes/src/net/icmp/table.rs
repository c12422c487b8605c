//! The requests under way on one line, by sequence number.

use std::collections::HashMap;
use std::sync::Arc;

use super::record::Record;

/// Who waits for the answer to which sequence number.
#[derive(Debug, Default)]
pub(super) struct Table {
    entries: HashMap<u16, (Arc<Record>, usize)>,
    /// The next ticket.
    next: u64,
}

/// Tickets count on without end, sequence numbers begin anew after 65,536 of them.
#[expect(clippy::cast_possible_truncation, reason = "the low sixteen bits are the sequence number")]
pub(super) const fn sequence_of(ticket: u64) -> u16 {
    ticket as u16
}

impl Table {
    /// Gives a request a ticket whose sequence number no other one under way has; `None` if all are taken. One that has
    /// its answer, or whose time is over, is kept for duplicates only, and makes way.
    pub(super) fn enter(&mut self, record: &Arc<Record>, index: usize) -> Option<u64> {
        for _ in 0..=u16::MAX {
            let ticket = self.next;
            self.next += 1;
            let sequence = sequence_of(ticket);
            if self.entries.get(&sequence).is_none_or(|(record, index)| !record.waits_for(*index)) {
                self.entries.insert(sequence, (Arc::clone(record), index));
                return Some(ticket);
            }
        }
        None
    }

    /// Forgets requests of a series; numbers that others have by now stay theirs.
    pub(super) fn forget(&mut self, record: &Arc<Record>, sequences: &[u16]) {
        for sequence in sequences {
            if self.entries.get(sequence).is_some_and(|(owner, _)| Arc::ptr_eq(owner, record)) {
                self.entries.remove(sequence);
            }
        }
    }

    /// Whose request has this number.
    pub(super) fn whose(&self, sequence: u16) -> Option<(Arc<Record>, usize)> {
        self.entries.get(&sequence).cloned()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn record(wait: Duration) -> Arc<Record> {
        Arc::new(Record::new([127, 0, 0, 1].into(), 0, wait))
    }

    #[test]
    fn a_number_is_given_once_until_it_is_free_again() {
        let (mut table, patient) = (Table::default(), record(Duration::from_secs(60)));
        let sequences: Vec<u16> = (0..=usize::from(u16::MAX))
            .map(|index| {
                let ticket = table.enter(&patient, index).expect("there is room");
                patient.begin(index, ticket);
                sequence_of(ticket)
            })
            .collect();
        let other = record(Duration::from_secs(60));
        assert_eq!(table.enter(&other, 0), None);
        patient.reply(77, [127, 0, 0, 1].into(), &[], true, None);
        let ticket = table.enter(&other, 0).expect("one has its answer");
        assert_eq!(usize::from(sequence_of(ticket)), 77);
        assert!(ticket > u64::from(u16::MAX));
        table.forget(&patient, &sequences);
        assert!(table.whose(76).is_none());
        assert!(table.whose(77).is_some_and(|(owner, index)| Arc::ptr_eq(&owner, &other) && index == 0));
    }

    #[test]
    fn a_number_whose_time_is_over_makes_way() {
        let (mut table, hasty) = (Table::default(), record(Duration::ZERO));
        for index in 0..=usize::from(u16::MAX) {
            let ticket = table.enter(&hasty, index).expect("there is room");
            hasty.begin(index, ticket);
        }
        assert!(table.enter(&record(Duration::ZERO), 0).is_some());
    }
}
