//! Bytes as they come, made whole lines of.

/// The longest line; what is longer is broken.
const LONGEST: usize = 16 << 10;

/// Collects bytes until they are a line.
#[derive(Debug, Default)]
pub struct WholeLines {
    begun: Vec<u8>,
}

impl WholeLines {
    /// Takes bytes and gives the lines that they complete, without their ends.
    pub fn take(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.begun.extend_from_slice(piece);
            if piece.ends_with(b"\n") || self.begun.len() > LONGEST {
                lines.extend(self.finish());
            }
        }
        lines
    }

    /// What is left of a line that nobody ended.
    pub fn finish(&mut self) -> Option<String> {
        if self.begun.is_empty() {
            return None;
        }
        let line = std::mem::take(&mut self.begun);
        let text = String::from_utf8_lossy(&line);
        Some(text.trim_end_matches(['\n', '\r']).to_owned())
    }
}
