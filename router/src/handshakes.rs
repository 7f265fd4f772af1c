//! How many TLS handshakes a worker has under way at a time.
//!
//! A handshake that nobody ends holds memory and a descriptor until its deadline. Where there are too many, the oldest
//! goes: a client that means it is done within a few round trips, so that the oldest are those of clients that do not,
//! and none of the others has to wait for them.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use tokio::sync::Notify;

/// The handshakes of one worker.
#[derive(Debug)]
pub(crate) struct Handshakes {
    limit: usize,
    begun: Cell<u64>,
    /// By number, so that the first is the oldest. Never borrowed across an await.
    under_way: RefCell<BTreeMap<u64, Rc<Notify>>>,
}

/// A handshake that is under way for as long as this is kept.
#[derive(Debug)]
pub(crate) struct UnderWay<'a> {
    of: &'a Handshakes,
    number: u64,
    displaced: Rc<Notify>,
}

impl Handshakes {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, begun: Cell::new(0), under_way: RefCell::default() }
    }

    /// Counts a handshake, in place of the oldest one if there is no room.
    pub(crate) fn begin(&self) -> UnderWay<'_> {
        let number = self.begun.get();
        self.begun.set(number + 1);
        let mut under_way = self.under_way.borrow_mut();
        if under_way.len() >= self.limit
            && let Some((_, oldest)) = under_way.pop_first()
        {
            oldest.notify_one();
        }
        let displaced = Rc::new(Notify::new());
        under_way.insert(number, Rc::clone(&displaced));
        UnderWay { of: self, number, displaced }
    }
}

impl UnderWay<'_> {
    /// Returns when another took its place.
    pub(crate) async fn displaced(&self) {
        self.displaced.notified().await;
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.of.under_way.borrow_mut().remove(&self.number);
    }
}
