//! Adds lines to the end of one app's log, and keeps it within its limits. Blocking.
//!
//! Nothing is synced: a killed server loses nothing, a power cut may cost the last seconds.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;

use crate::logs::entry::Entry;
use crate::logs::limits::Limits;
use crate::logs::segments::{self, Place, Segment};

/// A ring has about this many segments, so that about this part of it goes at a time.
const SEGMENTS: u64 = 10;
/// No segment is larger, by more than what is added at a time.
const LARGEST_SEGMENT: u64 = 8 << 20;

/// The end of one app's log.
#[derive(Debug)]
pub struct Writer {
    directory: PathBuf,
    end: Place,
    /// The last segment and when it was begun, if there is one.
    current: Option<(Segment, SystemTime)>,
}

impl Writer {
    /// Opens the log in a directory. `end` is where it ended when the positions were noted; what stands behind that
    /// was written by a server that was killed before it could note where it came from, and will come again.
    pub fn open(directory: PathBuf, end: Option<Place>) -> io::Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&directory)?;
        let mut segments = segments::list(&directory)?;
        if let Some(end) = end {
            while let Some(last) = segments.pop_if(|last| last.start.offset > end.offset) {
                fs::remove_file(&last.path)?;
            }
        }
        let Some(last) = segments.pop() else {
            return Ok(Self { directory, end: end.unwrap_or_default(), current: None });
        };
        let bytes = fs::read(&last.path)?;
        let noted =
            end.map(|end| end.offset - last.start.offset).and_then(|length| usize::try_from(length).ok());
        let kept = noted.and_then(|length| bytes.get(..length)).unwrap_or(&bytes);
        // What has no end was being written when the host went down.
        let whole = kept.get(..memchr::memrchr(b'\n', kept).map_or(0, |last| last + 1)).unwrap_or_default();
        if whole.len() < bytes.len() {
            OpenOptions::new().write(true).open(&last.path)?.set_len(whole.len() as u64)?;
        }
        let found = Place {
            offset: last.start.offset + whole.len() as u64,
            line: last.start.line + memchr::memchr_iter(b'\n', whole).count() as u64,
        };
        let begun = first_time(whole).map_or_else(|| fs::metadata(&last.path)?.modified(), Ok)?;
        match end.filter(|end| *end > found) {
            // The host went down before all of it was on the disk. Places must not come twice.
            Some(end) => Ok(Self { directory, end, current: None }),
            None => Ok(Self { directory, end: found, current: Some((last, begun)) }),
        }
    }

    /// Where the next line will stand.
    pub fn end(&self) -> Place {
        self.end
    }

    /// Adds whole lines, in as many segments as they need. After an error `end` tells how many of them were added.
    pub fn append(&mut self, bytes: &[u8], limits: Limits) -> io::Result<()> {
        let largest = usize::try_from(largest_segment(limits)).unwrap_or(usize::MAX);
        let mut rest = bytes;
        while !rest.is_empty() {
            let fitting = rest.get(..largest).unwrap_or(rest);
            // One line at least, however long it is.
            let end = memchr::memrchr(b'\n', fitting).or_else(|| memchr::memchr(b'\n', rest));
            let (piece, after) =
                rest.split_at_checked(end.map_or(rest.len(), |end| end + 1)).unwrap_or((rest, &[]));
            self.append_piece(piece, limits)?;
            rest = after;
        }
        Ok(())
    }

    fn append_piece(&mut self, bytes: &[u8], limits: Limits) -> io::Result<()> {
        let segment = self.segment(limits)?;
        let length = self.end.offset - segment.start.offset;
        let mut file = match OpenOptions::new().append(true).create(true).mode(0o600).open(&segment.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // Somebody removed the directory by hand.
                fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.directory)?;
                OpenOptions::new().append(true).create(true).mode(0o600).open(&segment.path)?
            }
            opened => opened?,
        };
        if let Err(error) = file.write_all(bytes) {
            cut(&file, length);
            return Err(error);
        }
        let lines = memchr::memchr_iter(b'\n', bytes).count() as u64;
        self.end = Place { offset: self.end.offset + bytes.len() as u64, line: self.end.line + lines };
        Ok(())
    }

    /// The segment to write to; where it is full or has been written to for long, a new one, and old ones go.
    fn segment(&mut self, limits: Limits) -> io::Result<Segment> {
        let largest = largest_segment(limits);
        let longest = limits.age / u32::try_from(SEGMENTS).unwrap_or(u32::MAX);
        if let Some((segment, begun)) = &self.current {
            let size = self.end.offset - segment.start.offset;
            let age = begun.elapsed().unwrap_or(Duration::ZERO);
            // An empty one is never left behind: its successor would have the same name.
            if size == 0 || (size < largest && age < longest) {
                return Ok(segment.clone());
            }
        }
        let segment = segments::at(&self.directory, self.end);
        self.current = Some((segment.clone(), SystemTime::now()));
        self.prune(limits)?;
        Ok(segment)
    }

    /// Removes segments until the rest, with the one that is written to full, is within the limits.
    pub fn prune(&self, limits: Limits) -> io::Result<()> {
        let segments = segments::list(&self.directory)?;
        let largest = largest_segment(limits);
        let ends = segments.iter().skip(1).map(|segment| segment.start.offset).chain([self.end.offset]);
        for (segment, end) in segments.iter().zip(ends) {
            if self.current.as_ref().is_some_and(|(current, _)| current == segment) {
                break;
            }
            let too_much = self.end.offset - segment.start.offset > limits.size.saturating_sub(largest);
            let written = fs::metadata(&segment.path)?.modified()?;
            let too_old = written.elapsed().is_ok_and(|age| age > limits.age);
            if !too_much && !too_old {
                break;
            }
            tracing::debug!(path = %segment.path.display(), end, "a part of a log is over its limits");
            fs::remove_file(&segment.path)?;
        }
        Ok(())
    }
}

fn largest_segment(limits: Limits) -> u64 {
    (limits.size / SEGMENTS).min(LARGEST_SEGMENT)
}

/// When the first of these lines was printed.
fn first_time(lines: &[u8]) -> Option<SystemTime> {
    let entry = Entry::parse(lines.split(|byte| *byte == b'\n').next()?)?;
    Some(entry.time.parse::<Timestamp>().ok()?.into())
}

/// Takes back what was written of a batch. If that fails, the end is not at a line's end; readers pass over it.
fn cut(file: &File, length: u64) {
    if let Err(error) = file.set_len(length) {
        tracing::warn!(%error, "a half written part of a log stays");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { size: 1000, age: Duration::from_secs(3600) };

    fn sizes(directory: &tempfile::TempDir) -> Vec<(u64, u64)> {
        let segments = segments::list(directory.path()).unwrap();
        segments.iter().map(|one| (one.start.offset, fs::metadata(&one.path).unwrap().len())).collect()
    }

    #[test]
    fn the_oldest_segments_go_and_places_go_on() {
        let directory = tempfile::tempdir().unwrap();
        let mut writer = Writer::open(directory.path().to_owned(), None).unwrap();
        for _ in 0..50 {
            writer.append(&[b"x".repeat(49), b"\n".to_vec()].concat(), LIMITS).unwrap();
        }
        let kept = sizes(&directory);
        let total: u64 = kept.iter().map(|(_, size)| size).sum();
        assert!(total <= LIMITS.size && total > LIMITS.size / 2, "{kept:?}");
        assert_eq!(writer.end(), Place { offset: 2500, line: 50 });
        let again = Writer::open(directory.path().to_owned(), None).unwrap();
        assert_eq!(again.end(), writer.end());
    }

    #[test]
    fn many_lines_at_once_are_not_lost_at_once() {
        let directory = tempfile::tempdir().unwrap();
        let mut writer = Writer::open(directory.path().to_owned(), None).unwrap();
        let lines: String = (0..1000).map(|number| format!("line number {number}\n")).collect();
        writer.append(lines.as_bytes(), LIMITS).unwrap();
        writer.append(b"last\n", LIMITS).unwrap();
        let total: u64 = sizes(&directory).iter().map(|(_, size)| size).sum();
        assert!(total <= LIMITS.size && total > LIMITS.size / 2, "{total}");
        assert_eq!(writer.end().line, 1001);
    }

    #[test]
    fn a_torn_end_and_what_was_not_noted_are_cut_off() {
        let directory = tempfile::tempdir().unwrap();
        let path = || directory.path().to_owned();
        let mut writer = Writer::open(path(), None).unwrap();
        writer.append(b"one\ntwo\n", LIMITS).unwrap();
        let noted = writer.end();
        writer.append(b"three\n", LIMITS).unwrap();
        let segment = segments::list(directory.path()).unwrap().remove(0);
        let mut file = OpenOptions::new().append(true).open(&segment.path).unwrap();
        file.write_all(b"to").unwrap();

        assert_eq!(Writer::open(path(), None).unwrap().end(), Place { offset: 14, line: 3 });
        assert_eq!(fs::read(&segment.path).unwrap(), b"one\ntwo\nthree\n");
        assert_eq!(Writer::open(path(), Some(noted)).unwrap().end(), noted);
        assert_eq!(fs::read(&segment.path).unwrap(), b"one\ntwo\n");
    }

    #[test]
    fn what_the_disk_has_forgotten_leaves_a_hole_in_the_numbers() {
        let directory = tempfile::tempdir().unwrap();
        let mut writer = Writer::open(directory.path().to_owned(), None).unwrap();
        writer.append(b"one\n", LIMITS).unwrap();
        let noted = Place { offset: 100, line: 9 };
        let mut writer = Writer::open(directory.path().to_owned(), Some(noted)).unwrap();
        writer.append(b"after\n", LIMITS).unwrap();
        assert_eq!(sizes(&directory), [(0, 4), (100, 6)]);
        assert_eq!(Writer::open(directory.path().to_owned(), None).unwrap().end(), writer.end());
    }

    #[test]
    fn what_is_too_old_goes() {
        let directory = tempfile::tempdir().unwrap();
        let mut writer = Writer::open(directory.path().to_owned(), None).unwrap();
        writer.append(b"old\n", LIMITS).unwrap();
        let old = segments::list(directory.path()).unwrap().remove(0);
        let file = OpenOptions::new().append(true).open(&old.path).unwrap();
        file.set_modified(SystemTime::now() - 2 * LIMITS.age).unwrap();
        let mut writer = Writer::open(directory.path().to_owned(), None).unwrap();
        writer.append(b"new\n", LIMITS).unwrap();
        assert_eq!(sizes(&directory), [(4, 4)]);
    }
}
