//! An HTTP/2 client that sends whatever frames a test wants, right or wrong (RFC 9113, sections 4 and 6).

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::support::within;

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const PRIORITY: u8 = 2;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

pub const END_STREAM: u8 = 1;
pub const ACK: u8 = 1;
pub const END_HEADERS: u8 = 4;

pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

#[derive(Clone, Debug)]
pub struct Frame {
    pub kind: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

impl Frame {
    /// The status in a block of headers, if it is one of those with a code of their own in HPACK's table.
    pub fn status(&self) -> Option<u16> {
        assert_eq!(self.kind, HEADERS);
        // Changes of the table's size come first.
        let first = self.payload.iter().find(|byte| *byte & 0xe0 != 0x20).unwrap();
        let known = [200, 204, 206, 304, 400, 404, 500];
        first.checked_sub(0x88).and_then(|index| known.get(usize::from(index)).copied())
    }

    /// The reason in a reset or a goodbye.
    pub fn reason(&self) -> u32 {
        let at = if self.kind == GOAWAY { 4 } else { 0 };
        u32::from_be_bytes(self.payload[at..at + 4].try_into().unwrap())
    }
}

pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = vec![length[1], length[2], length[3], kind, flags];
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// A string without Huffman's code (RFC 7541, section 5.2).
fn string(text: &str) -> Vec<u8> {
    let mut bytes = integer(text.len(), 7);
    bytes.extend(text.as_bytes());
    bytes
}

fn integer(value: usize, bits: u32) -> Vec<u8> {
    let most = (1 << bits) - 1;
    if value < most {
        return vec![value as u8];
    }
    let (mut bytes, mut rest) = (vec![most as u8], value - most);
    while rest >= 128 {
        bytes.push((rest % 128) as u8 | 128);
        rest /= 128;
    }
    bytes.push(rest as u8);
    bytes
}

/// A block of headers, none of which goes into the table.
pub fn block(headers: &[(&str, &str)]) -> Vec<u8> {
    let literal = |(name, value): &(&str, &str)| [vec![0], string(name), string(value)].concat();
    headers.iter().flat_map(literal).collect()
}

pub fn get(path: &str) -> Vec<u8> {
    block(&[(":method", "GET"), (":scheme", "http"), (":authority", "blog.test"), (":path", path)])
}

/// A header that goes into the table, where its index is then 62.
pub fn indexed(name: &str, value: &str) -> Vec<u8> {
    [vec![0x40], string(name), string(value)].concat()
}

pub struct RawClient {
    pub stream: TcpStream,
}

impl RawClient {
    /// Connects and says hello, with these settings.
    pub async fn connect(address: SocketAddr, settings: &[(u16, u32)]) -> Self {
        let mut client = Self { stream: within(TcpStream::connect(address)).await.unwrap() };
        let mut payload = Vec::new();
        for (name, value) in settings {
            payload.extend(name.to_be_bytes());
            payload.extend(value.to_be_bytes());
        }
        client.send(PREFACE).await;
        client.send(frame(SETTINGS, 0, 0, &payload)).await;
        assert_eq!(client.next().await.unwrap().kind, SETTINGS);
        client.send(frame(SETTINGS, ACK, 0, &[])).await;
        client
    }

    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        within(self.stream.write_all(bytes.as_ref())).await.unwrap();
    }

    pub async fn request(&mut self, stream: u32, path: &str) {
        self.send(frame(HEADERS, END_STREAM | END_HEADERS, stream, &get(path))).await;
    }

    /// The next frame; `None` when the connection has ended.
    pub async fn next(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        within(self.stream.read_exact(&mut head)).await.ok()?;
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        within(self.stream.read_exact(&mut payload)).await.ok()?;
        let stream = u32::from_be_bytes(head[5..9].try_into().unwrap());
        Some(Frame { kind: head[3], stream, payload })
    }

    /// The next frame of a kind; others are skipped.
    pub async fn next_of(&mut self, kind: u8) -> Option<Frame> {
        loop {
            let frame = self.next().await?;
            if frame.kind == kind {
                return Some(frame);
            }
        }
    }

    /// Sends the same bytes again and again, and waits for the other side to end the connection for it.
    pub async fn flood(self, bytes: &[u8], times: usize) {
        let (mut reading, mut writing) = self.stream.into_split();
        // What comes back is not looked at, only taken.
        let read = tokio::spawn(async move { tokio::io::copy(&mut reading, &mut tokio::io::sink()).await });
        for _ in 0..times {
            if within(writing.write_all(bytes)).await.is_err() {
                break;
            }
        }
        // Orderly or not does not matter.
        drop(within(read).await.unwrap());
    }
}
