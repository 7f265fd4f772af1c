//! A step's output cut into lines, with the last of them kept for when the step fails.

use std::collections::VecDeque;

use crate::docker::build::error::LAST_LINES;

/// A longer line is cut into pieces of this many bytes.
const LINE_LIMIT: usize = 8 * 1024;

/// Cuts bytes into lines. What a carriage return overwrites on a screen (progress bars) is left out.
#[derive(Debug, Default)]
pub(super) struct LineSplitter {
    pending: Vec<u8>,
    returned: bool,
    last: VecDeque<String>,
}

impl LineSplitter {
    /// Takes bytes and gives the lines that they end.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        for byte in bytes {
            match byte {
                b'\n' => lines.push(self.take()),
                b'\r' => self.returned = true,
                byte => {
                    if std::mem::take(&mut self.returned) {
                        self.pending.clear();
                    }
                    if self.pending.len() >= LINE_LIMIT {
                        lines.push(self.take());
                    }
                    self.pending.push(*byte);
                }
            }
        }
        lines
    }

    /// The line that has not ended, if there is one.
    pub(super) fn rest(&mut self) -> Option<String> {
        if self.pending.is_empty() { None } else { Some(self.take()) }
    }

    /// The last lines that were cut.
    pub(super) fn last_lines(&self) -> Vec<String> {
        self.last.iter().cloned().collect()
    }

    fn take(&mut self) -> String {
        self.returned = false;
        let line = String::from_utf8_lossy(&self.pending).into_owned();
        self.pending.clear();
        if self.last.len() == LAST_LINES {
            self.last.pop_front();
        }
        self.last.push_back(line.clone());
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_wherever_the_chunks_do() {
        let mut splitter = LineSplitter::default();
        let lines: Vec<_> = [&b"on"[..], b"e\r", b"\ntw", b"o\n\n", b"three"]
            .into_iter()
            .flat_map(|chunk| splitter.push(chunk))
            .collect();
        assert_eq!(lines, ["one", "two", ""]);
        assert_eq!(splitter.rest().as_deref(), Some("three"));
        assert_eq!(splitter.rest(), None);
        assert_eq!(splitter.last_lines(), ["one", "two", "", "three"]);
    }

    #[test]
    fn of_a_progress_bar_only_its_end_is_kept() {
        let mut splitter = LineSplitter::default();
        assert_eq!(splitter.push(b"  1%\r 50%\r100%\n"), ["100%"]);
    }

    #[test]
    fn a_line_without_end_takes_no_memory() {
        let mut splitter = LineSplitter::default();
        let lines = splitter.push(&[b'x'; 100_000]);
        assert_eq!(lines.len(), 100_000 / LINE_LIMIT);
        assert!(splitter.pending.len() <= LINE_LIMIT);
        let mut bars = LineSplitter::default();
        assert!(bars.push(&b"123456789\r".repeat(10_000)).is_empty());
        assert!(bars.pending.len() <= LINE_LIMIT);
    }
}
