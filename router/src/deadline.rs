//! A timer that costs nothing until something has to be waited for.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

/// A deadline that starts when it is first asked after and can be cleared and used again.
#[derive(Debug, Default)]
pub(crate) struct Deadline {
    timer: Option<Pin<Box<Sleep>>>,
    running: bool,
}

impl Deadline {
    /// Ready once `after` has passed since the first call that followed the last `clear`.
    pub(crate) fn poll_expired(&mut self, cx: &mut Context<'_>, after: Duration) -> Poll<()> {
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(after)));
        if !self.running {
            self.running = true;
            timer.as_mut().reset(Instant::now() + after);
        }
        timer.as_mut().poll(cx)
    }

    /// Whether somebody waits.
    pub(crate) fn is_running(&self) -> bool {
        self.running
    }

    /// Forgets the wait. The timer stays registered and may wake its task once more for nothing, which costs less
    /// than taking it out and putting it back with each wait.
    pub(crate) fn clear(&mut self) {
        self.running = false;
    }
}
