//! The first bytes of a connection in clear text, which say what it speaks: HTTP/1.1, or HTTP/2 with prior
//! knowledge (RFC 9113, section 3.3). Nothing else of a connection exists until they have come.

use std::future::poll_fn;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Duration, timeout};

use crate::frame_watch::PREFACE;
use crate::settings::Timeouts;
use crate::worker::Stopping;

/// How long a new connection has for its first byte once the router stops: a client that was told that it is
/// connected may be sending its request at this moment.
const GRACE: Duration = Duration::from_secs(1);

/// What a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spoken {
    /// HTTP/1.0 or HTTP/1.1, or nothing that is known: hyper will say so.
    Http1,
    /// HTTP/2.
    Http2,
}

/// Waits for the first bytes. `None` if there is nobody to serve.
pub(crate) async fn read(
    stream: &mut TcpStream,
    timeouts: Timeouts,
    stopping: &mut watch::Receiver<Stopping>,
) -> Option<(Spoken, Vec<u8>)> {
    let mut bytes = Vec::new();
    let first = timeout(timeouts.keep_alive, poll_fn(|cx| poll_read(stream, &mut bytes, cx)));
    let read = tokio::select! {
        biased;
        read = first => read,
        _ = stopping.wait_for(|stopping| *stopping == Stopping::Now) => {
            timeout(GRACE, poll_fn(|cx| poll_read(stream, &mut bytes, cx))).await
        }
    };
    read.ok().filter(|more| *more)?;
    loop {
        if let Some(spoken) = spoken(&bytes) {
            return Some((spoken, bytes));
        }
        let more = poll_fn(|cx| poll_read(stream, &mut bytes, cx));
        if !timeout(timeouts.head, more).await.ok()? {
            // What came before the end is no request; hyper says what is wrong with it.
            return Some((Spoken::Http1, bytes));
        }
    }
}

/// What these bytes begin; `None` while it may be either.
fn spoken(bytes: &[u8]) -> Option<Spoken> {
    if bytes.starts_with(PREFACE) {
        Some(Spoken::Http2)
    } else if PREFACE.starts_with(bytes) {
        None
    } else {
        Some(Spoken::Http1)
    }
}

/// Appends what has come; `false` at the end.
fn poll_read(stream: &mut TcpStream, bytes: &mut Vec<u8>, cx: &mut Context<'_>) -> Poll<bool> {
    // On the stack, so that a connection that waits has no buffer.
    let mut room = [MaybeUninit::uninit(); 4096];
    let mut buffer = ReadBuf::uninit(&mut room);
    let result = ready!(Pin::new(stream).poll_read(cx, &mut buffer));
    bytes.extend_from_slice(buffer.filled());
    Poll::Ready(result.is_ok() && !buffer.filled().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_preface_is_told_from_every_method() {
        for method in ["GET", "POST", "PUT", "PATCH", "PROPFIND", "PRIX"] {
            assert_eq!(
                spoken(format!("{method} / HTTP/1.1\r\n").as_bytes()),
                Some(Spoken::Http1),
                "{method}"
            );
        }
        for length in 0..PREFACE.len() {
            assert_eq!(spoken(&PREFACE[..length]), None);
        }
        assert_eq!(spoken(PREFACE), Some(Spoken::Http2));
        assert_eq!(spoken(&[&PREFACE[..], b"rest"].concat()), Some(Spoken::Http2));
        assert_eq!(spoken(b"PRI * HTTP/2.0\r\n\r\nXX"), Some(Spoken::Http1));
    }
}
