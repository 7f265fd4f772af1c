//! A WebSocket that echoes (RFC 6455).

use std::io::{self, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

use crate::exchange::Exchange;
use crate::server::{Server, locked};

/// A close frame with code 1001: the endpoint is going away.
pub const GOING_AWAY: [u8; 4] = [0x88, 0x02, 0x03, 0xe9];
/// A close frame with code 1002: the peer broke the protocol.
const PROTOCOL_ERROR: [u8; 4] = [0x88, 0x02, 0x03, 0xea];
/// A close frame with code 1009: the message is too big.
const TOO_BIG: [u8; 4] = [0x88, 0x02, 0x03, 0xf1];
const MAX_PAYLOAD: u64 = 64 << 20;

const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xa;

struct Frame {
    /// FIN, the reserved bits and the opcode, as they came.
    first: u8,
    payload: Vec<u8>,
}

/// Switches the connection to WebSocket and echoes until one side closes.
pub fn serve(server: &Server, exchange: &mut Exchange) -> io::Result<()> {
    let request = &exchange.request;
    let upgrades = request.header_has("connection", "upgrade") && request.header_has("upgrade", "websocket");
    let Some(key) = request.header("sec-websocket-key").filter(|_| upgrades) else {
        return exchange.text(426, "this path speaks WebSocket only\n");
    };
    let head = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {}\r\n\r\n",
        accept_key(key)
    );
    let (reader, stream) = exchange.take_over(&head)?;
    let stream = Arc::new(Mutex::new(stream));
    server.remember_websocket(&stream);
    if server.stopping() {
        // The stop may have looked at the list just before this one was on it.
        locked(&stream).write_all(&GOING_AWAY)?;
    }
    echo(reader, &stream)
}

fn echo(reader: &mut BufReader<TcpStream>, stream: &Mutex<TcpStream>) -> io::Result<()> {
    loop {
        let Some(frame) = read_frame(reader, stream)? else { return Ok(()) };
        match frame.first & 0x0f {
            CLOSE => return write_frame(stream, 0x80 | CLOSE, &frame.payload),
            PING => write_frame(stream, 0x80 | PONG, &frame.payload)?,
            PONG => {}
            // A fragment is echoed as the fragment it is: first, continuation or last.
            _ => write_frame(stream, frame.first, &frame.payload)?,
        }
    }
}

/// Reads a frame; `None` after a violation that was answered with a close frame.
fn read_frame(reader: &mut impl Read, stream: &Mutex<TcpStream>) -> io::Result<Option<Frame>> {
    let [first, second] = read_array(reader)?;
    let reserved = first & 0x70 != 0;
    let masked = second & 0x80 != 0;
    let length = match second & 0x7f {
        126 => u64::from(u16::from_be_bytes(read_array(reader)?)),
        127 => u64::from_be_bytes(read_array(reader)?),
        short => u64::from(short),
    };
    if reserved || !masked || length > MAX_PAYLOAD {
        let close = if length > MAX_PAYLOAD { TOO_BIG } else { PROTOCOL_ERROR };
        locked(stream).write_all(&close)?;
        return Ok(None);
    }
    let mask: [u8; 4] = read_array(reader)?;
    let mut payload = Vec::new();
    if reader.take(length).read_to_end(&mut payload)? as u64 != length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    for (byte, mask) in payload.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
    Ok(Some(Frame { first, payload }))
}

fn write_frame(stream: &Mutex<TcpStream>, first: u8, payload: &[u8]) -> io::Result<()> {
    let mut frame = vec![first];
    match payload.len() {
        length @ 0..=125 => frame.push(length as u8),
        length @ 126..=0xffff => {
            frame.push(126);
            frame.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            frame.push(127);
            frame.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(payload);
    locked(stream).write_all(&frame)
}

fn read_array<const N: usize>(reader: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    reader.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn accept_key(key: &str) -> String {
    STANDARD.encode(Sha1::digest(format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_accept_key_is_that_of_the_specification() {
        // RFC 6455, section 1.3.
        assert_eq!(accept_key("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}
