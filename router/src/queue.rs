//! Where requests wait for a place at an instance, where the number of places is limited: first come, first served.
//!
//! Only the first in the queue looks for a place, so that there is no crowd to wake and no order to get wrong, and
//! only it is told when a request ends, on whichever worker that happens. tokio's semaphore is fair, which makes it
//! the queue: its one permit is the right to be the first.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::futures::Notified;
use tokio::sync::{Notify, Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout_at};

/// How long the first waits before it looks again without being told: an ejection ends by itself.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// The queue of one app. Kept from table to table.
#[derive(Debug)]
pub(crate) struct Queue {
    waiting: AtomicUsize,
    first: Semaphore,
    ended: Notify,
}

impl Default for Queue {
    fn default() -> Self {
        Self { waiting: AtomicUsize::new(0), first: Semaphore::new(1), ended: Notify::new() }
    }
}

/// A request in the queue. Dropping it, as happens when its client goes away, leaves it.
#[derive(Debug)]
pub(crate) struct Waiting<'a> {
    queue: &'a Queue,
    deadline: Instant,
}

/// The request that is first.
#[derive(Debug)]
pub(crate) struct First<'a> {
    waiting: Waiting<'a>,
    /// Held for its drop, which makes the next one the first.
    _turn: SemaphorePermit<'a>,
}

impl Queue {
    /// How many wait.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::SeqCst)
    }

    /// Goes to the end of the queue, unless it is as long as it may be.
    pub(crate) fn enter(&self, limit: usize, deadline: Instant) -> Option<Waiting<'_>> {
        let before = self.waiting.fetch_add(1, Ordering::SeqCst);
        let waiting = Waiting { queue: self, deadline };
        (before < limit).then_some(waiting)
    }

    /// Says that there may be a place: a request has ended, or there is a new table.
    ///
    /// The count of requests was changed before and the queue's length is read after, both sequentially consistent;
    /// who waits does it in the opposite order, so that one of the two sees the other.
    pub(crate) fn wake(&self) {
        if self.waiting() > 0 {
            self.ended.notify_one();
        }
    }
}

impl<'a> Waiting<'a> {
    /// Waits to be the first; not for longer than the deadline.
    pub(crate) async fn first(self) -> Option<First<'a>> {
        // The semaphore is never closed.
        let turn = timeout_at(self.deadline, self.queue.first.acquire()).await.ok()?.ok()?;
        Some(First { waiting: self, _turn: turn })
    }
}

impl First<'_> {
    /// To be asked for before a place is looked for, so that none that comes free in between is missed.
    pub(crate) fn next_end(&self) -> Notified<'_> {
        self.waiting.queue.ended.notified()
    }

    /// Waits until it is worth looking again; false if the time is over.
    pub(crate) async fn wait(&self, next_end: Notified<'_>) -> bool {
        let until = self.waiting.deadline.min(Instant::now() + LOOK_AGAIN);
        // Whether it was told or not, it looks again.
        timeout_at(until, next_end).await.is_ok() || Instant::now() < self.waiting.deadline
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.queue.waiting.fetch_sub(1, Ordering::SeqCst);
        // It may have been told of a place that it did not take.
        self.queue.wake();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(20)
    }

    #[test]
    fn the_queue_has_an_end_and_who_leaves_makes_room() {
        let queue = Queue::default();
        let first = queue.enter(2, soon()).unwrap();
        let second = queue.enter(2, soon());
        assert!(second.is_some() && queue.enter(2, soon()).is_none());
        drop(first);
        assert_eq!(queue.waiting(), 1);
        assert!(queue.enter(2, soon()).is_some());
    }

    #[tokio::test]
    async fn first_come_first_served_even_if_somebody_leaves() {
        let queue = Arc::new(Queue::default());
        let order = Arc::new(std::sync::Mutex::new(Vec::new()));
        let first = queue.enter(9, soon()).unwrap().first().await.unwrap();
        let mut tasks = Vec::new();
        for number in 0..5 {
            let (own, order) = (Arc::clone(&queue), Arc::clone(&order));
            tasks.push(tokio::spawn(async move {
                let first = own.enter(9, soon()).unwrap().first().await;
                order.lock().unwrap().push(number);
                drop(first);
            }));
            while queue.waiting() < number + 2 {
                tokio::task::yield_now().await;
            }
        }
        tasks.remove(2).abort();
        drop(first);
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(*order.lock().unwrap(), [0, 1, 3, 4]);
        assert_eq!(queue.waiting(), 0);
    }

    #[tokio::test]
    async fn time_that_is_over_ends_the_wait_of_the_first_and_of_the_others() {
        let queue = Queue::default();
        let first = queue.enter(9, soon()).unwrap().first().await.unwrap();
        assert!(queue.enter(9, Instant::now()).unwrap().first().await.is_none());
        drop(first);
        let late = queue.enter(9, Instant::now()).unwrap().first().await.unwrap();
        // It may have been told once that somebody left.
        assert!(!late.wait(late.next_end()).await || !late.wait(late.next_end()).await);
    }

    #[tokio::test]
    async fn an_end_between_the_look_and_the_wait_is_not_missed() {
        let queue = Queue::default();
        let first = queue.enter(9, soon()).unwrap().first().await.unwrap();
        let next_end = first.next_end();
        queue.wake();
        // Told, not by the clock, which would say so only after a quarter of a second.
        assert!(tokio::time::timeout(Duration::ZERO, next_end).await.is_ok());
    }
}
