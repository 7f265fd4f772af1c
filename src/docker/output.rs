//! A container's output as the engine sends it, taken apart into standard output and standard error.

use std::io;
use std::pin::Pin;

use bytes::{Buf, Bytes, BytesMut};
use futures_util::{Stream, stream};
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::docker::error::EngineError;

/// How much is read at a time at first. Most processes say little at a time.
const FIRST_CHUNK: usize = 16 * 1024;

/// How much is read at a time from one that says much; also the largest chunk.
const LARGEST_CHUNK: usize = 256 * 1024;

/// The engine's frames start with the stream's number, three zeros and the length, big-endian.
const HEADER: usize = 8;

/// Where a process wrote to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StandardStream {
    /// Standard output; with a terminal, everything.
    Stdout,
    /// Standard error.
    Stderr,
}

/// A piece of output. Pieces end anywhere, not only at line ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputChunk {
    /// Where it was written to.
    pub stream: StandardStream,
    /// What was written.
    pub bytes: Bytes,
    /// Whether the engine's frame ends here: in a log, each entry is one.
    pub ends_frame: bool,
}

/// Pieces of output until the process or the log ends.
pub type OutputStream = Pin<Box<dyn Stream<Item = Result<OutputChunk, EngineError>> + Send>>;

/// How the engine sends output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// As it is: there is a terminal, so there is one stream only.
    Raw,
    /// In frames, each of one of the two streams.
    Framed,
}

impl Framing {
    /// The engine frames the output of containers without a terminal.
    pub(super) fn for_terminal(terminal: bool) -> Self {
        if terminal { Self::Raw } else { Self::Framed }
    }
}

/// Turns what the engine sends into chunks. `already_read` comes first.
pub(super) fn output_stream(
    reader: impl AsyncRead + Send + Unpin + 'static,
    already_read: BytesMut,
    framing: Framing,
) -> OutputStream {
    let (stream, chunk) = (StandardStream::Stdout, FIRST_CHUNK);
    let reader = OutputReader { reader, buffer: already_read, framing, stream, left: 0, chunk };
    Box::pin(stream::try_unfold(reader, |mut reader| async move {
        Ok(reader.next().await?.map(|chunk| (chunk, reader)))
    }))
}

struct OutputReader<R> {
    reader: R,
    buffer: BytesMut,
    framing: Framing,
    /// The stream that the current frame belongs to.
    stream: StandardStream,
    /// How many bytes of the current frame are still to come.
    left: usize,
    /// How much is read at a time now.
    chunk: usize,
}

impl<R: AsyncRead + Unpin> OutputReader<R> {
    async fn next(&mut self) -> io::Result<Option<OutputChunk>> {
        if self.framing == Framing::Raw {
            if self.buffer.is_empty() && self.fill().await? == 0 {
                return Ok(None);
            }
            return Ok(Some(self.take(self.buffer.len())));
        }
        while self.left == 0 {
            if !self.read_header().await? {
                return Ok(None);
            }
        }
        if self.buffer.is_empty() && self.fill().await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let length = self.left.min(self.buffer.len());
        self.left -= length;
        Ok(Some(self.take(length)))
    }

    /// Whether there is one more frame.
    async fn read_header(&mut self) -> io::Result<bool> {
        while self.buffer.len() < HEADER {
            if self.fill().await? == 0 {
                return if self.buffer.is_empty() {
                    Ok(false)
                } else {
                    Err(io::ErrorKind::UnexpectedEof.into())
                };
            }
        }
        let number = self.buffer.get_u32().to_be_bytes()[0];
        self.stream = if number == 2 { StandardStream::Stderr } else { StandardStream::Stdout };
        self.left = usize::try_from(self.buffer.get_u32()).map_err(io::Error::other)?;
        Ok(true)
    }

    async fn fill(&mut self) -> io::Result<usize> {
        self.buffer.reserve(self.chunk);
        let read = (&mut self.reader).take(self.chunk as u64).read_buf(&mut self.buffer).await?;
        if read == self.chunk {
            self.chunk = (self.chunk * 2).min(LARGEST_CHUNK);
        }
        Ok(read)
    }

    fn take(&mut self, length: usize) -> OutputChunk {
        let bytes = self.buffer.split_to(length).freeze();
        OutputChunk { stream: self.stream, bytes, ends_frame: self.left == 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::TryStreamExt;

    async fn chunks(bytes: &'static [u8], framing: Framing) -> Result<Vec<OutputChunk>, EngineError> {
        output_stream(bytes, BytesMut::new(), framing).try_collect().await
    }

    #[tokio::test]
    async fn frames_are_told_apart_wherever_the_reads_end() {
        let all = b"\x01\0\0\0\0\0\0\x03abc\x02\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\x02de";
        for split in 0..all.len() {
            let (first, rest) = all.split_at(split);
            let chunks: Vec<OutputChunk> =
                output_stream(rest, BytesMut::from(first), Framing::Framed).try_collect().await.unwrap();
            let of = |stream| {
                let bytes =
                    chunks.iter().filter(|chunk| chunk.stream == stream).flat_map(|chunk| &chunk.bytes);
                bytes.copied().collect::<Vec<u8>>()
            };
            assert_eq!(of(StandardStream::Stdout), b"abc");
            assert_eq!(of(StandardStream::Stderr), b"de");
        }
    }

    #[tokio::test]
    async fn a_frame_that_breaks_off_is_an_error() {
        assert!(chunks(b"\x01\0\0\0\0\0\0\x03ab", Framing::Framed).await.is_err());
        assert!(chunks(b"\x01\0\0", Framing::Framed).await.is_err());
    }

    #[tokio::test]
    async fn raw_output_may_look_like_frames() {
        let got = chunks(b"\x01\0\0\0", Framing::Raw).await.unwrap();
        assert_eq!(
            got,
            [OutputChunk {
                stream: StandardStream::Stdout,
                bytes: Bytes::from_static(b"\x01\0\0\0"),
                ends_frame: true
            }]
        );
    }
}
