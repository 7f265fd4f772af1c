//! Input on its way from a client to a command, without ever making the client's connection wait.
//!
//! A connection carries more than input: window changes, signals, the news that the client is gone. So whoever
//! reads the connection puts input here and goes on, and asks the client for more only while little is waiting.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{mpsc, watch};

/// How many chunks lie between the queue and the command.
const COMMAND_CHUNKS: usize = 16;

/// How many bytes wait in all queues that share it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct InputLevel(Arc<watch::Sender<usize>>);

impl InputLevel {
    /// Starts at nothing.
    #[expect(clippy::new_without_default, reason = "nobody needs a default one")]
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new(0)))
    }

    /// The bytes that wait now.
    pub fn bytes(&self) -> usize {
        *self.0.borrow()
    }

    /// Follows the number.
    pub fn watch(&self) -> watch::Receiver<usize> {
        self.0.subscribe()
    }

    fn rise(&self, bytes: usize) {
        self.0.send_modify(|waiting| *waiting = waiting.saturating_add(bytes));
    }

    fn fall(&self, bytes: usize) {
        self.0.send_modify(|waiting| *waiting = waiting.saturating_sub(bytes));
    }
}

/// The client's side of the queue. Dropping it is the end of the input.
#[derive(Debug)]
pub struct InputQueue {
    chunks: mpsc::UnboundedSender<Bytes>,
    level: InputLevel,
}

impl InputQueue {
    /// Appends a chunk; never waits.
    pub fn push(&self, chunk: Bytes) {
        if chunk.is_empty() {
            return;
        }
        let length = chunk.len();
        self.level.rise(length);
        if self.chunks.send(chunk).is_err() {
            self.level.fall(length);
        }
    }
}

/// The command's side of the queue, as a task to be polled beside the command.
#[derive(Debug)]
pub struct InputFeed {
    chunks: mpsc::UnboundedReceiver<Bytes>,
    command: mpsc::Sender<Bytes>,
    level: InputLevel,
}

impl InputFeed {
    /// Hands the chunks to the command as fast as it takes them, until the end of the input. What a command does
    /// not want is thrown away, so that the client's window opens again.
    pub async fn run(&mut self) {
        while let Some(chunk) = self.chunks.recv().await {
            let length = chunk.len();
            // The only error is a command that reads no more; then the chunk has nowhere to go.
            self.command.send(chunk).await.ok();
            self.level.fall(length);
        }
    }

    /// Ends the command's input, after [`Self::run`] has returned.
    pub fn close(&mut self) {
        let (closed, _) = mpsc::channel(1);
        self.command = closed;
    }
}

impl Drop for InputFeed {
    fn drop(&mut self) {
        self.chunks.close();
        while let Ok(chunk) = self.chunks.try_recv() {
            self.level.fall(chunk.len());
        }
    }
}

/// Makes a queue that counts into `level`, its feed, and what the command reads.
pub fn input_queue(level: InputLevel) -> (InputQueue, InputFeed, mpsc::Receiver<Bytes>) {
    let (chunks_in, chunks_out) = mpsc::unbounded_channel();
    let (command, stdin) = mpsc::channel(COMMAND_CHUNKS);
    let queue = InputQueue { chunks: chunks_in, level: level.clone() };
    (queue, InputFeed { chunks: chunks_out, command, level }, stdin)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_waits_is_counted_until_the_command_has_it() {
        let level = InputLevel::new();
        let (queue, mut feed, mut stdin) = input_queue(level.clone());
        queue.push(Bytes::from_static(b"one"));
        queue.push(Bytes::from_static(b"three"));
        assert_eq!(level.bytes(), 8);
        drop(queue);
        let read = tokio::spawn(async move {
            let mut text = Vec::new();
            while let Some(chunk) = stdin.recv().await {
                text.extend_from_slice(&chunk);
            }
            text
        });
        feed.run().await;
        feed.close();
        assert_eq!(read.await.unwrap(), b"onethree");
        assert_eq!(level.bytes(), 0);
    }

    #[tokio::test]
    async fn input_that_nobody_wants_does_not_pile_up() {
        let level = InputLevel::new();
        let (queue, mut feed, stdin) = input_queue(level.clone());
        drop(stdin);
        queue.push(Bytes::from_static(b"unwanted"));
        drop(queue);
        feed.run().await;
        assert_eq!(level.bytes(), 0);
    }

    #[test]
    fn a_command_that_ends_early_takes_its_share_from_the_level() {
        let level = InputLevel::new();
        let (queue, feed, _stdin) = input_queue(level.clone());
        queue.push(Bytes::from_static(b"never read"));
        drop(feed);
        queue.push(Bytes::from_static(b"too late"));
        assert_eq!(level.bytes(), 0);
    }
}
