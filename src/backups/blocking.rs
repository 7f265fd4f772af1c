//! Work that computes, on a thread of its own: it reads what arrives asynchronously, and others read what it makes.
//!
//! Compression, encryption and digests are synchronous libraries; as one chain of readers and writers they need no
//! buffers between them. What is made goes on in chunks, of which only a few can wait.

use std::io::{self, Read, Write};

use bytes::{Bytes, BytesMut};
use tokio::io::AsyncReadExt;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::io::StreamReader;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::backups::ByteStream;

/// How much is read and passed on at a time.
pub const CHUNK: usize = 128 * 1024;

/// How many chunks may wait for whoever takes them.
const BACKLOG: usize = 8;

/// What a thread makes, as long as somebody wants it: dropping this ends the thread's reading and writing.
pub struct Product<T> {
    chunks: mpsc::Receiver<Bytes>,
    end: Option<JoinHandle<io::Result<T>>>,
    result: Option<T>,
    _wanted: DropGuard,
}

impl<T: Send + 'static> Product<T> {
    /// Starts a thread that reads from `source` and writes what it makes of it, until the product is `unwanted`.
    pub fn start<W>(source: ByteStream, unwanted: CancellationToken, work: W) -> Self
    where
        W: FnOnce(BlockingReader, ChunkWriter) -> io::Result<T> + Send + 'static,
    {
        let (sender, chunks) = mpsc::channel(BACKLOG);
        let (source, runtime) = (StreamReader::new(source), Handle::current());
        let reader = BlockingReader { source, runtime, unwanted: unwanted.clone() };
        let writer = ChunkWriter { sender, buffer: BytesMut::with_capacity(CHUNK) };
        let end = tokio::task::spawn_blocking(move || work(reader, writer));
        Self { chunks, end: Some(end), result: None, _wanted: unwanted.drop_guard() }
    }

    /// The next piece; `None` once all of it was made, and made well.
    pub async fn next(&mut self) -> io::Result<Option<Bytes>> {
        if let Some(chunk) = self.chunks.recv().await {
            return Ok(Some(chunk));
        }
        // The channel is also closed where the thread failed, so it is asked how it ended.
        if let Some(end) = self.end.take() {
            self.result = Some(end.await.map_err(io::Error::other)??);
        }
        Ok(None)
    }

    /// What the thread says about all that it made; `None` before [`Self::next`] has come to the end.
    pub fn into_result(self) -> Option<T> {
        self.result
    }
}

/// Reads what arrives asynchronously, waiting for it; an error once nobody wants the product any more.
pub struct BlockingReader {
    source: StreamReader<ByteStream, Bytes>,
    runtime: Handle,
    unwanted: CancellationToken,
}

impl Read for BlockingReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Self { source, runtime, unwanted } = self;
        runtime.block_on(async {
            tokio::select! {
                biased;
                () = unwanted.cancelled() => Err(io::ErrorKind::ConnectionAborted.into()),
                read = source.read(buffer) => read,
            }
        })
    }
}

/// Passes on what is written, in chunks; waits while too many of them wait.
pub struct ChunkWriter {
    sender: mpsc::Sender<Bytes>,
    buffer: BytesMut,
}

impl Write for ChunkWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= CHUNK {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let chunk = std::mem::replace(&mut self.buffer, BytesMut::with_capacity(CHUNK)).freeze();
        self.sender.blocking_send(chunk).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}
