//! How long things took: counts below bounds, and the sum.

use std::time::Duration;

use super::text::{count, sample};

/// The bounds of durations of phases, in seconds.
pub(super) const PHASES: [f64; 10] = [0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];
/// The bounds of lateness, in seconds.
pub(super) const LATENESS: [f64; 10] = [0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1.0, 5.0, 60.0];

/// Counts below ten bounds, and above them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Histogram {
    counts: [u32; 11],
    sum: f64,
}

impl Histogram {
    /// Counts one duration.
    pub(super) fn observe(&mut self, bounds: &[f64; 10], time: Duration) {
        let seconds = time.as_secs_f64();
        let bucket = bounds.partition_point(|bound| *bound < seconds);
        self.counts[bucket] = self.counts[bucket].wrapping_add(1);
        self.sum += seconds;
    }

    /// Writes the samples.
    pub(super) fn write(&self, page: &mut String, name: &Names, bounds: &[f64; 10], labels: (&str, &str)) {
        let mut below = 0;
        let mut bound = String::with_capacity(32);
        for (index, number) in self.counts.iter().enumerate() {
            below += u64::from(*number);
            bound.clear();
            bound.push_str(labels.1);
            let end = bounds.get(index).map_or_else(|| "+Inf".to_owned(), ToString::to_string);
            super::text::label(&mut bound, "le", &end);
            sample(page, name.bucket, (labels.0, &bound), count(below));
        }
        sample(page, name.sum, labels, self.sum);
        sample(page, name.count, labels, count(below));
    }
}

/// The names of a histogram's samples.
pub(super) struct Names {
    /// Of the family.
    pub(super) family: &'static str,
    /// Of the counts below a bound.
    pub(super) bucket: &'static str,
    /// Of the sum.
    pub(super) sum: &'static str,
    /// Of the count.
    pub(super) count: &'static str,
}
