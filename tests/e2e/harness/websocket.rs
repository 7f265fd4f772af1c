//! A small WebSocket client (RFC 6455): whole frames, always masked, no extensions.

use std::io::{self, BufReader, Read, Write};
use std::net::SocketAddr;

use crate::harness::http::{Connection, Stream};

/// The opcodes that tests need.
pub const TEXT: u8 = 0x1;
pub const CLOSE: u8 = 0x8;
pub const PING: u8 = 0x9;
pub const PONG: u8 = 0xa;

/// One frame that came.
#[derive(Debug, PartialEq, Eq)]
pub struct Frame {
    pub opcode: u8,
    pub payload: Vec<u8>,
}

/// An open WebSocket.
pub struct WebSocket {
    stream: BufReader<Box<dyn Stream>>,
}

impl WebSocket {
    /// Connects, and switches the connection over.
    pub fn open(address: SocketAddr, host: &str, path: &str) -> io::Result<Self> {
        Self::over(Connection::open(address)?, host, path)
    }

    /// Switches a connection over.
    pub fn over(mut connection: Connection, host: &str, path: &str) -> io::Result<Self> {
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        connection.write(head.as_bytes())?;
        let response = connection.read_response("GET")?;
        // The key and its answer are those of RFC 6455, section 1.3.
        match (response.status, response.header("sec-websocket-accept")) {
            (101, Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")) => Ok(Self { stream: connection.into_reader() }),
            _ => Err(io::Error::other(format!("no WebSocket: {} {}", response.status, response.text()))),
        }
    }

    /// Sends one frame of at most 65,535 bytes.
    pub fn send(&mut self, opcode: u8, payload: &[u8]) -> io::Result<()> {
        let mask = [0x12, 0x34, 0x56, 0x78];
        let mut frame = vec![0x80 | opcode];
        match u8::try_from(payload.len()) {
            Ok(length @ 0..=125) => frame.push(0x80 | length),
            _ => {
                frame.push(0x80 | 126);
                frame.extend_from_slice(&u16::try_from(payload.len()).unwrap().to_be_bytes());
            }
        }
        frame.extend_from_slice(&mask);
        frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        self.stream.get_mut().write_all(&frame)?;
        self.stream.get_mut().flush()
    }

    /// Waits for the next frame.
    pub fn receive(&mut self) -> io::Result<Frame> {
        let [first, second] = self.read_array()?;
        let length = match second {
            126 => u64::from(u16::from_be_bytes(self.read_array()?)),
            127 => u64::from_be_bytes(self.read_array()?),
            length => u64::from(length),
        };
        let mut payload = Vec::new();
        if Read::take(&mut self.stream, length).read_to_end(&mut payload)? as u64 != length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(Frame { opcode: first & 0x0f, payload })
    }

    fn read_array<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.stream.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}
