//! The files of one app's log: a ring of segments, each named by where it begins in the stream of all lines that
//! were ever kept of the app.
//!
//! `OFFSET-LINE.log`: both count from the app's first line on, and never go back. So a place in the stream is a pair
//! of numbers, and what the ring has lost behind a reader can be counted.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::store::apps::AppId;

/// A place in an app's stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Bytes before it.
    pub offset: u64,
    /// Lines before it.
    pub line: u64,
}

/// One file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Where it begins.
    pub start: Place,
    /// The file.
    pub path: PathBuf,
}

/// Where the logs of all apps are.
pub fn root(root: &Path) -> PathBuf {
    root.join("logs/apps")
}

/// Where an app's log is. By its row, so that a renamed app keeps it.
pub fn directory(root: &Path, app: AppId) -> PathBuf {
    self::root(root).join(app.0.to_string())
}

/// The segment of a directory that begins at a place.
pub fn at(directory: &Path, start: Place) -> Segment {
    Segment { start, path: directory.join(format!("{:020}-{:020}.log", start.offset, start.line)) }
}

/// The segments, oldest first. None if nothing was ever kept.
pub fn list(directory: &Path) -> io::Result<Vec<Segment>> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut segments = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let start = path.file_name().and_then(|name| read_name(name.to_str()?));
        segments.extend(start.map(|start| Segment { start, path }));
    }
    segments.sort_by_key(|segment| segment.start);
    Ok(segments)
}

fn read_name(name: &str) -> Option<Place> {
    let (offset, line) = name.strip_suffix(".log")?.split_once('-')?;
    Some(Place { offset: offset.parse().ok()?, line: line.parse().ok()? })
}
