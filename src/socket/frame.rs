//! What client and server say to each other on the Unix socket.
//!
//! A frame is its length (four bytes, big endian, not counting themselves), one byte for its kind, and its content.
//! The client's first frame is the header. The server's last one is the exit status; a connection that ends before
//! it has failed. Input flows by credit, so that it never stands in the way of signals: a client may send
//! [`INPUT_CREDIT`] bytes, and then as many as the server grants.

use std::collections::BTreeMap;
use std::io;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio_util::codec::{FramedRead, LengthDelimitedCodec};

use crate::console::WindowSize;

/// The longest frame. Long enough for a header with the largest command line that Linux allows.
pub const LONGEST_FRAME: usize = 16 << 20;
/// The largest piece of input or output in one frame.
pub const PIECE: usize = 64 << 10;
/// How much input a client may send before it is granted more.
pub const INPUT_CREDIT: usize = 1 << 20;

/// The frames' content as it comes from a stream.
pub type FrameReader<R> = FramedRead<R, LengthDelimitedCodec>;

/// What the client asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The command's name and arguments.
    pub words: Vec<String>,
    /// The variables that the client passes on.
    pub environment: BTreeMap<String, String>,
    /// The client's terminal, if it is at one.
    pub terminal: Option<HeaderTerminal>,
}

/// A terminal as the header has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeaderTerminal {
    /// `TERM`.
    pub kind: String,
    /// Characters in a line.
    pub columns: u16,
    /// Lines.
    pub rows: u16,
}

/// A frame from the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientFrame {
    /// The first one.
    Header(Header),
    /// A piece of standard input.
    Stdin(Bytes),
    /// The end of standard input.
    StdinEnd,
    /// A signal's name, without `SIG`.
    Signal(String),
    /// The terminal's new size.
    Window(WindowSize),
}

/// A frame from the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerFrame {
    /// A piece of standard output.
    Stdout(Bytes),
    /// A piece of standard error.
    Stderr(Bytes),
    /// What a terminal elsewhere printed, for standard output.
    Terminal(Bytes),
    /// The command wants every key as it is from now on.
    TakenOver,
    /// The client may send this many more bytes of input.
    Credit(u32),
    /// The command's exit status, and the end.
    Exit(u8),
}

/// A frame that means nothing.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The connection failed.
    #[error("cannot read from the socket")]
    Read(#[from] io::Error),
    /// The frame's kind is not known, or not in this direction.
    #[error("a frame of kind {0:?} is not known")]
    Kind(Option<u8>),
    /// The content is not what this kind has.
    #[error("a frame of kind {0} has a content that does not fit")]
    Content(u8),
}

const HEADER: u8 = 1;
const STDIN: u8 = 2;
const STDIN_END: u8 = 3;
const SIGNAL: u8 = 4;
const WINDOW: u8 = 5;
const STDOUT: u8 = 17;
const STDERR: u8 = 18;
const TERMINAL: u8 = 19;
const TAKEN_OVER: u8 = 20;
const CREDIT: u8 = 21;
const EXIT: u8 = 22;

/// Reads frames from a stream.
pub fn frame_reader<R: AsyncRead>(stream: R) -> FrameReader<R> {
    LengthDelimitedCodec::builder().max_frame_length(LONGEST_FRAME).new_read(stream)
}

/// Writes one frame.
pub async fn write_frame(stream: &mut (impl AsyncWrite + Unpin), frame: (u8, Bytes)) -> io::Result<()> {
    let (kind, content) = frame;
    let length = u32::try_from(content.len().saturating_add(1))
        .ok()
        .filter(|length| *length as usize <= LONGEST_FRAME)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the command line is too long"))?;
    let mut start = BytesMut::with_capacity(5);
    start.put_u32(length);
    start.put_u8(kind);
    stream.write_all_buf(&mut start.chain(content)).await
}

impl ClientFrame {
    /// The frame's kind and content.
    pub fn encode(self) -> (u8, Bytes) {
        match self {
            Self::Header(header) => {
                // Strings in a list and a map cannot fail to be written.
                let json = serde_json::to_vec(&header).unwrap_or_default();
                (HEADER, json.into())
            }
            Self::Stdin(piece) => (STDIN, piece),
            Self::StdinEnd => (STDIN_END, Bytes::new()),
            Self::Signal(name) => (SIGNAL, name.into()),
            Self::Window(size) => {
                let mut content = BytesMut::with_capacity(4);
                content.put_u16(size.columns);
                content.put_u16(size.rows);
                (WINDOW, content.freeze())
            }
        }
    }

    /// Reads a frame.
    pub fn decode(frame: BytesMut) -> Result<Self, FrameError> {
        let (kind, mut content) = split(frame)?;
        match kind {
            HEADER => {
                serde_json::from_slice(&content).map(Self::Header).map_err(|_| FrameError::Content(kind))
            }
            STDIN => Ok(Self::Stdin(content)),
            STDIN_END => Ok(Self::StdinEnd),
            SIGNAL => match str::from_utf8(&content) {
                Ok(name) => Ok(Self::Signal(name.to_owned())),
                Err(_) => Err(FrameError::Content(kind)),
            },
            WINDOW => {
                let columns = content.try_get_u16().map_err(|_| FrameError::Content(kind))?;
                let rows = content.try_get_u16().map_err(|_| FrameError::Content(kind))?;
                Ok(Self::Window(WindowSize { columns, rows }))
            }
            unknown => Err(FrameError::Kind(Some(unknown))),
        }
    }
}

impl ServerFrame {
    /// The frame's kind and content.
    pub fn encode(self) -> (u8, Bytes) {
        match self {
            Self::Stdout(piece) => (STDOUT, piece),
            Self::Stderr(piece) => (STDERR, piece),
            Self::Terminal(piece) => (TERMINAL, piece),
            Self::TakenOver => (TAKEN_OVER, Bytes::new()),
            Self::Credit(bytes) => (CREDIT, Bytes::copy_from_slice(&bytes.to_be_bytes())),
            Self::Exit(status) => (EXIT, Bytes::copy_from_slice(&[status])),
        }
    }

    /// Reads a frame.
    pub fn decode(frame: BytesMut) -> Result<Self, FrameError> {
        let (kind, mut content) = split(frame)?;
        match kind {
            STDOUT => Ok(Self::Stdout(content)),
            STDERR => Ok(Self::Stderr(content)),
            TERMINAL => Ok(Self::Terminal(content)),
            TAKEN_OVER => Ok(Self::TakenOver),
            CREDIT => content.try_get_u32().map(Self::Credit).map_err(|_| FrameError::Content(kind)),
            EXIT => content.try_get_u8().map(Self::Exit).map_err(|_| FrameError::Content(kind)),
            unknown => Err(FrameError::Kind(Some(unknown))),
        }
    }
}

fn split(frame: BytesMut) -> Result<(u8, Bytes), FrameError> {
    let mut frame = frame.freeze();
    let kind = frame.try_get_u8().map_err(|_| FrameError::Kind(None))?;
    Ok((kind, frame))
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;

    use super::*;

    fn header() -> Header {
        Header {
            words: vec!["config:set".to_owned(), "blog".to_owned(), "A=\n\"\u{1f40b}".to_owned()],
            environment: BTreeMap::from([("LANG".to_owned(), "C".to_owned())]),
            terminal: Some(HeaderTerminal { kind: "xterm".to_owned(), columns: 80, rows: 24 }),
        }
    }

    #[tokio::test]
    async fn frames_arrive_as_they_were_sent() {
        let from_client = [
            ClientFrame::Header(header()),
            ClientFrame::Stdin(Bytes::from_static(b"\x00\xff")),
            ClientFrame::StdinEnd,
            ClientFrame::Signal("INT".to_owned()),
            ClientFrame::Window(WindowSize { columns: 65535, rows: 1 }),
        ];
        let from_server = [
            ServerFrame::Stdout(Bytes::from_static(b"a")),
            ServerFrame::Stderr(Bytes::new()),
            ServerFrame::Terminal(Bytes::from_static(b"\n")),
            ServerFrame::TakenOver,
            ServerFrame::Credit(u32::MAX),
            ServerFrame::Exit(255),
        ];
        let mut wire = Vec::new();
        for frame in from_client.clone() {
            write_frame(&mut wire, frame.encode()).await.unwrap();
        }
        for frame in from_server.clone() {
            write_frame(&mut wire, frame.encode()).await.unwrap();
        }
        let mut frames = frame_reader(&wire[..]);
        for frame in from_client {
            assert_eq!(ClientFrame::decode(frames.next().await.unwrap().unwrap()).unwrap(), frame);
        }
        for frame in from_server {
            assert_eq!(ServerFrame::decode(frames.next().await.unwrap().unwrap()).unwrap(), frame);
        }
        assert!(frames.next().await.is_none());
    }

    #[test]
    fn nonsense_is_refused() {
        for wrong in [&b""[..], b"\x09", b"\x01{", b"\x05\x00\x01\x02", b"\x04\xff", b"\x11out"] {
            assert!(ClientFrame::decode(BytesMut::from(wrong)).is_err(), "{wrong:?}");
        }
        for wrong in [&b""[..], b"\x01{}", b"\x15\x00", b"\x16"] {
            assert!(ServerFrame::decode(BytesMut::from(wrong)).is_err(), "{wrong:?}");
        }
    }

    #[tokio::test]
    async fn a_frame_that_is_too_long_is_refused_on_both_sides() {
        let long = Bytes::from(vec![0; LONGEST_FRAME]);
        assert!(write_frame(&mut Vec::new(), (STDIN, long)).await.is_err());
        let claim = u32::try_from(LONGEST_FRAME + 1).unwrap().to_be_bytes();
        assert!(frame_reader(&claim[..]).next().await.unwrap().is_err());
    }
}
