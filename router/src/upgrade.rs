//! Upgraded connections: bytes in both directions, whatever they mean.

use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, copy_bidirectional_with_sizes};

use crate::client_stream::ConnectionFlags;
use crate::exchange::Exchange;
use crate::fault::Fault;
use crate::instance::InFlight;
use crate::progress::{Progress, Stalled};

/// The buffer of one direction. A connection that rests holds two of them.
const BUFFER: usize = 16 << 10;

/// An upgraded connection and everything that its end releases.
#[derive(Debug)]
pub(crate) struct Tunnel {
    /// The client's end, once its 101 is written.
    pub(crate) client: OnUpgrade,
    /// The instance's end.
    pub(crate) upstream: OnUpgrade,
    /// The count of requests at the instance: a drain waits for tunnels too.
    pub(crate) in_flight: InFlight,
    /// The record.
    pub(crate) exchange: Exchange,
    /// The client's socket.
    pub(crate) flags: Arc<ConnectionFlags>,
    /// The longest pause.
    pub(crate) idle: Duration,
}

impl Tunnel {
    /// Carries bytes until both ends are done, one of them fails, or nothing moves for too long.
    pub(crate) async fn run(mut self) {
        let before = self.flags.written.load(Ordering::Relaxed);
        let (client, upstream) = match tokio::try_join!(&mut self.client, &mut self.upstream) {
            Ok(ends) => ends,
            Err(error) => {
                tracing::debug!(%error, "an upgrade was not completed");
                self.exchange.set_fault(Fault::ClientGone);
                return;
            }
        };
        self.exchange.set_tunnel();
        let progress = Rc::new(Progress::new(true));
        let mut client = Moving::new(client, &progress);
        let mut upstream = Moving::new(upstream, &progress);
        let copy = pin!(copy_bidirectional_with_sizes(&mut client, &mut upstream, BUFFER, BUFFER));
        match progress.while_moving(self.idle, copy).await {
            // An error is how most of them end: somebody closed a laptop. Nothing went wrong here.
            Ok(Ok(_) | Err(_)) => {}
            Err(Stalled) => self.exchange.set_fault(Fault::IdleTimeout),
        }
        self.exchange.add_bytes(self.flags.written.load(Ordering::Relaxed) - before);
        drop(self.in_flight);
    }
}

/// One end of a tunnel, which notes that bytes moved.
#[derive(Debug)]
struct Moving {
    inner: TokioIo<Upgraded>,
    progress: Rc<Progress>,
}

impl Moving {
    fn new(end: Upgraded, progress: &Rc<Progress>) -> Self {
        Self { inner: TokioIo::new(end), progress: Rc::clone(progress) }
    }
}

impl AsyncRead for Moving {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.inner).poll_read(cx, buffer);
        if result.is_ready() {
            this.progress.touch();
        }
        result
    }
}

impl AsyncWrite for Moving {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.inner).poll_write(cx, bytes);
        if result.is_ready() {
            this.progress.touch();
        }
        result
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write_vectored(cx, slices)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }
}
