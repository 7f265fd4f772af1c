//! How long nothing has happened, for connections where much may happen: what does costs next to nothing.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

/// How often one looks within the longest silence.
const LOOKS: u32 = 16;

/// A watch over one connection, by the task that serves it.
#[derive(Debug)]
pub(crate) struct Silence {
    /// Set anew at each look, not whenever something happens.
    timer: Pin<Box<Sleep>>,
    every: Duration,
    /// Whether the timer knows its task.
    registered: bool,
    /// Looks in a row before which nothing had happened.
    silent: u32,
}

impl Silence {
    pub(crate) fn new(longest: Duration) -> Self {
        let every = longest / LOOKS;
        Self { timer: Box::pin(sleep(every)), every, registered: false, silent: 0 }
    }

    /// Notes that something has happened.
    pub(crate) fn end(&mut self) {
        self.silent = 0;
    }

    /// Ready once nothing has happened for the longest silence, and a sixteenth of it more at most.
    pub(crate) fn poll_longest(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if self.registered && !self.timer.is_elapsed() {
                return Poll::Pending;
            }
            self.registered = self.timer.as_mut().poll(cx).is_pending();
            if self.registered {
                return Poll::Pending;
            }
            self.silent += 1;
            // What happened last may have happened just before the first of these looks.
            if self.silent > LOOKS {
                return Poll::Ready(());
            }
            self.timer.as_mut().reset(Instant::now() + self.every);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::time::timeout;

    use super::*;

    const LONGEST: Duration = Duration::from_millis(160);

    #[tokio::test]
    async fn the_wait_begins_anew_with_whatever_happens() {
        let mut silence = Silence::new(LONGEST);
        let mut last = Instant::now();
        for _ in 0..3 {
            // On a slow machine the silence may be over by then, and the wait below begins with another.
            drop(timeout(LONGEST / 2, poll_fn(|cx| silence.poll_longest(cx))).await);
            silence.end();
            last = Instant::now();
        }
        poll_fn(|cx| silence.poll_longest(cx)).await;
        assert!(last.elapsed() >= LONGEST);
    }
}
