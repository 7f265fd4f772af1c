//! Reads one app's log, from any place on. Blocking. Whoever reads follows the files: neither the app nor whoever
//! writes them ever waits for a reader.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use crate::logs::entry::{Entry, LONGEST_TEXT, Source, TIME_LENGTH};
use crate::logs::segments::{self, Place, Segment};

/// Read at a time; no line is longer.
const BLOCK: usize = LONGEST_TEXT * 2;
/// Entries are in the order of their times but for so much, when several instances print at once.
const DISORDER_SECONDS: i64 = 60;

/// The reading end of one app's log.
#[derive(Clone, Debug)]
pub struct Reader {
    directory: PathBuf,
}

/// Lines one behind the other.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Piece {
    /// Whole lines with their ends.
    pub lines: Vec<u8>,
    /// Where to go on.
    pub next: Place,
    /// Lines that would have come before these and are not kept any more.
    pub lost: u64,
}

/// How much of a log there is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    /// Bytes on the disk.
    pub bytes: u64,
    /// When the oldest line was printed.
    pub oldest: Option<String>,
}

/// What is wanted of the end of a log.
#[derive(Clone, Debug, Default)]
pub struct Tail {
    /// So many of the last lines; all without it.
    pub count: Option<u64>,
    /// Nothing that was printed before.
    pub since: Option<String>,
}

impl Reader {
    /// Reads below a directory. Nothing need be there yet.
    pub fn new(directory: PathBuf) -> Self {
        Self { directory }
    }

    /// Where the log ends.
    pub fn end(&self) -> io::Result<Place> {
        let Some(last) = segments::list(&self.directory)?.pop() else { return Ok(Place::default()) };
        let bytes = fs::read(&last.path)?;
        let lines = memchr::memchr_iter(b'\n', &bytes).count() as u64;
        let whole = memchr::memrchr(b'\n', &bytes).map_or(0, |end| end as u64 + 1);
        Ok(Place { offset: last.start.offset + whole, line: last.start.line + lines })
    }

    /// How much is kept.
    pub fn extent(&self) -> io::Result<Extent> {
        let segments = segments::list(&self.directory)?;
        let mut extent = Extent::default();
        for segment in &segments {
            match fs::metadata(&segment.path) {
                Ok(metadata) => extent.bytes += metadata.len(),
                // The ring has just lost it.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        if let Some(first) = segments.first() {
            let lines = read_segment(first, first.start, BLOCK)?;
            let first = lines.split(|byte| *byte == b'\n').next();
            extent.oldest = first.and_then(Entry::parse).map(|entry| entry.time.to_owned());
        }
        Ok(extent)
    }

    /// When the last line of a process was printed.
    pub fn last_time(&self, process: &str) -> io::Result<Option<String>> {
        let is_meant = |entry: &Entry<'_>| entry.source == Source::App && entry.process == process;
        let (start, end) = self.tail(&Tail { count: Some(1), since: None }, is_meant)?;
        if start == end {
            return Ok(None);
        }
        let piece = self.read(start, BLOCK)?;
        let line = piece.lines.split(|byte| *byte == b'\n').next();
        Ok(line.and_then(Entry::parse).map(|entry| entry.time.to_owned()))
    }

    /// Where the last segment begins: whoever is far behind may go on there.
    pub fn last_segment(&self) -> io::Result<Place> {
        Ok(segments::list(&self.directory)?.last().map(|last| last.start).unwrap_or_default())
    }

    /// Where the wanted part of the log's end begins, as far as entries match, and where the log ends.
    pub fn tail(&self, tail: &Tail, matches: impl Fn(&Entry<'_>) -> bool) -> io::Result<(Place, Place)> {
        let end = self.end()?;
        let (mut start, mut found) = (end, 0);
        let before = tail.since.as_deref().map(earlier);
        for segment in segments::list(&self.directory)?.into_iter().rev() {
            let bytes = match fs::read(&segment.path) {
                Ok(bytes) => bytes,
                // The ring has just lost it.
                Err(error) if error.kind() == io::ErrorKind::NotFound => break,
                Err(error) => return Err(error),
            };
            let mut line = segment.start.line + memchr::memchr_iter(b'\n', &bytes).count() as u64;
            let whole = memchr::memrchr(b'\n', &bytes).map_or(0, |end| end + 1);
            let mut rest = bytes.get(..whole).unwrap_or_default();
            while let Some(text) = rest.strip_suffix(b"\n") {
                if tail.count.is_some_and(|count| found >= count) {
                    return Ok((start, end));
                }
                let begin = memchr::memrchr(b'\n', text).map_or(0, |end| end + 1);
                line -= 1;
                if Entry::parse(text.get(begin..).unwrap_or_default()).is_some_and(|entry| matches(&entry)) {
                    found += 1;
                    start = Place { offset: segment.start.offset + begin as u64, line };
                }
                rest = rest.get(..begin).unwrap_or_default();
            }
            let first = bytes.get(..TIME_LENGTH).unwrap_or_default();
            if before.as_ref().is_some_and(|before| first < before.as_bytes()) {
                break;
            }
        }
        Ok((start, end))
    }

    /// The next lines from a place on, at most about `budget` bytes; none at the log's end.
    pub fn read(&self, from: Place, budget: usize) -> io::Result<Piece> {
        let segments = segments::list(&self.directory)?;
        let mut piece = Piece { next: from, ..Piece::default() };
        let Some(first) = segments.first() else { return Ok(piece) };
        if from.offset < first.start.offset {
            piece.lost = first.start.line.saturating_sub(from.line);
            piece.next = first.start;
        }
        let begin =
            segments.iter().rposition(|segment| segment.start.offset <= piece.next.offset).unwrap_or(0);
        for segment in segments.iter().skip(begin) {
            if segment.start.offset > piece.next.offset {
                // What the disk has forgotten when the host went down.
                piece.lost += segment.start.line.saturating_sub(piece.next.line);
                piece.next = segment.start;
            }
            let read = read_segment(segment, piece.next, budget.max(BLOCK))?;
            piece.next.offset += read.len() as u64;
            piece.next.line += memchr::memchr_iter(b'\n', &read).count() as u64;
            piece.lines = read;
            if !piece.lines.is_empty() {
                break;
            }
        }
        Ok(piece)
    }
}

/// Whole lines of a segment from a place on. None if the ring has lost it meanwhile: the next reading counts them.
fn read_segment(segment: &Segment, from: Place, budget: usize) -> io::Result<Vec<u8>> {
    let file = match File::open(&segment.path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut bytes = vec![0; budget];
    let length = file.read_at(&mut bytes, from.offset - segment.start.offset)?;
    bytes.truncate(length);
    bytes.truncate(memchr::memrchr(b'\n', &bytes).map_or(0, |end| end + 1));
    Ok(bytes)
}

/// A time that is so much earlier that nothing before it can be out of order.
fn earlier(time: &str) -> String {
    let parsed: Option<jiff::Timestamp> = time.parse().ok();
    let shifted =
        parsed.and_then(|time| time.checked_sub(jiff::SignedDuration::from_secs(DISORDER_SECONDS)).ok());
    shifted.map_or_else(String::new, |time| format!("{time:.9}"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::logs::entry::Stream;
    use crate::logs::limits::Limits;
    use crate::logs::writer::Writer;

    const LIMITS: Limits = Limits { size: 2000, age: Duration::from_secs(3600) };

    fn line(number: u32) -> Vec<u8> {
        let (time, text) = (format!("2026-11-21T04:20:{:02}.000000000Z", number % 60), number.to_string());
        let mut line = Vec::new();
        let process = if number.is_multiple_of(2) { "web.1" } else { "worker.1" };
        Entry { time: &time, source: Source::App, process, stream: Stream::Stdout, text: text.as_bytes() }
            .write(&mut line);
        line
    }

    fn log(numbers: std::ops::Range<u32>) -> (tempfile::TempDir, Reader) {
        let directory = tempfile::tempdir().unwrap();
        let mut writer = Writer::open(directory.path().to_owned(), None).unwrap();
        for number in numbers {
            writer.append(&line(number), LIMITS).unwrap();
        }
        let reader = Reader::new(directory.path().to_owned());
        (directory, reader)
    }

    fn numbers(reader: &Reader, mut from: Place) -> (Vec<u32>, u64) {
        let (mut numbers, mut lost) = (Vec::new(), 0);
        loop {
            let piece = reader.read(from, 1).unwrap();
            lost += piece.lost;
            if piece.lines.is_empty() {
                return (numbers, lost);
            }
            for line in piece.lines.split_inclusive(|byte| *byte == b'\n') {
                let text = Entry::parse(line.strip_suffix(b"\n").unwrap()).unwrap().text.to_vec();
                numbers.push(String::from_utf8(text).unwrap().parse().unwrap());
            }
            from = piece.next;
        }
    }

    #[test]
    fn the_tail_is_counted_over_segments_and_only_what_matches() {
        let (_directory, reader) = log(0..30);
        let (start, end) = reader.tail(&Tail { count: Some(12), since: None }, |_| true).unwrap();
        assert_eq!(numbers(&reader, start).0, (18..30).collect::<Vec<_>>());
        assert_eq!((end.line, end), (30, reader.end().unwrap()));
        let (start, _) =
            reader.tail(&Tail { count: Some(3), since: None }, |entry| entry.process == "web.1").unwrap();
        assert_eq!((start.line, numbers(&reader, start).0.first()), (24, Some(&24)));
        let since = Tail { count: None, since: Some("2026-11-21T04:20:27.000000000Z".to_owned()) };
        let (start, _) = reader.tail(&since, |entry| Some(entry.time) >= since.since.as_deref()).unwrap();
        assert_eq!(numbers(&reader, start).0, [27, 28, 29]);
        assert_eq!(reader.tail(&Tail { count: Some(0), since: None }, |_| true).unwrap(), (end, end));
    }

    #[test]
    fn what_the_ring_has_lost_is_counted() {
        let (_directory, reader) = log(0..200);
        let (found, lost) = numbers(&reader, Place::default());
        assert_eq!(found, (u32::try_from(lost).unwrap()..200).collect::<Vec<_>>());
        assert!(lost > 100, "{lost}");
    }

    #[test]
    fn a_line_that_is_being_written_is_left_for_later() {
        let (directory, reader) = log(0..3);
        let segment = segments::list(directory.path()).unwrap().remove(0);
        let whole = fs::read(&segment.path).unwrap();
        fs::write(&segment.path, &whole[..whole.len() - 1]).unwrap();
        assert_eq!(numbers(&reader, Place::default()).0, [0, 1]);
    }

    #[test]
    fn an_app_that_never_said_anything_has_an_empty_log() {
        let directory = tempfile::tempdir().unwrap();
        let reader = Reader::new(directory.path().join("none"));
        assert_eq!(reader.end().unwrap(), Place::default());
        assert_eq!(reader.read(Place::default(), 1).unwrap(), Piece::default());
    }
}
