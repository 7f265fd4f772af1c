//! Holds a client back whose commands do not read their input, without stopping to listen to it.
//!
//! russh opens a channel's window again as soon as data has arrived, not when it was read, and offers two ways out.
//! Its own one is to make the whole connection wait when a buffer is full; then nobody sees that the client is gone,
//! other sessions stand still, and a command that waits for the client to take its output waits for ever. So this
//! takes the other: the size of the next window, the only thing that a handler may say about it.

use std::time::Duration;

use tokio::time::timeout;

use crate::face::stdin_queue::InputLevel;

/// The window of each channel: what a client may send before it hears from the server again. Large enough to keep
/// a fast line busy over a long distance.
pub const WINDOW: u32 = 4 << 20;
/// As long as more input than this waits for the commands of a connection, its client is held back.
const LIMIT: usize = 4 << 20;
/// The window of a client that is held back. It must not be zero: only a packet that arrives opens it again.
const HELD_BACK_WINDOW: u32 = 2;
/// How long each packet of a client that is held back has to wait, so that those few bytes do not keep both ends
/// busy. It delays everything else on the connection too, so it is short.
const HELD_BACK_PAUSE: Duration = Duration::from_millis(10);

/// The input of all sessions on one connection.
#[derive(Debug)]
pub struct InputGate {
    waiting: InputLevel,
    held_back: bool,
    /// More than a client that respects its windows can have sent.
    impossible: usize,
}

impl InputGate {
    /// Opens for a connection with at most so many sessions.
    pub fn new(sessions: usize) -> Self {
        // Each may have one full window on the way when the limit is reached, and half of one before it.
        let impossible = LIMIT.saturating_add(sessions.saturating_mul(2 * WINDOW as usize));
        Self { waiting: InputLevel::new(), held_back: false, impossible }
    }

    /// What the queues of the sessions count into.
    pub fn level(&self) -> InputLevel {
        self.waiting.clone()
    }

    /// Whether the client has sent more than its windows allow.
    pub fn is_overrun(&self) -> bool {
        self.waiting.bytes() > self.impossible
    }

    /// The size of the next window.
    pub fn next_window(&mut self) -> u32 {
        self.held_back = self.waiting.bytes() >= LIMIT;
        if self.held_back { HELD_BACK_WINDOW } else { WINDOW }
    }

    /// Waits after a packet of a client that is held back, until the commands have read on, but never for long.
    pub async fn pause(&self, packet: usize) {
        if self.held_back && packet <= HELD_BACK_WINDOW as usize {
            let mut waiting = self.waiting.watch();
            // Too much time is no failure: then it is the connection's turn again.
            timeout(HELD_BACK_PAUSE, waiting.wait_for(|bytes| *bytes < LIMIT)).await.ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::face::stdin_queue::input_queue;

    #[tokio::test]
    async fn the_window_closes_while_input_waits_and_opens_again() {
        let mut gate = InputGate::new(1);
        let (queue, feed, _stdin) = input_queue(gate.level());
        assert_eq!(gate.next_window(), WINDOW);
        queue.push(Bytes::from(vec![0; LIMIT]));
        assert_eq!(gate.next_window(), HELD_BACK_WINDOW);
        assert!(!gate.is_overrun());
        queue.push(Bytes::from(vec![0; 2 * WINDOW as usize + 1]));
        assert!(gate.is_overrun());
        drop(feed);
        assert_eq!(gate.next_window(), WINDOW);
    }
}
