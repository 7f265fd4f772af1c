//! Lines out of the entries of an engine's log. Pure.
//!
//! The engine makes an entry of each line, but of a long one several, and of a last one without its line end. Each
//! entry begins with the time and a space; inside a line these are not the app's words.

use crate::docker::output::{OutputChunk, StandardStream};

/// The engine cuts lines that are as long as this or longer (moby, `daemon/logger/copier.go`).
const LONGEST_ENTRY: usize = 16 << 10;
/// The longest line that is put together; the rest of it is printed as lines of their own.
const LONGEST_LINE: usize = 256 << 10;

/// One line of output.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// When, as RFC 3339.
    pub time: String,
    /// What, without the line end.
    pub text: Vec<u8>,
}

/// Puts lines together from chunks.
#[derive(Debug, Default)]
pub struct Entries {
    frame: Vec<u8>,
    stdout: Option<Entry>,
    stderr: Option<Entry>,
}

impl Entries {
    /// Takes a chunk, and gives the line that it ends.
    pub fn push(&mut self, chunk: &OutputChunk) -> Vec<Entry> {
        self.frame.extend_from_slice(&chunk.bytes);
        if !chunk.ends_frame {
            return Vec::new();
        }
        let frame = std::mem::take(&mut self.frame);
        let space = frame.iter().position(|byte| *byte == b' ').unwrap_or(frame.len());
        let (time, text) = frame.split_at_checked(space).unwrap_or((&frame, &[]));
        let text = text.get(1..).unwrap_or_default();
        let begun = match chunk.stream {
            StandardStream::Stdout => &mut self.stdout,
            StandardStream::Stderr => &mut self.stderr,
        };
        let new = || Entry { time: String::from_utf8_lossy(time).into_owned(), text: Vec::new() };
        let mut line = begun.take().unwrap_or_else(new);
        line.text.extend_from_slice(text.strip_suffix(b"\n").unwrap_or(text));
        let goes_on = !text.ends_with(b"\n") && text.len() >= LONGEST_ENTRY;
        if goes_on && line.text.len() < LONGEST_LINE {
            *begun = Some(line);
            return Vec::new();
        }
        vec![line]
    }

    /// What is left at the log's end.
    pub fn finish(&mut self) -> Vec<Entry> {
        [self.stdout.take(), self.stderr.take()].into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn push(entries: &mut Entries, stream: StandardStream, text: &str, ends_frame: bool) -> Vec<Entry> {
        entries.push(&OutputChunk { stream, bytes: Bytes::copy_from_slice(text.as_bytes()), ends_frame })
    }

    fn line(time: &str, text: &str) -> Entry {
        Entry { time: time.to_owned(), text: text.as_bytes().to_vec() }
    }

    #[test]
    fn an_entry_may_come_in_pieces() {
        let mut entries = Entries::default();
        assert_eq!(push(&mut entries, StandardStream::Stdout, "T1 he", false), []);
        assert_eq!(push(&mut entries, StandardStream::Stdout, "llo\n", true), [line("T1", "hello")]);
        assert_eq!(entries.finish(), []);
    }

    #[test]
    fn a_last_line_without_its_end_is_a_line_and_not_the_beginning_of_the_next() {
        let mut entries = Entries::default();
        assert_eq!(push(&mut entries, StandardStream::Stderr, "T1 dying", true), [line("T1", "dying")]);
        assert_eq!(push(&mut entries, StandardStream::Stderr, "T2 born\n", true), [line("T2", "born")]);
    }

    #[test]
    fn a_long_line_is_one_again_while_the_other_stream_goes_on() {
        let mut entries = Entries::default();
        let long = "x".repeat(LONGEST_ENTRY);
        assert_eq!(push(&mut entries, StandardStream::Stdout, &format!("T1 {long}"), true), []);
        assert_eq!(push(&mut entries, StandardStream::Stderr, "T2 aside\n", true), [line("T2", "aside")]);
        let whole = line("T1", &format!("{long} end"));
        assert_eq!(push(&mut entries, StandardStream::Stdout, "T1  end\n", true), [whole]);
        assert_eq!(push(&mut entries, StandardStream::Stdout, &format!("T3 {long}"), true), []);
        assert_eq!(entries.finish(), [line("T3", &long)]);
    }
}
