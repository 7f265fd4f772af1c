//! Drains: waits for the last requests of instances that are to go. There are few, so that all threads share these.

use std::sync::atomic::{AtomicU64, Ordering};

/// How drains ended, and how many go on.
#[derive(Debug, Default)]
pub(crate) struct Drains {
    /// Those that go on.
    pub(crate) running: AtomicU64,
    /// Those after which nothing was under way.
    pub(crate) complete: AtomicU64,
    /// Those whose time was over before.
    pub(crate) overdue: AtomicU64,
}

/// A drain that goes on. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Drain<'a>(&'a Drains);

impl Drains {
    /// Counts a drain.
    pub(crate) fn begin(&self) -> Drain<'_> {
        self.running.fetch_add(1, Ordering::Relaxed);
        Drain(self)
    }
}

impl Drain<'_> {
    /// Counts how it ended.
    pub(crate) fn end(self, complete: bool) {
        let counter = if complete { &self.0.complete } else { &self.0.overdue };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Drain<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::Relaxed);
    }
}
