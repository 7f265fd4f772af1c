//! What the two halves of an exchange tell each other: that bytes moved, and that the request has been sent.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Poll, ready};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::fault::Fault;

/// Shared by a request's body, the wait for its answer, and the answer's body; all on one thread.
#[derive(Debug)]
pub(crate) struct Progress {
    last: Cell<Instant>,
    request_sent: Cell<bool>,
    client_fault: Cell<Option<Fault>>,
    waiting_for_client: Cell<bool>,
    answer_fault: Cell<Option<Fault>>,
    held: Cell<bool>,
    changed: Notify,
}

/// Nothing moved for too long.
#[derive(Debug)]
pub(crate) struct Stalled;

impl Progress {
    pub(crate) fn new(request_sent: bool) -> Self {
        Self {
            last: Cell::new(Instant::now()),
            request_sent: Cell::new(request_sent),
            client_fault: Cell::new(None),
            waiting_for_client: Cell::new(false),
            answer_fault: Cell::new(None),
            held: Cell::new(false),
            changed: Notify::new(),
        }
    }

    /// Notes that bytes moved.
    pub(crate) fn touch(&self) {
        self.last.set(Instant::now());
    }

    /// Whether bytes moved in the last while.
    pub(crate) fn moved_within(&self, time: Duration) -> bool {
        self.last.get().elapsed() < time
    }

    /// For how long nothing has moved.
    pub(crate) fn rested(&self) -> Duration {
        self.last.get().elapsed()
    }

    /// Notes that the whole request is with the instance.
    pub(crate) fn set_request_sent(&self) {
        self.request_sent.set(true);
        self.changed.notify_waiters();
    }

    /// Whether the whole request is with the instance.
    pub(crate) fn is_request_sent(&self) -> bool {
        self.request_sent.get()
    }

    /// Notes why the client's body could not be read to its end.
    pub(crate) fn set_client_fault(&self, fault: Fault) {
        self.client_fault.set(Some(fault));
    }

    /// Why the client's body could not be read to its end.
    pub(crate) fn client_fault(&self) -> Option<Fault> {
        self.client_fault.get()
    }

    /// Notes why the instance's answer could not be read to its end.
    pub(crate) fn set_answer_fault(&self, fault: Fault) {
        self.answer_fault.set(Some(fault));
    }

    /// Why the instance's answer could not be read to its end.
    pub(crate) fn answer_fault(&self) -> Option<Fault> {
        self.answer_fault.get()
    }

    /// Notes whether somebody waits for more of the client's body. That wait has a limit of its own.
    pub(crate) fn set_waiting_for_client(&self, waiting: bool) {
        self.waiting_for_client.set(waiting);
    }

    /// Notes whether the client waits to be asked for its body.
    pub(crate) fn set_held(&self, held: bool) {
        self.held.set(held);
    }

    /// Whether the client waits to be asked for its body.
    pub(crate) fn is_held(&self) -> bool {
        self.held.get()
    }

    /// Waits until the whole request is with the instance, for a while at most.
    pub(crate) async fn wait_request_sent(&self, at_most: Duration) -> bool {
        let changed = self.changed.notified();
        // The state only changes on this thread, so it cannot change between the question and the wait.
        self.is_request_sent() || tokio::time::timeout(at_most, changed).await.is_ok()
    }

    /// Runs a future that may take as long as it likes, provided that something moves every now and then.
    ///
    /// The future stays with the caller: taken by value it would be here twice, before and after it was pinned.
    pub(crate) async fn while_moving<F: Future>(
        &self,
        limit: Duration,
        mut future: Pin<&mut F>,
    ) -> Result<F::Output, Stalled> {
        let mut deadline = pin!(sleep_until(self.last.get() + limit));
        poll_fn(|cx| {
            loop {
                if let Poll::Ready(output) = future.as_mut().poll(cx) {
                    return Poll::Ready(Ok(output));
                }
                ready!(deadline.as_mut().poll(cx));
                if self.waiting_for_client.get() {
                    self.touch();
                } else if self.last.get() + limit <= deadline.deadline() {
                    return Poll::Ready(Err(Stalled));
                }
                deadline.as_mut().reset(self.last.get() + limit);
            }
        })
        .await
    }
}
