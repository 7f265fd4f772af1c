//! The PROXY header (HAProxy's `proxy-protocol.txt`), versions 1 and 2: a balancer that passes bytes on says in front
//! of them who its client is.
//!
//! Whether a connection begins with one is decided by its address, never by its bytes: a trusted proxy has to send it,
//! and from anybody else the same bytes are no HTTP. Nothing behind the header is read here.

use std::io;
use std::net::SocketAddr;

use ppp::{HeaderResult, v1, v2};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::client::Arrival;
use crate::worker::Worker;

/// The two versions are told apart by as many bytes; no header is shorter.
const BEGINNING: usize = 12;
/// A header of version 2 up to its length.
const FIXED: usize = 16;
/// The longest header of version 1, with its line's end.
const LONGEST_LINE: usize = 107;
/// The most that version 2 may have behind its length: addresses, and room for what certificates a balancer saw.
const MOST_BEHIND: usize = 4096;

/// Who is connected by whom, as a header says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ends {
    source: SocketAddr,
    destination: SocketAddr,
}

/// Why a connection of a trusted proxy is not served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProxyHeaderError {
    /// Balancers connect and leave to see whether somebody listens.
    #[error("the connection ended before a PROXY header")]
    Ended,
    /// It does not begin with a header.
    #[error("the connection does not begin with a valid PROXY header")]
    Invalid,
    /// The header did not come.
    #[error("the PROXY header took too long")]
    Timeout,
    /// The connection broke.
    #[error("the PROXY header cannot be read")]
    Io(#[source] io::Error),
}

/// Says where a connection came from and in, after the header in front of it has been read, if one has to be there.
pub(crate) async fn accept(
    worker: &Worker,
    stream: &mut TcpStream,
    arrival: Arrival,
) -> Result<Arrival, ProxyHeaderError> {
    let is_expected = {
        let trust = worker.trust.load();
        trust.proxy_protocol && trust.proxies.contains(arrival.peer.ip())
    };
    if !is_expected {
        return Ok(arrival);
    }
    let header = timeout(worker.settings.timeouts.head, read(stream)).await;
    let header = header.map_err(|_| ProxyHeaderError::Timeout)??;
    Ok(match ends(&header)? {
        Some(Ends { source, destination }) => Arrival { peer: source, port: destination.port(), ..arrival },
        // The balancer speaks for itself, or cannot say for whom.
        None => arrival,
    })
}

/// Reads a header to its end and no further.
async fn read(stream: &mut TcpStream) -> Result<Vec<u8>, ProxyHeaderError> {
    let mut header = vec![0; BEGINNING];
    fill(stream, &mut header).await?;
    if header == v2::PROTOCOL_PREFIX {
        header.resize(FIXED, 0);
        fill(stream, header.get_mut(BEGINNING..).unwrap_or_default()).await?;
        let length = match header.get(FIXED - 2..) {
            Some([high, low]) => usize::from(u16::from_be_bytes([*high, *low])),
            _ => return Err(ProxyHeaderError::Invalid),
        };
        if length > MOST_BEHIND {
            return Err(ProxyHeaderError::Invalid);
        }
        header.resize(FIXED + length, 0);
        fill(stream, header.get_mut(FIXED..).unwrap_or_default()).await?;
        return Ok(header);
    }
    if !header.starts_with(b"PROXY ") {
        return Err(ProxyHeaderError::Invalid);
    }
    while !header.ends_with(b"\n") {
        let mut room = [0; LONGEST_LINE - BEGINNING];
        let left = room.get_mut(..LONGEST_LINE.saturating_sub(header.len())).unwrap_or_default();
        // What follows the line is not the header's: it is looked at, and only the line is taken.
        let seen = stream.peek(left).await.map_err(ProxyHeaderError::Io)?;
        let seen = left.get(..seen).unwrap_or_default();
        if seen.is_empty() {
            return Err(ProxyHeaderError::Invalid);
        }
        let count = seen.iter().position(|byte| *byte == b'\n').map_or(seen.len(), |end| end + 1);
        let before = header.len();
        header.resize(before + count, 0);
        fill(stream, header.get_mut(before..).unwrap_or_default()).await?;
    }
    Ok(header)
}

async fn fill(stream: &mut TcpStream, room: &mut [u8]) -> Result<(), ProxyHeaderError> {
    match stream.read_exact(room).await {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(ProxyHeaderError::Ended),
        Err(error) => Err(ProxyHeaderError::Io(error)),
    }
}

/// What a whole header says; `None` if the connection's own ends are meant (LOCAL, UNKNOWN, families without
/// addresses of the internet).
pub(crate) fn ends(header: &[u8]) -> Result<Option<Ends>, ProxyHeaderError> {
    let ends = |source: SocketAddr, destination: SocketAddr| Ok(Some(Ends { source, destination }));
    match HeaderResult::parse(header) {
        HeaderResult::V1(Ok(line)) if line.header.len() == header.len() => match line.addresses {
            v1::Addresses::Tcp4(ip) => ends(
                (ip.source_address, ip.source_port).into(),
                (ip.destination_address, ip.destination_port).into(),
            ),
            v1::Addresses::Tcp6(ip) => ends(
                (ip.source_address, ip.source_port).into(),
                (ip.destination_address, ip.destination_port).into(),
            ),
            v1::Addresses::Unknown => Ok(None),
        },
        HeaderResult::V2(Ok(block)) if block.header.len() == header.len() => match block.addresses {
            _ if block.command == v2::Command::Local || block.protocol != v2::Protocol::Stream => Ok(None),
            v2::Addresses::IPv4(ip) => ends(
                (ip.source_address, ip.source_port).into(),
                (ip.destination_address, ip.destination_port).into(),
            ),
            v2::Addresses::IPv6(ip) => ends(
                (ip.source_address, ip.source_port).into(),
                (ip.destination_address, ip.destination_port).into(),
            ),
            v2::Addresses::Unspecified | v2::Addresses::Unix(_) => Ok(None),
        },
        HeaderResult::V1(_) | HeaderResult::V2(_) => Err(ProxyHeaderError::Invalid),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(header: &[u8]) -> Option<(String, u16)> {
        ends(header).unwrap().map(|ends| (ends.source.to_string(), ends.destination.port()))
    }

    /// A header of version 2.
    fn block(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let mut block = v2::PROTOCOL_PREFIX.to_vec();
        block.extend([0x20 | command, family]);
        block.extend(u16::try_from(rest.len()).unwrap().to_be_bytes());
        block.extend(rest);
        block
    }

    const V4: [u8; 12] = [192, 0, 2, 1, 10, 0, 0, 1, 0x30, 0x39, 0x01, 0xbb];

    #[test]
    fn both_versions_say_who_is_connected() {
        let expected = Some(("192.0.2.1:12345".to_owned(), 443));
        assert_eq!(said(b"PROXY TCP4 192.0.2.1 10.0.0.1 12345 443\r\n"), expected);
        assert_eq!(said(&block(1, 0x11, &V4)), expected);
        let with_more = [&V4[..], &[4, 0, 2, 1, 2]].concat();
        assert_eq!(said(&block(1, 0x11, &with_more)), expected, "what follows the addresses is skipped");
        let v6 = Some(("[2001:db8::1]:1".to_owned(), 80));
        assert_eq!(said(b"PROXY TCP6 2001:db8::1 ::1 1 80\r\n"), v6);
    }

    #[test]
    fn a_balancer_may_speak_for_itself() {
        assert_eq!(said(b"PROXY UNKNOWN\r\n"), None);
        assert_eq!(said(b"PROXY UNKNOWN ffff:f...f:ffff 1 2 3\r\n"), None);
        assert_eq!(said(&block(0, 0x11, &V4)), None, "LOCAL");
        assert_eq!(said(&block(1, 0x00, &[])), None, "no family");
        assert_eq!(said(&block(1, 0x12, &V4)), None, "datagrams");
    }

    #[test]
    fn what_is_no_header_is_refused() {
        for header in [
            &b"PROXY TCP4 192.0.2.1 10.0.0.1 12345 443\n"[..],
            b"PROXY TCP4 192.0.2.1 10.0.0.1 12345 70000\r\n",
            b"PROXY TCP4 2001:db8::1 10.0.0.1 1 2\r\n",
            b"PROXY TCP4 192.0.2.1 10.0.0.1 012345 443\r\n",
            b"PROXY  TCP4 192.0.2.1 10.0.0.1 1 2\r\n",
            b"PROXY TCP4 192.0.2.1 10.0.0.1 1 2\r\nGET / HTTP/1.1\r\n",
            b"GET / HTTP/1.1\r\n",
            b"",
        ] {
            assert!(ends(header).is_err(), "{:?}", String::from_utf8_lossy(header));
        }
        assert!(ends(&block(2, 0x11, &V4)).is_err());
        assert!(ends(&block(1, 0x11, &V4[..4])).is_err());
        let mut longer = block(1, 0x11, &V4);
        longer.push(0);
        assert!(ends(&longer).is_err());
    }
}
