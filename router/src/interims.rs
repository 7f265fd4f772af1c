//! Interim answers (1xx) on their way into a client's connection.
//!
//! A proxy has to pass them on (RFC 9110, section 15.2), and hyper's server cannot send any. The socket lies below
//! hyper, though, so that a head which is left here can be written between two of hyper's own writes. What has to be
//! known for that is whether hyper has written all that it was given: it flushes the socket only when it has, so a head
//! may go out from a flush until the next write, and never in the middle of an answer before it on the same connection.
//!
//! Over HTTP/2, where h2 can send them, they are for a stream.

pub(crate) mod hearer;
pub(crate) mod stream;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::Waker;

/// Bytes that wait for a client at most. What comes beyond that is dropped: an interim answer is never needed.
const MOST_WAITING: usize = 16 << 10;

/// The heads for one client's connection, shared by its socket, the service and the connection to an instance.
///
/// All of them are on one thread; only hyper's upgrades ask that it could be otherwise.
#[derive(Debug, Default)]
pub(crate) struct Interims {
    /// Whether a request waits for its answer.
    open: AtomicBool,
    /// Whether there are heads to be written.
    waiting: AtomicBool,
    /// Whether hyper may have bytes that are not written.
    busy: AtomicBool,
    /// Protects the bytes against nobody; see above.
    heads: Mutex<Vec<u8>>,
    /// Of the connection's task, which is the same for as long as there is a connection.
    task: OnceLock<Waker>,
}

impl Interims {
    /// Notes whom to wake once there is something to be written.
    #[inline]
    pub(crate) fn set_task(&self, waker: &Waker) {
        self.task.get_or_init(|| waker.clone());
    }

    /// Lets heads in, until the request is answered.
    #[inline]
    pub(crate) fn open(&self) {
        self.open.store(true, Ordering::Relaxed);
    }

    /// Leaves a head to be written.
    pub(crate) fn push(&self, head: &[u8]) {
        if !self.open.load(Ordering::Relaxed) {
            return;
        }
        let mut heads = self.heads();
        if heads.len() + head.len() > MOST_WAITING {
            return;
        }
        heads.extend_from_slice(head);
        self.waiting.store(true, Ordering::Relaxed);
        if let Some(task) = self.task.get() {
            task.wake_by_ref();
        }
    }

    /// Notes that the answer is about to be given to hyper.
    ///
    /// If hyper is still writing an answer before it, it will write both in one go, and heads cannot come between.
    #[inline]
    pub(crate) fn close(&self) {
        self.open.store(false, Ordering::Relaxed);
        if self.waiting.load(Ordering::Relaxed) && self.busy.load(Ordering::Relaxed) {
            self.take();
        }
    }

    /// Notes whether hyper may have bytes that are not written.
    #[inline]
    pub(crate) fn set_busy(&self, busy: bool) {
        self.busy.store(busy, Ordering::Relaxed);
    }

    /// Whether there are heads that may be written now.
    #[inline]
    pub(crate) fn are_due(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) && !self.busy.load(Ordering::Relaxed)
    }

    /// The heads, which are to be written.
    pub(crate) fn take(&self) -> Vec<u8> {
        self.waiting.store(false, Ordering::Relaxed);
        std::mem::take(&mut *self.heads())
    }

    fn heads(&self) -> MutexGuard<'_, Vec<u8>> {
        self.heads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_wait_for_the_end_of_what_hyper_writes() {
        let interims = Interims::default();
        interims.open();
        interims.set_busy(true);
        interims.push(b"a");
        assert!(!interims.are_due());
        interims.set_busy(false);
        interims.push(b"b");
        assert!(interims.are_due());
        assert_eq!(interims.take(), b"ab");
        assert!(!interims.are_due());
    }

    #[test]
    fn heads_that_cannot_come_before_their_answer_are_dropped() {
        let interims = Interims::default();
        interims.push(b"nobody asks");
        interims.open();
        interims.set_busy(true);
        interims.push(b"late");
        interims.close();
        interims.set_busy(false);
        assert!(!interims.are_due());
        interims.push(b"later");
        assert!(!interims.are_due());
    }

    #[test]
    fn those_that_can_are_kept_and_not_without_end() {
        let interims = Interims::default();
        interims.open();
        for _ in 0..100 {
            interims.push(&[b'x'; 1000]);
        }
        interims.close();
        assert!(interims.are_due());
        assert_eq!(interims.take().len(), MOST_WAITING / 1000 * 1000);
    }
}
