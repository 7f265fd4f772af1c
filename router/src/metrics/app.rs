//! What is counted of one app's requests, and of those that belong to no app.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use crate::metrics::counter::{Counter, Level};
use crate::metrics::histogram::{Durations, Histogram};

/// Codes that one worker tells apart for one app. There are fewer; beyond that they count as one.
const CODES: usize = 48;

/// The counters of all workers for one app.
#[derive(Debug)]
pub(crate) struct AppMetrics(Box<[AppCounters]>);

/// The counters of one worker for one app, on cache lines of their own.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct AppCounters {
    /// Answers by the first digit of their status; the first is for what has none.
    classes: [Counter; 6],
    codes: OnceLock<Box<[Code; CODES]>>,
    /// From the head of a request to the end of its answer; not for upgraded connections, which last as they last.
    pub(crate) service: Histogram,
    /// From the last byte of a request to the first of its answer.
    pub(crate) first_byte: Histogram,
    /// For new connections to instances.
    pub(crate) connect: Histogram,
    /// For a place at an instance, for requests that had to wait for one.
    pub(crate) queue: Histogram,
    /// Of requests' bodies.
    pub(crate) received_bytes: Counter,
    /// Of answers' bodies and upgraded connections.
    pub(crate) sent_bytes: Counter,
    /// Requests sent a second time.
    pub(crate) retries: Counter,
    /// Instances taken out of the choice.
    pub(crate) ejections: Counter,
    /// Upgraded connections.
    pub(crate) tunnels: Level,
}

#[derive(Debug, Default)]
struct Code {
    name: OnceLock<&'static str>,
    count: Counter,
}

/// All that is counted of an app, added up.
#[derive(Clone, Debug, Default)]
pub(crate) struct AppTotals {
    pub(crate) classes: [u64; 6],
    pub(crate) codes: BTreeMap<&'static str, u64>,
    pub(crate) service: Durations,
    pub(crate) first_byte: Durations,
    pub(crate) connect: Durations,
    pub(crate) queue: Durations,
    pub(crate) received_bytes: u64,
    pub(crate) sent_bytes: u64,
    pub(crate) retries: u64,
    pub(crate) ejections: u64,
    pub(crate) tunnels: u64,
}

impl AppMetrics {
    /// Counters for so many workers.
    pub(crate) fn new(workers: usize) -> Self {
        Self((0..workers).map(|_| AppCounters::default()).collect())
    }

    /// A worker's own.
    pub(crate) fn of(&self, worker: usize) -> Option<&AppCounters> {
        self.0.get(worker)
    }

    /// All together.
    pub(crate) fn totals(&self) -> AppTotals {
        let mut totals = AppTotals::default();
        for counters in &self.0 {
            counters.add_to(&mut totals);
        }
        totals
    }
}

impl AppCounters {
    /// Counts an answer.
    pub(crate) fn count(&self, status: u16, code: Option<&'static str>) {
        let class = self.classes.get(usize::from(status / 100)).or(self.classes.first());
        if let Some(class) = class {
            class.increment();
        }
        if let Some(code) = code {
            self.count_code(code);
        }
    }

    fn count_code(&self, code: &'static str) {
        let codes = self.codes.get_or_init(|| Box::new(std::array::from_fn(|_| Code::default())));
        // Only this thread fills them, so that a free one is free.
        let own = |slot: &&Code| *slot.name.get_or_init(|| code) == code;
        if let Some(slot) = codes.iter().find(own) {
            slot.count.increment();
        }
    }

    /// Adds it to what others have.
    pub(crate) fn add_to(&self, totals: &mut AppTotals) {
        for (total, class) in totals.classes.iter_mut().zip(&self.classes) {
            *total += class.get();
        }
        for code in self.codes.get().iter().flat_map(|codes| codes.iter()) {
            if let Some(name) = code.name.get() {
                *totals.codes.entry(name).or_default() += code.count.get();
            }
        }
        totals.service.add(&self.service);
        totals.first_byte.add(&self.first_byte);
        totals.connect.add(&self.connect);
        totals.queue.add(&self.queue);
        totals.received_bytes += self.received_bytes.get();
        totals.sent_bytes += self.sent_bytes.get();
        totals.retries += self.retries.get();
        totals.ejections += self.ejections.get();
        totals.tunnels += self.tunnels.now();
    }

    /// How many answers there were.
    pub(crate) fn answers(&self) -> u64 {
        self.classes.iter().map(Counter::get).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_workers_counted_is_added_up() {
        let metrics = AppMetrics::new(2);
        let (first, second) = (metrics.of(0).unwrap(), metrics.of(1).unwrap());
        first.count(200, None);
        first.count(503, Some("H20"));
        second.count(503, Some("H11"));
        second.count(503, Some("H20"));
        second.count(700, None);
        second.tunnels.begin();
        first.tunnels.begin();
        first.tunnels.end();
        assert!(metrics.of(2).is_none());
        let totals = metrics.totals();
        assert_eq!(totals.classes, [1, 0, 1, 0, 0, 3]);
        assert_eq!(totals.codes, BTreeMap::from([("H11", 1), ("H20", 2)]));
        assert_eq!(totals.tunnels, 1);
        assert_eq!(first.answers(), 2);
    }
}
