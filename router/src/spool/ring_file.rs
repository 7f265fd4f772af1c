//! A file without a name that is written and read in a circle, so that it never grows beyond its size.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;
use tokio::task::{JoinHandle, spawn_blocking};

/// What is read at once.
const READ: u64 = 64 << 10;

/// The file, and how far it was written and read. Whoever writes makes sure that what is unread fits.
#[derive(Debug)]
pub(super) struct RingFile {
    file: Arc<File>,
    size: u64,
    written: u64,
    read: u64,
}

impl RingFile {
    pub(super) fn new(file: File, size: u64) -> Self {
        Self { file: Arc::new(file), size, written: 0, read: 0 }
    }

    /// Bytes that were written and not read.
    pub(super) fn unread(&self) -> u64 {
        self.written - self.read
    }

    /// Begins to write; `has_written` follows when it is done.
    pub(super) fn write(&self, piece: Bytes) -> JoinHandle<io::Result<()>> {
        let (file, size, start) = (Arc::clone(&self.file), self.size, self.written % self.size);
        spawn_blocking(move || {
            let until_end = usize::try_from(size - start).unwrap_or(usize::MAX);
            let (before, after) = piece.split_at_checked(until_end).unwrap_or((&piece, &[]));
            file.write_all_at(before, start)?;
            file.write_all_at(after, 0)
        })
    }

    pub(super) fn has_written(&mut self, length: usize) {
        self.written += length as u64;
    }

    /// Begins to read what comes next; `has_read` follows when it is done.
    pub(super) fn read(&self) -> JoinHandle<io::Result<Bytes>> {
        let (file, start) = (Arc::clone(&self.file), self.read % self.size);
        let length = self.unread().min(self.size - start).min(READ);
        spawn_blocking(move || {
            let mut data = vec![0; usize::try_from(length).map_err(io::Error::other)?];
            file.read_exact_at(&mut data, start)?;
            Ok(Bytes::from(data))
        })
    }

    pub(super) fn has_read(&mut self, length: usize) {
        self.read += length as u64;
    }

    /// Bytes that the file takes.
    #[cfg(test)]
    pub(super) fn length(&self) -> u64 {
        self.file.metadata().map_or(u64::MAX, |metadata| metadata.len())
    }
}
