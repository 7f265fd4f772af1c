//! What of each container's output is kept already: a small file beside the segments, replaced after every addition.
//!
//! Its first line says where the app's log ended then, so that a server that is killed between the two leaves
//! nothing that is kept twice.

use std::fs;
use std::io;
use std::path::Path;

use crate::logs::segments::Place;
use crate::model::container_id::ContainerId;

/// How far a container's output is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// The engine's file.
    pub inode: u64,
    /// Bytes of it that are done with.
    pub offset: u64,
    /// The time of the last record that is done with; empty before the first one.
    pub time: String,
}

/// The positions of an app's containers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Positions {
    /// Where the app's log ended.
    pub end: Place,
    /// How far each container's output is kept.
    pub containers: Vec<(ContainerId, Position)>,
}

impl Positions {
    /// Reads them; `None` if there are none, or none that can be read.
    pub fn load(directory: &Path) -> io::Result<Option<Self>> {
        match fs::read_to_string(directory.join("positions")) {
            Ok(text) => Ok(parse(&text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes them, so that nobody ever sees a part.
    pub fn save(&self, directory: &Path) -> io::Result<()> {
        let mut text = format!("end {} {}\n", self.end.offset, self.end.line);
        for (container, position) in &self.containers {
            let Position { inode, offset, time } = position;
            text.push_str(&format!("{container} {inode} {offset} {time}\n"));
        }
        let new = directory.join("positions.new");
        fs::write(&new, text)?;
        fs::rename(&new, directory.join("positions"))
    }
}

fn parse(text: &str) -> Option<Positions> {
    let mut lines = text.lines();
    let (offset, line) = lines.next()?.strip_prefix("end ")?.split_once(' ')?;
    let end = Place { offset: offset.parse().ok()?, line: line.parse().ok()? };
    let container = |line: &str| {
        let mut words = line.split(' ');
        let container = ContainerId::new(words.next()?.to_owned());
        let (inode, offset) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        Some((container, Position { inode, offset, time: words.next().unwrap_or_default().to_owned() }))
    };
    Some(Positions { end, containers: lines.map(container).collect::<Option<_>>()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_come_back_and_a_damaged_file_is_as_none() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(Positions::load(directory.path()).unwrap(), None);
        let position = Position { inode: 7, offset: 99, time: "2026-11-21T04:20:01.123456789Z".to_owned() };
        let positions = Positions {
            end: Place { offset: 5, line: 1 },
            containers: vec![
                (ContainerId::new("abc".to_owned()), position),
                (ContainerId::new("new".to_owned()), Position::default()),
            ],
        };
        positions.save(directory.path()).unwrap();
        assert_eq!(Positions::load(directory.path()).unwrap(), Some(positions));
        fs::write(directory.path().join("positions"), "end 5").unwrap();
        assert_eq!(Positions::load(directory.path()).unwrap(), None);
    }
}
