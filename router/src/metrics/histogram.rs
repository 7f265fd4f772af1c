//! How long things take, in fixed classes.

use std::time::Duration;

use crate::metrics::counter::Counter;

/// The upper bounds of the classes in microseconds; a last one takes the rest.
const BOUNDS: [u64; 16] = [
    1_000,
    2_500,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    30_000_000,
    60_000_000,
    300_000_000,
];

/// Durations by class, written by one thread.
#[derive(Debug, Default)]
pub(crate) struct Histogram {
    counts: [Counter; BOUNDS.len()],
    beyond: Counter,
    microseconds: Counter,
}

/// The same, added up over threads.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Durations {
    /// The upper bound of each class in seconds, and how many are in it and in none before it.
    pub(crate) classes: Vec<(f64, u64)>,
    microseconds: u64,
}

impl Histogram {
    /// Notes one.
    pub(crate) fn observe(&self, duration: Duration) {
        let microseconds = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        // Most are in one of the first classes, so that looking from there is faster than halving.
        let class = BOUNDS.iter().zip(&self.counts).find(|(bound, _)| microseconds <= **bound);
        class.map_or(&self.beyond, |(_, count)| count).increment();
        self.microseconds.add(microseconds);
    }
}

impl Default for Durations {
    fn default() -> Self {
        let bounds = BOUNDS.iter().map(|bound| *bound as f64 / 1e6);
        Self { classes: bounds.chain([f64::INFINITY]).map(|bound| (bound, 0)).collect(), microseconds: 0 }
    }
}

impl Durations {
    /// Adds those of a thread.
    pub(crate) fn add(&mut self, histogram: &Histogram) {
        let counts = histogram.counts.iter().chain([&histogram.beyond]);
        for ((_, sum), count) in self.classes.iter_mut().zip(counts) {
            *sum += count.get();
        }
        self.microseconds += histogram.microseconds.get();
    }

    /// How many there are.
    pub(crate) fn count(&self) -> u64 {
        self.classes.iter().map(|(_, count)| count).sum()
    }

    /// All of them together, in seconds.
    pub(crate) fn seconds(&self) -> f64 {
        self.microseconds as f64 / 1e6
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_in_the_first_class_that_holds_it() {
        let histogram = Histogram::default();
        for microseconds in [0, 1_000, 1_001, 60_000_000, 1_000_000_000] {
            histogram.observe(Duration::from_micros(microseconds));
        }
        let mut durations = Durations::default();
        durations.add(&histogram);
        durations.add(&Histogram::default());
        let filled: Vec<_> = durations.classes.iter().filter(|(_, count)| *count > 0).copied().collect();
        assert_eq!(filled, [(0.001, 2), (0.0025, 1), (60.0, 1), (f64::INFINITY, 1)]);
        assert_eq!((durations.count(), durations.seconds()), (5, 1_060.002_001));
    }
}
