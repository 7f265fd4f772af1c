//! Reads the files in which the engine keeps one container's output (`json-file`), through their rotations. Blocking.
//!
//! The engine writes `ID-json.log`, and when that is full makes it `ID-json.log.1`, that one `.2`, and removes the
//! oldest. A file that is being read stays open, so that its rest is not lost when it is removed.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::logs::engine_line::{self, Joiner, Line};
use crate::logs::positions::Position;

/// Read at a time. More than a record can have: 16 KiB, each byte of which may be six in JSON.
const BLOCK: usize = 256 << 10;
/// Files that may wait to be read, some 40 MB; then the oldest is given up.
const MOST_FILES: usize = 4;
/// Read backwards from a position to see whether it still is what it was.
const LOOK_BACK: u64 = 128 << 10;

#[derive(Debug)]
struct OpenFile {
    file: File,
    inode: u64,
    offset: u64,
}

/// What was lost of a container's output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Loss {
    /// Lines that were given up, because they came faster than they could be kept.
    pub lines: u64,
    /// Whether the engine removed files that were never seen.
    pub unseen: bool,
}

/// One container's output.
#[derive(Debug)]
pub struct EngineFile {
    path: PathBuf,
    /// Oldest first.
    files: VecDeque<OpenFile>,
    joiner: Joiner,
    /// Records up to this time are done with already.
    done_up_to: String,
    time: String,
    loss: Loss,
}

impl EngineFile {
    /// Opens the output that the engine keeps at `path`, and goes on behind `position`.
    pub fn open(path: PathBuf, position: Option<&Position>) -> io::Result<Self> {
        let files = open_all(&path)?;
        let mut opened = Self {
            path,
            files: VecDeque::new(),
            joiner: Joiner::default(),
            done_up_to: String::new(),
            time: String::new(),
            loss: Loss::default(),
        };
        let Some(position) = position.filter(|position| !position.time.is_empty()) else {
            opened.files = files.into();
            return Ok(opened);
        };
        opened.time = position.time.clone();
        let rotated = files.len() > 2;
        let mut files: VecDeque<OpenFile> = files.into();
        let index = files.iter().position(|file| file.inode == position.inode && is_behind(file, position));
        match index {
            Some(index) => {
                files.drain(..index);
                if let Some(first) = files.front_mut() {
                    first.offset = position.offset;
                }
            }
            None => {
                opened.done_up_to = position.time.clone();
                let first = files.front().and_then(first_time);
                opened.loss.unseen = rotated && first.is_some_and(|first| first > position.time);
            }
        }
        opened.files = files;
        Ok(opened)
    }

    /// Where the engine writes now.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How far it has been read.
    pub fn position(&self) -> Position {
        let (inode, offset) = self.files.front().map_or((0, 0), |file| (file.inode, file.offset));
        Position {
            inode,
            offset: self.joiner.begun_at().unwrap_or(offset).min(offset),
            time: self.time.clone(),
        }
    }

    /// Opens files that the engine has begun since, and says whether there is anything to read.
    pub fn look(&mut self) -> io::Result<bool> {
        let newest = self.files.back().map(|file| file.inode);
        match std::fs::metadata(&self.path) {
            Ok(metadata) if Some(metadata.ino()) == newest => {}
            Ok(_) => self.take_new(newest)?,
            // Removed, or being rotated just now.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        while self.files.len() > MOST_FILES {
            self.give_up_oldest()?;
        }
        for file in &self.files {
            if file.file.metadata()?.len() > file.offset {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn take_new(&mut self, newest: Option<u64>) -> io::Result<()> {
        let mut found = open_all(&self.path)?;
        let known = found.iter().position(|file| Some(file.inode) == newest);
        self.loss.unseen |= known.is_none() && newest.is_some() && found.len() > 2;
        found.drain(..known.map_or(0, |known| known + 1));
        self.files.extend(found);
        Ok(())
    }

    fn give_up_oldest(&mut self) -> io::Result<()> {
        let Some(mut oldest) = self.files.pop_front() else { return Ok(()) };
        let mut block = vec![0; BLOCK];
        loop {
            let length = oldest.file.read_at(&mut block, oldest.offset)?;
            if length == 0 {
                return Ok(());
            }
            oldest.offset += length as u64;
            let lines = memchr::memchr_iter(b'\n', block.get(..length).unwrap_or_default()).count();
            self.loss.lines += lines as u64;
        }
    }

    /// What was lost since it was asked last.
    pub fn take_loss(&mut self) -> Loss {
        std::mem::take(&mut self.loss)
    }

    /// Reads about `budget` bytes, hands on the lines, and says whether there may be more.
    pub fn read(&mut self, budget: usize, mut sink: impl FnMut(Line)) -> io::Result<bool> {
        let mut block = vec![0; BLOCK];
        let mut left = budget;
        while left > 0 {
            let is_last = self.files.len() < 2;
            let Some(file) = self.files.front_mut() else { return Ok(false) };
            let length = file.file.read_at(&mut block, file.offset)?;
            let bytes = block.get(..length).unwrap_or_default();
            let whole = match memchr::memrchr(b'\n', bytes) {
                Some(last) => last + 1,
                // No record is as long as that.
                None if length == BLOCK => length,
                None if is_last => return Ok(false),
                None => {
                    // What has no end here never gets one.
                    self.files.pop_front();
                    continue;
                }
            };
            let mut offset = file.offset;
            file.offset += whole as u64;
            left = left.saturating_sub(whole);
            for record in bytes.get(..whole).unwrap_or_default().split_inclusive(|byte| *byte == b'\n') {
                let line = self.joiner.push(record, offset);
                offset += record.len() as u64;
                if let Some(line) = line.filter(|line| line.time > self.done_up_to) {
                    self.time.clone_from(&line.time);
                    sink(line);
                }
            }
        }
        Ok(true)
    }

    /// What was begun and will not go on: the container is gone.
    pub fn finish(&mut self) -> Vec<Line> {
        self.joiner.finish()
    }
}

/// The files that there are, oldest first. Opened newest first: a rotation meanwhile shows one of them twice, and
/// hides none.
fn open_all(path: &Path) -> io::Result<Vec<OpenFile>> {
    let mut files: Vec<OpenFile> = Vec::new();
    for suffix in ["", ".1", ".2"] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        match File::open(PathBuf::from(name)) {
            Ok(file) => {
                let inode = file.metadata()?.ino();
                if files.iter().all(|other| other.inode != inode) {
                    files.push(OpenFile { file, inode, offset: 0 });
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    files.reverse();
    Ok(files)
}

/// Whether the record before the position is the one that was read there: inodes come again.
fn is_behind(file: &OpenFile, position: &Position) -> bool {
    let begin = position.offset.saturating_sub(LOOK_BACK);
    let Ok(length) = usize::try_from(position.offset - begin) else { return false };
    let mut bytes = vec![0; length];
    if file.file.read_exact_at(&mut bytes, begin).is_err() {
        return false;
    }
    let last =
        bytes.strip_suffix(b"\n").map(|bytes| bytes.rsplit(|byte| *byte == b'\n').next().unwrap_or(bytes));
    last.and_then(engine_line::time).is_some_and(|time| time >= position.time)
}

fn first_time(file: &OpenFile) -> Option<String> {
    let mut bytes = vec![0; BLOCK];
    let length = file.file.read_at(&mut bytes, 0).ok()?;
    engine_line::time(bytes.get(..length)?.split(|byte| *byte == b'\n').next()?)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use super::*;

    /// What the engine does.
    struct Engine {
        directory: tempfile::TempDir,
        written: u32,
    }

    impl Engine {
        fn new() -> Self {
            Self { directory: tempfile::tempdir().unwrap(), written: 0 }
        }

        fn path(&self) -> PathBuf {
            self.directory.path().join("x-json.log")
        }

        fn write(&mut self, lines: u32) {
            let mut file = File::options().append(true).create(true).open(self.path()).unwrap();
            for _ in 0..lines {
                self.written += 1;
                let (number, nanosecond) = (self.written, format!("{:09}", self.written));
                let time = format!("2026-11-21T04:20:01.{nanosecond}Z");
                let line = format!("{{\"log\":\"{number}\\n\",\"stream\":\"stdout\",\"time\":\"{time}\"}}\n");
                file.write_all(line.as_bytes()).unwrap();
            }
        }

        fn rotate(&self) {
            let name = |suffix| self.directory.path().join(format!("x-json.log{suffix}"));
            if name(".1").exists() {
                fs::rename(name(".1"), name(".2")).unwrap();
            }
            fs::rename(name(""), name(".1")).unwrap();
        }
    }

    fn rest(file: &mut EngineFile) -> Vec<u32> {
        let mut numbers = Vec::new();
        while file.look().unwrap() && file.read(100, |line| numbers.push(number(&line))).unwrap() {}
        numbers
    }

    fn number(line: &Line) -> u32 {
        String::from_utf8_lossy(&line.text).parse().unwrap()
    }

    #[test]
    fn lines_are_read_once_through_rotations_and_reopenings() {
        let mut engine = Engine::new();
        engine.write(3);
        let mut file = EngineFile::open(engine.path(), None).unwrap();
        assert_eq!(rest(&mut file), [1, 2, 3]);
        engine.write(2);
        engine.rotate();
        engine.write(2);
        assert_eq!(rest(&mut file), [4, 5, 6, 7]);

        let position = file.position();
        drop(file);
        engine.write(1);
        engine.rotate();
        engine.write(1);
        let mut file = EngineFile::open(engine.path(), Some(&position)).unwrap();
        assert_eq!(rest(&mut file), [8, 9]);
        assert_eq!(file.take_loss(), Loss::default());
    }

    #[test]
    fn a_position_in_a_file_that_is_gone_is_found_by_its_time() {
        let mut engine = Engine::new();
        engine.write(3);
        let mut file = EngineFile::open(engine.path(), None).unwrap();
        rest(&mut file);
        let position = Position { inode: 1, ..file.position() };
        engine.write(2);
        let mut file = EngineFile::open(engine.path(), Some(&position)).unwrap();
        assert_eq!((rest(&mut file), file.take_loss().unseen), (vec![4, 5], false));
        for _ in 0..3 {
            engine.rotate();
            engine.write(1);
        }
        let mut file = EngineFile::open(engine.path(), Some(&position)).unwrap();
        assert_eq!((rest(&mut file), file.take_loss().unseen), (vec![6, 7, 8], true));
    }

    #[test]
    fn a_file_that_is_removed_while_it_is_read_is_read_to_its_end() {
        let mut engine = Engine::new();
        engine.write(3);
        let mut file = EngineFile::open(engine.path(), None).unwrap();
        engine.write(2);
        fs::remove_file(engine.path()).unwrap();
        assert_eq!(rest(&mut file), [1, 2, 3, 4, 5]);
    }

    #[test]
    fn who_is_too_slow_is_told_how_many_lines_are_lost() {
        let mut engine = Engine::new();
        engine.write(7);
        let mut file = EngineFile::open(engine.path(), None).unwrap();
        for _ in 0..MOST_FILES {
            engine.rotate();
            engine.write(1);
            file.look().unwrap();
        }
        assert_eq!(file.take_loss(), Loss { lines: 7, unseen: false });
        assert_eq!(rest(&mut file), [8, 9, 10, 11]);
    }

    #[test]
    fn a_line_that_is_being_written_is_waited_for() {
        let mut engine = Engine::new();
        engine.write(1);
        let whole = fs::read(engine.path()).unwrap();
        fs::write(engine.path(), &whole[..20]).unwrap();
        let mut file = EngineFile::open(engine.path(), None).unwrap();
        assert!(rest(&mut file).is_empty());
        fs::write(engine.path(), &whole).unwrap();
        assert_eq!(rest(&mut file), [1]);
    }
}
