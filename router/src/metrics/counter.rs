//! Words that one thread writes and all may read.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    /// Adds to it. Only the counter's own thread may, since this is a load and a store and not one step: a step would
    /// lock the cache line, which costs ten times as much.
    pub(crate) fn add(&self, count: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(count), Ordering::Relaxed);
    }

    /// Adds one.
    pub(crate) fn increment(&self) {
        self.add(1);
    }

    /// What it is.
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How many there are of something that begins and ends on the counter's own thread.
#[derive(Debug, Default)]
pub(crate) struct Level {
    /// How many have begun.
    pub(crate) begun: Counter,
    ended: Counter,
}

impl Level {
    /// One begins.
    pub(crate) fn begin(&self) {
        self.begun.increment();
    }

    /// One ends.
    pub(crate) fn end(&self) {
        self.ended.increment();
    }

    /// How many there are.
    pub(crate) fn now(&self) -> u64 {
        // Read in this order, an end that comes in between cannot make it negative.
        let ended = self.ended.get();
        self.begun.get().saturating_sub(ended)
    }
}
