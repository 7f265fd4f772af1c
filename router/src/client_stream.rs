//! A client's connection with what hyper does not watch over: deadlines for heads and for writing, the framing of
//! the input, and a close that does not destroy an answer. It knows nothing of routes.

pub(crate) mod socket;
pub(crate) mod watch;

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::bare_answer::{Page, Said};
use crate::client_stream::socket::Socket;
use crate::client_stream::watch::Watch;
use crate::deadline::Deadline;
use crate::head_watch::Offences;
use crate::interims::Interims;
use crate::settings::Timeouts;
use crate::transport::Transport;

/// How long and for how many bytes a closed connection is read from; see [`ClientStream::poll_linger`].
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 1 << 20;

/// What the service and its connection's socket tell each other.
#[derive(Debug, Default)]
pub(crate) struct ConnectionFlags {
    /// What the input broke.
    pub(crate) offences: Offences,
    /// The input is no HTTP any more.
    pub(crate) tunnel: AtomicBool,
    /// The socket is to be reset, not closed, so that a cut answer without a length does not look complete.
    pub(crate) reset: AtomicBool,
    /// Bytes that were written to the client.
    pub(crate) written: AtomicU64,
    /// Requests that hyper has passed on.
    pub(crate) served: AtomicU64,
    /// What was said to a request that hyper did not pass on.
    pub(crate) refused: OnceLock<Said>,
    /// Interim answers that are to be written.
    pub(crate) interims: Interims,
    /// Nothing of a request has come that is not whole, and nothing waits to be written.
    at_rest: AtomicBool,
}

impl ConnectionFlags {
    /// Bytes that were written to the client.
    pub(crate) fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// Whether nothing of a request has come that is not whole, and nothing waits to be written.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.at_rest.load(Ordering::Relaxed)
    }
}

/// A client's connection.
#[derive(Debug)]
pub(crate) struct ClientStream {
    socket: Socket,
    /// What was read before anybody knew what the connection speaks.
    ahead: Vec<u8>,
    flags: Arc<ConnectionFlags>,
    watch: Watch,
    /// Written in place of what hyper writes.
    page: Option<Page>,
    /// Interim answers that are being written.
    interims: Bytes,
    timeouts: Timeouts,
    head_deadline: Deadline,
    write_deadline: Deadline,
    linger_deadline: Deadline,
    lingered: usize,
}

impl ClientStream {
    pub(crate) fn new(
        mut socket: Socket,
        ahead: Vec<u8>,
        watch: Watch,
        flags: Arc<ConnectionFlags>,
        timeouts: Timeouts,
    ) -> Self {
        socket.flags = Some(Arc::clone(&flags));
        Self {
            socket,
            ahead,
            flags,
            watch,
            page: None,
            interims: Bytes::new(),
            timeouts,
            head_deadline: Deadline::default(),
            write_deadline: Deadline::default(),
            linger_deadline: Deadline::default(),
            lingered: 0,
        }
    }

    /// Notes what came of a write.
    fn written(&mut self, cx: &mut Context<'_>, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        let count = ready!(self.bounded(cx, result))?;
        self.flags.written.fetch_add(count as u64, Ordering::Relaxed);
        Poll::Ready(Ok(count))
    }

    /// Writes a page, if what hyper writes is its own bare answer. Nothing follows it.
    fn poll_page(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Option<Poll<io::Result<usize>>> {
        if self.page.is_none() {
            let page = Page::instead_of(bytes)?;
            let served = self.flags.served.load(Ordering::Relaxed);
            if self.is_tunnel() || !self.watch.has_begun_another(served) {
                return None;
            }
            self.flags.refused.get_or_init(|| page.said.clone());
            self.page = Some(page);
        }
        while let Some(page) = &mut self.page {
            let result = Pin::new(&mut self.socket.transport).poll_write(cx, &page.rest);
            match self.written(cx, result) {
                Poll::Ready(Ok(0)) => return Some(Poll::Ready(Err(io::ErrorKind::WriteZero.into()))),
                Poll::Ready(Ok(count)) => {
                    if self.page.as_mut().is_none_or(|page| page.advance(count)) {
                        self.page = None;
                    }
                }
                other => return Some(other),
            }
        }
        Some(Poll::Ready(Ok(bytes.len())))
    }

    /// Whether interim answers are to be written before anything else.
    #[inline]
    fn has_interims(&self) -> bool {
        self.flags.interims.are_due() || !self.interims.is_empty()
    }

    /// Writes interim answers for which it is time, and those that were begun.
    #[cold]
    fn poll_interims(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.has_interims() {
            if self.interims.is_empty() {
                self.interims = self.flags.interims.take().into();
            }
            let result = Pin::new(&mut self.socket.transport).poll_write(cx, &self.interims);
            match ready!(self.written(cx, result))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => self.interims.advance(count),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Lets hyper write, after what has to come before it.
    #[inline]
    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.has_interims() {
            ready!(self.poll_interims(cx))?;
        }
        self.flags.interims.set_busy(true);
        Poll::Ready(Ok(()))
    }

    /// Bounds a wait for the client to take bytes: one that takes none for too long is given up.
    fn bounded<T>(&mut self, cx: &mut Context<'_>, result: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        match result {
            Poll::Pending if !self.is_tunnel() => {
                ready!(self.write_deadline.poll_expired(cx, self.timeouts.write));
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
            Poll::Ready(Ok(done)) => {
                self.write_deadline.clear();
                Poll::Ready(Ok(done))
            }
            other => other,
        }
    }

    /// What is left of a connection that rests.
    pub(crate) fn into_socket(mut self) -> Socket {
        self.socket.flags = None;
        self.socket
    }

    /// Reads what was read ahead, then what comes.
    fn poll_fill(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.ahead.is_empty() {
            return Pin::new(&mut self.socket.transport).poll_read(cx, buffer);
        }
        let here = self.ahead.len().min(buffer.remaining());
        let rest = self.ahead.split_off(here);
        buffer.put_slice(&std::mem::replace(&mut self.ahead, rest));
        Poll::Ready(Ok(()))
    }

    /// Shows the watch what hyper is about to read.
    fn feed(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.watch {
            Watch::Heads(watch) => watch.feed(bytes, &self.flags.offences),
            Watch::Frames(watch) => {
                watch.feed(bytes);
                if watch.is_flood(self.flags.written()) {
                    tracing::debug!("a client floods the router with frames that ask for nothing");
                    return Err(io::ErrorKind::InvalidData.into());
                }
            }
        }
        Ok(())
    }

    fn is_tunnel(&self) -> bool {
        self.flags.tunnel.load(Ordering::Relaxed)
    }

    /// Reads and drops what a client still sends after the last answer.
    ///
    /// Closing a socket with unread input resets the connection, and the reset can overtake the answer: a client
    /// in the middle of an upload would never see its 413 (RFC 9112, section 9.6).
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut room = [0_u8; 4096];
        while self.lingered < LINGER_BYTES {
            let mut buffer = ReadBuf::new(&mut room);
            match Pin::new(self.socket.transport.socket_mut()).poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => self.lingered += buffer.filled().len(),
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return self.linger_deadline.poll_expired(cx, LINGER),
            }
        }
        Poll::Ready(())
    }
}

impl AsyncRead for ClientStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let result = this.poll_fill(cx, buffer);
        if this.is_tunnel() {
            return result;
        }
        if result.is_pending() {
            let at_rest = this.watch.is_at_rest() && !this.write_deadline.is_running();
            this.flags.at_rest.store(at_rest, Ordering::Relaxed);
        }
        match result {
            Poll::Ready(Ok(())) => {
                this.flags.at_rest.store(false, Ordering::Relaxed);
                this.feed(buffer.filled().get(before..).unwrap_or_default())?;
                if !this.watch.is_inside_head() {
                    this.head_deadline.clear();
                }
                Poll::Ready(Ok(()))
            }
            // hyper's own deadline would also run while a connection rests between two requests.
            Poll::Pending if this.watch.is_inside_head() => {
                ready!(this.head_deadline.poll_expired(cx, this.timeouts.head));
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
            other => other,
        }
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_turn(cx))?;
        if let Some(page) = this.poll_page(cx, bytes) {
            return page;
        }
        let result = Pin::new(&mut this.socket.transport).poll_write(cx, bytes);
        this.written(cx, result)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_turn(cx))?;
        if let [only] = slices
            && let Some(page) = this.poll_page(cx, only)
        {
            return page;
        }
        let result = Pin::new(&mut this.socket.transport).poll_write_vectored(cx, slices);
        this.written(cx, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.transport.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // hyper flushes when it has written all that it had.
        this.flags.interims.set_busy(false);
        if this.has_interims() {
            ready!(this.poll_interims(cx))?;
        }
        // Encrypted bytes may wait to be sent although hyper's have all been taken.
        let result = Pin::new(&mut this.socket.transport).poll_flush(cx);
        this.bounded(cx, result)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let is_over = !this.is_tunnel() && this.watch.is_at_rest();
        if is_over && matches!(this.socket.transport, Transport::Plain(_)) {
            // It is dropped next, and closing the socket tells the client as much.
            return Poll::Ready(Ok(()));
        }
        let result = Pin::new(&mut this.socket.transport).poll_shutdown(cx);
        ready!(this.bounded(cx, result))?;
        if !this.is_tunnel() && !is_over {
            ready!(this.poll_linger(cx));
        }
        Poll::Ready(Ok(()))
    }
}
