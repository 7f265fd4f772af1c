//! Interim answers to one request over HTTP/2, where h2 sends them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::Waker;

use hyper::Response;
use hyper::header::{HeaderName, HeaderValue};

use super::MOST_WAITING;

/// What a header costs beside its text (RFC 9113, section 6.5.2), and an answer beside its headers.
const OVERHEAD: usize = 32;

/// The heads for one stream, shared by its task, its request's body and the connection to an instance.
///
/// All of them are on one thread; only hyper's upgrades ask that it could be otherwise.
#[derive(Debug, Default)]
pub(crate) struct StreamInterims {
    /// Whether there are heads to be sent.
    waiting: AtomicBool,
    /// Protects the heads against nobody; see above.
    heads: Mutex<Heads>,
    /// Of the stream's task, which is the same for as long as there is a stream.
    task: OnceLock<Waker>,
}

#[derive(Debug, Default)]
struct Heads {
    waiting: Vec<Response<()>>,
    /// Of all that there were. h2 keeps what its client does not take, so that what was sent may still be here.
    size: usize,
}

impl StreamInterims {
    /// Notes whom to wake once there is something to be sent.
    #[inline]
    pub(crate) fn set_task(&self, waker: &Waker) {
        self.task.get_or_init(|| waker.clone());
    }

    /// Leaves a head to be sent, if it comes before the answer.
    pub(crate) fn push(&self, head: Response<()>) {
        let mut heads = self.heads();
        let size = heads.size + size(&head);
        if size > MOST_WAITING {
            return;
        }
        heads.size = size;
        heads.waiting.push(head);
        self.waiting.store(true, Ordering::Relaxed);
        if let Some(task) = self.task.get() {
            task.wake_by_ref();
        }
    }

    /// Whether there are heads to be sent.
    #[inline]
    pub(crate) fn are_due(&self) -> bool {
        self.waiting.load(Ordering::Relaxed)
    }

    /// The heads, which are to be sent.
    pub(crate) fn take(&self) -> Vec<Response<()>> {
        self.waiting.store(false, Ordering::Relaxed);
        std::mem::take(&mut self.heads().waiting)
    }

    fn heads(&self) -> MutexGuard<'_, Heads> {
        self.heads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn size(head: &Response<()>) -> usize {
    let header = |(name, value): (&HeaderName, &HeaderValue)| name.as_str().len() + value.len() + OVERHEAD;
    OVERHEAD + head.headers().iter().map(header).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hints(length: usize) -> Response<()> {
        Response::builder().status(103).header("link", "x".repeat(length)).body(()).unwrap()
    }

    #[test]
    fn heads_come_in_order_and_once() {
        let interims = StreamInterims::default();
        assert!(!interims.are_due());
        interims.push(hints(1));
        interims.push(hints(2));
        assert!(interims.are_due());
        let lengths: Vec<usize> = interims.take().iter().map(|head| head.headers()["link"].len()).collect();
        assert_eq!(lengths, [1, 2]);
        assert!(!interims.are_due() && interims.take().is_empty());
    }

    #[test]
    fn all_of_a_request_together_are_bounded() {
        let interims = StreamInterims::default();
        for _ in 0..100 {
            interims.push(hints(1000));
        }
        let first = interims.take().len();
        assert_eq!(first, MOST_WAITING / (1000 + "link".len() + 2 * OVERHEAD));
        interims.push(hints(1000));
        assert!(!interims.are_due(), "those that were sent count");
    }
}
