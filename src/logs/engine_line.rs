//! One line of the file in which the engine keeps a container's output (its log driver `json-file`). Pure.
//!
//! The engine makes a record of each line, but of a long one several, and of a last one without its line end.

use std::borrow::Cow;

use serde::Deserialize;

use crate::logs::entry::{LONGEST_TEXT, Stream, full_time};

/// The engine cuts lines that are as long as this or longer (moby, `daemon/logger/copier.go`).
const LONGEST_RECORD: usize = 16 << 10;

/// A record as the engine writes it.
#[derive(Debug, Deserialize)]
struct Record<'a> {
    #[serde(borrow, default)]
    log: Cow<'a, str>,
    #[serde(borrow, default)]
    stream: Cow<'a, str>,
    #[serde(borrow)]
    time: Cow<'a, str>,
}

/// A line that is complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// When its first record was written.
    pub time: String,
    /// Where it was printed.
    pub stream: Stream,
    /// What, without the line end.
    pub text: Vec<u8>,
}

/// A line of which the end is still to come.
#[derive(Debug)]
struct Begun {
    line: Line,
    /// Where its first record stands in the file.
    offset: u64,
}

/// Puts lines together from records.
#[derive(Debug, Default)]
pub struct Joiner {
    begun: [Option<Begun>; 2],
}

impl Joiner {
    /// Takes the record that stands at `offset`, and gives the line that it ends.
    pub fn push(&mut self, record: &[u8], offset: u64) -> Option<Line> {
        let record = read(record)?;
        let stream = if record.stream == "stderr" { Stream::Stderr } else { Stream::Stdout };
        let [stdout, stderr] = &mut self.begun;
        let begun = if stream == Stream::Stderr { stderr } else { stdout };
        let text = record.log.strip_suffix('\n').unwrap_or(&record.log).as_bytes();
        let goes_on = !record.log.ends_with('\n') && text.len() >= LONGEST_RECORD;
        let Some(mut earlier) = begun.take() else {
            let line = Line { time: full_time(&record.time)?, stream, text: text.to_vec() };
            if goes_on {
                *begun = Some(Begun { line, offset });
                return None;
            }
            return Some(line);
        };
        earlier.line.text.extend_from_slice(text);
        if goes_on && earlier.line.text.len() + LONGEST_RECORD * 3 <= LONGEST_TEXT {
            *begun = Some(earlier);
            return None;
        }
        Some(earlier.line)
    }

    /// What was begun and will not go on.
    pub fn finish(&mut self) -> Vec<Line> {
        self.begun.iter_mut().filter_map(Option::take).map(|begun| begun.line).collect()
    }

    /// Where reading has to begin again for nothing of a begun line to be missing.
    pub fn begun_at(&self) -> Option<u64> {
        self.begun.iter().flatten().map(|begun| begun.offset).min()
    }
}

/// The time of a record, in full length.
pub fn time(record: &[u8]) -> Option<String> {
    full_time(&read(record)?.time)
}

/// Reads a record. An engine that was killed left half a one, and wrote the next one right behind it.
fn read(line: &[u8]) -> Option<Record<'_>> {
    match serde_json::from_slice(line) {
        Ok(record) => Some(record),
        Err(_) => {
            let last = memchr::memmem::rfind(line, b"{\"log\":")?;
            serde_json::from_slice(line.get(last..)?).ok()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(log: &str, stream: &str, second: u32) -> Vec<u8> {
        let time = format!("2026-11-21T04:20:0{second}.5Z");
        serde_json::json!({"log": log, "stream": stream, "time": time}).to_string().into_bytes()
    }

    fn text(line: Option<Line>) -> Option<String> {
        line.map(|line| String::from_utf8(line.text).unwrap())
    }

    #[test]
    fn a_last_line_without_its_end_is_a_line() {
        let mut joiner = Joiner::default();
        assert_eq!(text(joiner.push(&record("dying", "stdout", 1), 0)).unwrap(), "dying");
        let line = joiner.push(&record("born \"ü\"\n", "stderr", 2), 10).unwrap();
        assert_eq!((line.stream, line.time.as_str()), (Stream::Stderr, "2026-11-21T04:20:02.500000000Z"));
        assert_eq!(line.text, "born \"ü\"".as_bytes());
    }

    #[test]
    fn a_long_line_is_one_again_while_the_other_stream_goes_on() {
        let mut joiner = Joiner::default();
        let long = "x".repeat(LONGEST_RECORD);
        assert_eq!(joiner.push(&record(&long, "stdout", 1), 7), None);
        assert_eq!(text(joiner.push(&record("aside\n", "stderr", 2), 20)).unwrap(), "aside");
        assert_eq!(joiner.begun_at(), Some(7));
        assert_eq!(text(joiner.push(&record(" end\n", "stdout", 3), 30)).unwrap(), format!("{long} end"));
        assert_eq!(joiner.begun_at(), None);
        assert_eq!(joiner.push(&record(&long, "stdout", 4), 40), None);
        assert_eq!(joiner.finish().len(), 1);
    }

    #[test]
    fn a_line_without_end_is_cut_before_it_is_too_long() {
        let mut joiner = Joiner::default();
        let long = record(&"x".repeat(LONGEST_RECORD), "stdout", 1);
        let cut = (0..100).find_map(|offset| joiner.push(&long, offset)).unwrap();
        assert!(cut.text.len() <= LONGEST_TEXT && cut.text.len() > LONGEST_TEXT / 2);
    }

    #[test]
    fn half_a_record_before_a_whole_one_and_nonsense_harm_nothing() {
        let mut joiner = Joiner::default();
        let glued = [&b"{\"log\":\"half a"[..], &record("whole\n", "stdout", 1)].concat();
        assert_eq!(text(joiner.push(&glued, 0)).unwrap(), "whole");
        assert_eq!(joiner.push(b"\0\0\0\0", 0), None);
    }
}
