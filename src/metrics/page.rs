//! The page that Prometheus fetches, made piece by piece: of ten thousand targets it is too big for one.

use std::sync::Arc;

use super::family::Family;
use super::reading::Reading;
use super::series::{FAILURES, LAST, PHASE_NAMES, RUNS, Series};
use super::text::{Kind, begin};

/// How big a piece becomes, about.
const PIECE: usize = 64 * 1024;

/// A page under way. Every sample about the last run of a target is of one and the same run.
#[derive(Debug)]
pub struct Page {
    agent: Option<String>,
    series: Vec<(Arc<Series>, Option<Arc<Reading>>)>,
    /// The family that is being written, and the series that is next in it.
    at: (usize, usize),
}

/// Writes the samples of one series.
type Write = fn(&Series, &mut String);

/// What is written after the families of the last run.
const COUNTS: [(&str, &str, Kind, Write); 4] = [
    (LAST, "When the last run that says something about the target ended.", Kind::Gauge, Series::write_last),
    (
        RUNS,
        "Runs by what they came to; error, skipped and missed say nothing about the target.",
        Kind::Counter,
        Series::write_runs,
    ),
    (FAILURES, "Failed runs by the documented code they ended with.", Kind::Counter, Series::write_failures),
    (PHASE_NAMES.family, "How long the phases of the runs took.", Kind::Histogram, Series::write_phases),
];

impl Page {
    pub(super) fn new(agent: String, series: Vec<Arc<Series>>) -> Self {
        let with_last = |series: Arc<Series>| {
            let last = series.last();
            (series, last)
        };
        Self { agent: Some(agent), series: series.into_iter().map(with_last).collect(), at: (0, 0) }
    }

    /// Writes on in a family; whether it is at its end.
    fn go_on(&mut self, piece: &mut String) -> bool {
        let (family, next) = self.at;
        match Family::ALL.get(family) {
            Some(family) => self.last_runs(*family, next, piece),
            None => self.counts(family - Family::ALL.len(), next, piece),
        }
    }

    fn last_runs(&mut self, family: Family, from: usize, piece: &mut String) -> bool {
        let having =
            |entry: &(Arc<Series>, Option<Arc<Reading>>)| entry.1.as_ref().is_some_and(|last| last.has(family));
        if from == 0 && self.series.iter().any(having) {
            begin(piece, family.name(), family.help(), Kind::Gauge);
        }
        for (index, (series, last)) in self.series.iter().enumerate().skip(from) {
            if piece.len() >= PIECE {
                self.at.1 = index;
                return false;
            }
            if let Some(last) = last.as_ref().filter(|last| last.has(family)) {
                last.write(piece, family, series.labels());
            }
        }
        true
    }

    fn counts(&mut self, count: usize, from: usize, piece: &mut String) -> bool {
        let Some((name, help, kind, write)) = COUNTS.get(count) else { return true };
        if from == 0 && !self.series.is_empty() {
            begin(piece, name, help, *kind);
        }
        for (index, (series, _)) in self.series.iter().enumerate().skip(from) {
            if piece.len() >= PIECE {
                self.at.1 = index;
                return false;
            }
            write(series, piece);
        }
        true
    }
}

impl Iterator for Page {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        if let Some(agent) = self.agent.take() {
            return Some(agent);
        }
        let mut piece = String::with_capacity(PIECE + PIECE / 8);
        while self.at.0 < Family::ALL.len() + COUNTS.len() {
            if !self.go_on(&mut piece) {
                return Some(piece);
            }
            self.at = (self.at.0 + 1, 0);
        }
        (!piece.is_empty()).then_some(piece)
    }
}
