//! One app's log as the collecting thread has it: the file's end, what is about to be written, and where it came from.

use std::collections::HashSet;
use std::io;
use std::path::PathBuf;

use crate::clock;
use crate::logs::collector::Followed;
use crate::logs::engine_line::Line;
use crate::logs::entry::{Batch, Entry, Source, Stream};
use crate::logs::limits::Limits;
use crate::logs::positions::{Position, Positions};
use crate::logs::writer::Writer;
use crate::model::container_id::ContainerId;

/// Bytes that may wait for the disk before lines are dropped that come many at a time.
const MOST_WAITING: usize = 8 << 20;

/// The log.
#[derive(Debug)]
pub(super) struct AppLog {
    directory: PathBuf,
    writer: Writer,
    batch: Batch,
    /// Lines that the disk refused.
    refused: Vec<u8>,
    /// Of containers that are not followed yet since the server was started.
    earlier: Vec<(ContainerId, Position)>,
    grown: bool,
}

impl AppLog {
    pub(super) fn open(directory: PathBuf) -> io::Result<Self> {
        let positions = Positions::load(&directory)?;
        let writer = Writer::open(directory.clone(), positions.as_ref().map(|positions| positions.end))?;
        let earlier = positions.map(|positions| positions.containers).unwrap_or_default();
        Ok(Self { directory, writer, batch: Batch::default(), refused: Vec::new(), earlier, grown: false })
    }

    /// How far the output of a container was kept by the server before.
    pub(super) fn take_position(&mut self, container: &ContainerId) -> Option<Position> {
        let index = self.earlier.iter().position(|(id, _)| id == container)?;
        Some(self.earlier.swap_remove(index).1)
    }

    pub(super) fn forget_positions(&mut self, present: &HashSet<ContainerId>) {
        self.earlier.retain(|(id, _)| present.contains(id));
    }

    pub(super) fn push(&mut self, entry: &Entry<'_>) {
        self.batch.push(entry);
    }

    /// Adds many lines; if too many wait for the disk already, says how many were dropped instead.
    pub(super) fn keep(&mut self, lines: Batch) {
        if self.batch.size() <= MOST_WAITING {
            self.batch.append(lines);
        } else {
            self.say(&format!("dropped {} lines: they came faster than they can be kept", lines.count()));
        }
    }

    /// Adds a line that a process has printed.
    pub(super) fn print(&mut self, process: &str, line: &Line) {
        push(&mut self.batch, process, line);
    }

    /// Takes about `budget` bytes of what a container has printed, and says whether there is more.
    pub(super) fn take(&mut self, followed: &mut Followed, budget: usize) -> io::Result<bool> {
        let found = followed.file.look()?;
        let process = followed.process.as_str();
        let loss = followed.file.take_loss();
        if loss.unseen {
            self.say(&format!(
                "lines of {process} are missing: the engine removed them while nobody kept them"
            ));
        }
        if loss.lines > 0 {
            let lines = loss.lines;
            self.say(&format!("dropped {lines} lines of {process}: they came faster than they can be kept"));
        }
        if !found {
            return Ok(false);
        }
        let batch = &mut self.batch;
        followed.file.read(budget, |line| push(batch, process, &line))
    }

    /// Takes what a container that is gone had begun to say.
    pub(super) fn finish(&mut self, followed: &mut Followed) {
        for line in followed.file.finish() {
            push(&mut self.batch, &followed.process, &line);
        }
    }

    fn say(&mut self, text: &str) {
        let (time, source) = (clock::precise_now(), Source::Slipway);
        let (process, stream) = ("logs", Stream::None);
        self.batch.push(&Entry { time: &time, source, process, stream, text: text.as_bytes() });
    }

    /// Writes what the disk refused before.
    pub(super) fn retry(&mut self, limits: Limits) -> io::Result<()> {
        let before = self.writer.end().offset;
        let appended = self.writer.append(&self.refused, limits);
        let added = self.writer.end().offset - before;
        self.grown |= added > 0;
        self.refused.drain(..usize::try_from(added).unwrap_or(usize::MAX).min(self.refused.len()));
        appended
    }

    /// Writes what was taken, and notes how far each container's output is kept with it.
    pub(super) fn write<'a>(
        &mut self,
        limits: Limits,
        containers: impl Iterator<Item = (&'a ContainerId, Position)>,
    ) -> io::Result<()> {
        if !self.batch.is_empty() {
            self.refused = std::mem::take(&mut self.batch).into_lines();
            self.retry(limits)?;
        }
        if !self.grown {
            return Ok(());
        }
        let followed = containers.map(|(id, position)| (id.clone(), position));
        let containers = self.earlier.iter().cloned().chain(followed).collect();
        Positions { end: self.writer.end(), containers }.save(&self.directory)
    }

    /// Whether lines were written since it was asked last.
    pub(super) fn has_grown(&mut self) -> bool {
        std::mem::take(&mut self.grown)
    }

    pub(super) fn prune(&self, limits: Limits) {
        if let Err(error) = self.writer.prune(limits) {
            tracing::warn!(path = %self.directory.display(), %error, "a log stays larger than it should be");
        }
    }
}

fn push(batch: &mut Batch, process: &str, line: &Line) {
    let (time, stream, text) = (line.time.as_str(), line.stream, line.text.as_slice());
    batch.push(&Entry { time, source: Source::App, process, stream, text });
}
