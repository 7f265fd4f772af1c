//! Where requests wait while an app has no instance to send them to, and one is expected.
//!
//! A request waits with its head in memory and its body unread, so what a place costs is bounded, and so are the
//! places of an app. Whoever waits is woken by the next table, on whichever thread it sits; nobody asks in a loop
//! whether there is one. The one exception is an instance that is in the table and refuses connections: no table
//! says when it stops doing so, so it is tried again, less and less often.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use crate::fault::Fault;
use crate::settings::Waiting;

/// The pause before a refused connection is tried again; each is twice as long as the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// The requests of one app that wait. Kept from table to table.
#[derive(Debug, Default)]
pub(crate) struct WaitingRoom {
    waiting: AtomicUsize,
    tables: watch::Sender<u64>,
}

/// A request that waits. Dropping it, as happens when its client goes away, makes room for another one.
#[derive(Debug)]
pub(crate) struct Seat {
    room: Arc<WaitingRoom>,
    tables: watch::Receiver<u64>,
    deadline: Instant,
    pause: Duration,
}

impl WaitingRoom {
    /// How many wait.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Wakes all that wait: there is a new table.
    pub(crate) fn wake(&self) {
        self.tables.send_modify(|number| *number = number.wrapping_add(1));
    }

    /// Takes a seat, unless all are taken.
    ///
    /// Tables that are published from now on wake it, so the one in force has to be looked at once more.
    pub(crate) fn enter(room: &Arc<Self>, limits: Waiting) -> Result<Seat, Fault> {
        let before = room.waiting.fetch_add(1, Ordering::Relaxed);
        let seat = Seat {
            room: Arc::clone(room),
            tables: room.tables.subscribe(),
            deadline: Instant::now() + limits.time,
            pause: FIRST_PAUSE,
        };
        if before < limits.requests { Ok(seat) } else { Err(Fault::TooManyWaiting) }
    }
}

impl Seat {
    /// Waits for the next table; false if the time is over.
    pub(crate) async fn next_table(&mut self) -> bool {
        // An error means that the router is gone, which is as good as time that is over.
        timeout_at(self.deadline, self.tables.changed()).await.is_ok_and(|changed| changed.is_ok())
    }

    /// Waits for the next table, or until a refused connection may be tried again; false if the time is over.
    pub(crate) async fn next_try(&mut self) -> bool {
        let until = self.deadline.min(Instant::now() + self.pause);
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        match timeout_at(until, self.tables.changed()).await {
            Ok(changed) => changed.is_ok(),
            Err(_) => Instant::now() < self.deadline,
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.room.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(requests: usize) -> Waiting {
        Waiting { requests, time: Duration::from_millis(20) }
    }

    #[tokio::test]
    async fn places_are_counted_and_given_back() {
        let room = Arc::new(WaitingRoom::default());
        let first = WaitingRoom::enter(&room, limits(1)).unwrap();
        assert!(matches!(WaitingRoom::enter(&room, limits(1)), Err(Fault::TooManyWaiting)));
        drop(first);
        let mut second = WaitingRoom::enter(&room, limits(1)).unwrap();
        assert!(!second.next_table().await, "no table came");
    }

    #[tokio::test]
    async fn a_table_between_entering_and_waiting_is_not_missed() {
        let room = Arc::new(WaitingRoom::default());
        let mut seat = WaitingRoom::enter(&room, limits(1)).unwrap();
        room.wake();
        assert!(seat.next_table().await);
    }
}
