//! The bytes of a build context on their way: out of an object, into chunks.

use std::io::{self, Read, Write};

use bytes::{Bytes, BytesMut};
use git2::Oid;
use tokio::io::AsyncReadExt;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::git::command::git;
use crate::git::error::GitError;
use crate::git::tree::{Source, TreeError};
use crate::process::Process;

/// The size of one chunk of the stream, in bytes.
const CHUNK: usize = 64 << 10;

/// A reader that fails unless it has exactly so many bytes: the header before them has promised that.
pub(super) struct Exactly<R> {
    content: R,
    left: usize,
}

impl<R> Exactly<R> {
    pub fn new(content: R, size: usize) -> Self {
        Self { content, left: size }
    }
}

impl<R: Read> Read for Exactly<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.content.read(buffer)?;
        match self.left.checked_sub(read) {
            Some(left) if read > 0 || left == 0 || buffer.is_empty() => self.left = left,
            _ => return Err(io::Error::other("an object has not the size that its header says")),
        }
        Ok(read)
    }
}

/// A large packed blob, read in pieces from a `git cat-file`.
pub(super) struct BlobProcess {
    process: Process,
    handle: Handle,
}

impl BlobProcess {
    pub fn start(source: &Source, id: Oid, handle: Handle) -> Result<Self, GitError> {
        let mut program =
            git(&source.repository).argument("--git-dir=.").argument("cat-file").argument("blob");
        if let Some(quarantine) = &source.quarantine {
            program = program.variable("GIT_ALTERNATE_OBJECT_DIRECTORIES", quarantine);
        }
        let program = program.argument(id.to_string());
        // Starting a process needs the runtime, which this thread is not in by itself.
        let started = handle.block_on(async { program.start() })?;
        Ok(Self { process: started, handle })
    }
}

impl Read for BlobProcess {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.process.stdout {
            Some(stdout) => self.handle.block_on(stdout.read(buffer)),
            None => Ok(0),
        }
    }
}

/// Cuts what is written into chunks and waits while their reader is slow.
pub(super) struct ChunkWriter {
    sender: mpsc::Sender<Result<Bytes, TreeError>>,
    buffer: BytesMut,
}

impl ChunkWriter {
    pub fn new(sender: mpsc::Sender<Result<Bytes, TreeError>>) -> Self {
        Self { sender, buffer: BytesMut::with_capacity(CHUNK) }
    }

    fn send(&mut self) -> io::Result<()> {
        let chunk = self.buffer.split().freeze();
        let closed = |_| io::Error::from(io::ErrorKind::BrokenPipe);
        self.sender.blocking_send(Ok(chunk)).map_err(closed)
    }

    pub fn finish(mut self) -> io::Result<()> {
        if self.buffer.is_empty() { Ok(()) } else { self.send() }
    }
}

impl Write for ChunkWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = CHUNK.saturating_sub(self.buffer.len());
        let (taken, _) = bytes.split_at(room.min(bytes.len()));
        self.buffer.extend_from_slice(taken);
        if self.buffer.len() >= CHUNK {
            self.send()?;
            self.buffer.reserve(CHUNK);
        }
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
