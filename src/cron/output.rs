//! What a run printed, as far as it is kept: its beginning and its end.

use std::collections::VecDeque;

use tokio::sync::mpsc;

use crate::docker::output::OutputChunk;

/// Bytes that are kept of the beginning, and of the end.
const HALF: usize = 512 << 10;

/// Takes a run's output, keeps what fits, and hands it to whoever watches.
#[derive(Debug)]
pub struct Output {
    watcher: Option<mpsc::Sender<OutputChunk>>,
    /// Bytes that came since the last [`Output::rewind`].
    position: u64,
    /// Bytes that came in all.
    taken: u64,
    kept: Kept,
}

#[derive(Debug, Default)]
struct Kept {
    beginning: Vec<u8>,
    end: VecDeque<u8>,
    left_out: u64,
}

impl Output {
    /// Takes output from its beginning on.
    pub fn new(watcher: Option<mpsc::Sender<OutputChunk>>) -> Self {
        Self { watcher, position: 0, taken: 0, kept: Kept::default() }
    }

    /// Says that the output comes from its beginning once more; what was taken already is passed over.
    pub fn rewind(&mut self) {
        self.position = 0;
    }

    /// Takes a chunk; waits while the watcher is slow.
    pub async fn take(&mut self, mut chunk: OutputChunk) {
        let known = self.taken.saturating_sub(self.position);
        self.position += chunk.bytes.len() as u64;
        self.taken = self.taken.max(self.position);
        let known = usize::try_from(known).unwrap_or(usize::MAX).min(chunk.bytes.len());
        let new = chunk.bytes.split_off(known);
        if new.is_empty() {
            return;
        }
        self.kept.add(&new);
        let Some(watcher) = &self.watcher else { return };
        if watcher.send(OutputChunk { bytes: new, ..chunk }).await.is_err() {
            // They went away; the run goes on.
            self.watcher = None;
        }
    }

    /// What is kept of it.
    pub fn into_bytes(self) -> Vec<u8> {
        let Kept { beginning: mut bytes, end, left_out } = self.kept;
        if left_out > 0 {
            bytes.extend_from_slice(format!("\n({left_out} bytes are left out here)\n").as_bytes());
        }
        bytes.extend(end);
        bytes
    }
}

impl Kept {
    fn add(&mut self, bytes: &[u8]) {
        let room = HALF.saturating_sub(self.beginning.len()).min(bytes.len());
        let (first, rest) = bytes.split_at(room);
        self.beginning.extend_from_slice(first);
        self.end.extend(rest);
        let surplus = self.end.len().saturating_sub(HALF);
        self.end.drain(..surplus);
        self.left_out += surplus as u64;
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::docker::output::StandardStream;

    async fn take(output: &mut Output, bytes: &[u8]) {
        let bytes = Bytes::copy_from_slice(bytes);
        output.take(OutputChunk { stream: StandardStream::Stdout, bytes, ends_frame: true }).await;
    }

    #[tokio::test]
    async fn output_that_comes_again_is_taken_once() {
        let (sender, mut watched) = mpsc::channel(10);
        let mut output = Output::new(Some(sender));
        take(&mut output, b"one ").await;
        take(&mut output, b"two ").await;
        output.rewind();
        take(&mut output, b"one tw").await;
        take(&mut output, b"o three").await;
        assert_eq!(output.into_bytes(), b"one two three");
        let mut seen = Vec::new();
        while let Some(chunk) = watched.recv().await {
            seen.extend_from_slice(&chunk.bytes);
        }
        assert_eq!(seen, b"one two three");
    }

    #[tokio::test]
    async fn the_beginning_and_the_end_of_long_output_are_kept() {
        let mut output = Output::new(None);
        take(&mut output, &vec![b'a'; HALF - 1]).await;
        take(&mut output, b"bc").await;
        take(&mut output, &vec![b'd'; HALF]).await;
        let text = String::from_utf8(output.into_bytes()).unwrap();
        assert!(text.starts_with("aaa") && text.ends_with("ddd"));
        assert!(text.contains("ab\n(1 bytes are left out here)\nd"), "{}", text.len());
    }
}
