//! The socket of a client's connection: all that is left of it while it rests.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf};
use tokio::time::timeout;

use crate::client_stream::ConnectionFlags;
use crate::transport::Transport;

/// A socket that is reset instead of closed, if it is dropped after that was asked for.
#[derive(Debug)]
pub(crate) struct Socket {
    pub(crate) transport: Transport,
    /// Where that is asked for, while somebody is served.
    pub(super) flags: Option<Arc<ConnectionFlags>>,
}

impl Socket {
    pub(crate) fn new(transport: Transport) -> Self {
        Self { transport, flags: None }
    }

    /// Waits until something comes, and keeps it; `false` if it is the end.
    pub(crate) fn poll_awake(&mut self, cx: &mut Context<'_>, bytes: &mut Vec<u8>) -> Poll<bool> {
        // On the stack, so that a connection that rests has no buffer.
        let mut room = [MaybeUninit::uninit(); 4096];
        let mut buffer = ReadBuf::uninit(&mut room);
        let result = ready!(Pin::new(&mut self.transport).poll_read(cx, &mut buffer));
        bytes.extend_from_slice(buffer.filled());
        Poll::Ready(result.is_ok() && !buffer.filled().is_empty())
    }

    /// Closes a connection that rests.
    pub(crate) async fn close(mut self, at_most: Duration) {
        // In clear text, closing the socket tells the client as much.
        let Transport::Tls(stream) = &mut self.transport else { return };
        let closed: io::Result<()> =
            timeout(at_most, stream.shutdown()).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        if let Err(error) = closed {
            tracing::trace!(%error, "a client's connection ended");
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let is_reset = self.flags.as_ref().is_some_and(|flags| flags.reset.load(Ordering::Relaxed));
        if is_reset
            && let Err(error) = SockRef::from(self.transport.socket()).set_linger(Some(Duration::ZERO))
        {
            tracing::debug!(%error, "cannot reset a client's connection");
        }
    }
}
