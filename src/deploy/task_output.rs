//! What a task prints, for the person: whole lines, each below the step that they belong to.

use crate::console::Console;

/// The longest line; what is longer is broken.
const LONGEST: usize = 16 << 10;

/// Collects bytes until they are a line.
#[derive(Debug)]
pub struct TaskOutput<'a> {
    console: &'a Console,
    begun: Vec<u8>,
}

impl<'a> TaskOutput<'a> {
    /// Writes to this console.
    pub fn new(console: &'a Console) -> Self {
        Self { console, begun: Vec::new() }
    }

    /// Takes bytes as they come, and writes the lines that they complete.
    pub async fn take(&mut self, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.begun.extend_from_slice(piece);
            if piece.ends_with(b"\n") || self.begun.len() > LONGEST {
                self.finish().await;
            }
        }
    }

    /// Writes what is left of a line that nobody ended.
    pub async fn finish(&mut self) {
        if !self.begun.is_empty() {
            let line = std::mem::take(&mut self.begun);
            let text = String::from_utf8_lossy(&line).into_owned();
            // An empty line stays one.
            let text = text.trim_end_matches(['\n', '\r']);
            self.console.detail(if text.is_empty() { " " } else { text }).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::Output;

    #[tokio::test]
    async fn lines_are_written_whole_however_they_come() {
        let (console, mut written) = Console::new();
        let mut output = TaskOutput::new(&console);
        for piece in ["one\ntw", "o\r\n", "", "\nlast"] {
            output.take(piece.as_bytes()).await;
        }
        output.finish().await;
        output.finish().await;
        drop(console);
        let mut text = String::new();
        while let Some(Output::Stdout(bytes)) = written.recv().await {
            text.push_str(&String::from_utf8_lossy(&bytes));
        }
        assert_eq!(text, "       one\n       two\n        \n       last\n");
    }
}
