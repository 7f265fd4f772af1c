//! What the server says, on this process's own standard output and error.

use std::io;

use bytes::Bytes;
use tokio::io::{AsyncWrite, AsyncWriteExt, Stderr, Stdout, stderr, stdout};

use crate::cli::terminal::RawMode;
use crate::face::keyboard::with_carriage_returns;

/// The client's two streams.
#[derive(Debug)]
pub struct Streams {
    stdout: Stdout,
    stderr: Stderr,
    raw: Option<RawMode>,
}

impl Streams {
    /// Starts with the terminal as it is.
    pub fn open() -> Self {
        Self { stdout: stdout(), stderr: stderr(), raw: None }
    }

    /// Gives every key to the server from now on, until this is dropped.
    pub fn take_over(&mut self) -> io::Result<()> {
        if self.raw.is_none() {
            self.raw = Some(RawMode::enter()?);
        }
        Ok(())
    }

    /// Writes the server's own text to standard output.
    pub async fn stdout(&mut self, bytes: Bytes) -> io::Result<()> {
        let bytes = self.for_terminal(bytes);
        write(&mut self.stdout, &bytes).await
    }

    /// Writes to standard error.
    pub async fn stderr(&mut self, bytes: Bytes) -> io::Result<()> {
        let bytes = self.for_terminal(bytes);
        write(&mut self.stderr, &bytes).await
    }

    /// Writes what a terminal elsewhere printed.
    pub async fn terminal(&mut self, bytes: Bytes) -> io::Result<()> {
        write(&mut self.stdout, &bytes).await
    }

    fn for_terminal(&self, bytes: Bytes) -> Bytes {
        if self.raw.is_some() { with_carriage_returns(&bytes) } else { bytes }
    }
}

/// Writes and flushes, because nothing else would: tokio's handles write behind the caller's back.
async fn write(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes).await?;
    stream.flush().await
}
