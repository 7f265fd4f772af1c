//! A client's socket that acknowledges at once whatever arrives before the client has proven its key.
//!
//! OpenSSH turns Nagle's algorithm off only once it is in: until then its second small packet in a row waits until
//! the first was acknowledged, and the kernel would hold that acknowledgement back for 40 ms.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tracing::debug;

/// A socket on its way through the handshake and beyond.
#[derive(Debug)]
pub struct HandshakeStream {
    socket: TcpStream,
    authenticated: CancellationToken,
}

impl HandshakeStream {
    /// Hurries until `authenticated` is cancelled.
    pub fn new(socket: TcpStream, authenticated: CancellationToken) -> Self {
        Self { socket, authenticated }
    }
}

impl AsyncRead for HandshakeStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.socket).poll_read(context, buffer);
        // Again at each read: the kernel falls back to waiting as soon as it has sent something.
        if read.is_ready()
            && !self.authenticated.is_cancelled()
            && let Err(error) = SockRef::from(&self.socket).set_tcp_quickack(true)
        {
            debug!(%error, "the kernel acknowledges when it likes");
        }
        read
    }
}

impl AsyncWrite for HandshakeStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}
