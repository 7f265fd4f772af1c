//! What a task prints, for the person: whole lines, each below the step that they belong to.

use crate::console::Console;
use crate::console::whole_lines::WholeLines;

/// Writes what a task prints as it comes.
#[derive(Debug)]
pub struct TaskOutput<'a> {
    console: &'a Console,
    lines: WholeLines,
}

impl<'a> TaskOutput<'a> {
    /// Writes to this console.
    pub fn new(console: &'a Console) -> Self {
        Self { console, lines: WholeLines::default() }
    }

    /// Takes bytes as they come, and writes the lines that they complete.
    pub async fn take(&mut self, bytes: &[u8]) {
        for line in self.lines.take(bytes) {
            self.write(&line).await;
        }
    }

    /// Writes what is left of a line that nobody ended.
    pub async fn finish(&mut self) {
        if let Some(line) = self.lines.finish() {
            self.write(&line).await;
        }
    }

    async fn write(&self, line: &str) {
        // An empty line stays one.
        self.console.detail(if line.is_empty() { " " } else { line }).await;
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
