//! Upgraded connections: bytes in both directions, whatever they mean.
//!
//! With one exception. When an instance that was replaced is stopped, its WebSockets end, often without a word, and a
//! client would not know whether to come again. So the router says in its place that the service restarts.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::upgrade::{OnUpgrade, Parts};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf, copy, sink};
use tokio::time::timeout;

use crate::carry::Carry;
use crate::client_stream::{ClientStream, ConnectionFlags};
use crate::exchange::Exchange;
use crate::fault::Fault;
use crate::instance::{InFlight, Instance};
use crate::silence::Silence;
use crate::upstream::Upstream;
use crate::websocket_frames::WebsocketFrames;

/// A frame that says that the service restarts: 1012 of IANA's registry for RFC 6455, section 7.4, with a reason.
const SERVICE_RESTART: &[u8] = b"\x88\x11\x03\xf4service restart";
/// How long a client may take to say goodbye in turn.
const PARTING: Duration = Duration::from_secs(1);

/// What hyper was given as the two ends, and gives back.
type ClientIo = TokioIo<Box<ClientStream>>;
type UpstreamIo = TokioIo<Upstream>;

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
    /// Whether the protocol is that of WebSockets.
    pub(crate) is_websocket: bool,
}

impl Tunnel {
    /// Carries bytes until both ends are done, one of them fails, or nothing moves for too long.
    pub(crate) async fn run(mut self) {
        let before = self.flags.written();
        let ends = match tokio::try_join!(&mut self.client, &mut self.upstream) {
            Ok((client, upstream)) => {
                client.downcast::<ClientIo>().ok().zip(upstream.downcast::<UpstreamIo>().ok())
            }
            Err(error) => {
                tracing::debug!(%error, "an upgrade was not completed");
                None
            }
        };
        let Some((client, upstream)) = ends else {
            self.exchange.set_fault(Fault::ClientGone);
            return;
        };
        self.exchange.set_tunnel();
        let farewell = self.is_websocket.then(|| Farewell::of(self.in_flight.instance()));
        let mut end = ClientEnd { stream: client.io.into_inner(), farewell };
        match end.carry(client.read_buf, upstream, self.idle).await {
            // An error is how most of them end: somebody closed a laptop. Nothing went wrong here.
            Ok(()) | Err(Broken::Io(_)) => {}
            Err(Broken::Silent) => self.exchange.set_fault(Fault::IdleTimeout),
        }
        end.part().await;
        self.exchange.add_bytes(self.flags.written() - before);
        drop(self.in_flight);
    }
}

/// Why a tunnel ended that nobody ended in order.
#[derive(Debug, thiserror::Error)]
enum Broken {
    /// Nothing moved for too long.
    #[error("nothing moved for too long")]
    Silent,
    /// An end failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// The client's end of a tunnel.
#[derive(Debug)]
struct ClientEnd {
    stream: Box<ClientStream>,
    farewell: Option<Farewell>,
}

impl ClientEnd {
    /// Carries bytes to an instance and back, `ahead` of all others.
    async fn carry(
        &mut self,
        ahead: Bytes,
        upstream: Parts<UpstreamIo>,
        idle: Duration,
    ) -> Result<(), Broken> {
        let mut instance = upstream.io.into_inner();
        let (mut to, mut back) = (Carry::new(ahead), Carry::new(upstream.read_buf));
        let mut silence = Silence::new(idle);
        poll_fn(|cx| {
            let mut moved = false;
            let to = to.poll(cx, self, &mut instance, &mut moved)?;
            let back = back.poll(cx, &mut instance, self, &mut moved)?;
            if to.is_ready() && back.is_ready() {
                return Poll::Ready(Ok(()));
            }
            if moved {
                silence.end();
            }
            silence.poll_longest(cx).map(|()| Err(Broken::Silent))
        })
        .await
    }

    /// Says goodbye if that is to be said, and waits a moment for the answer: a connection that is closed while
    /// something of its client is unread is reset, and the reset may overtake the goodbye.
    async fn part(&mut self) {
        if !self.farewell.as_ref().is_some_and(|farewell| farewell.is_begun() || farewell.is_due()) {
            return;
        }
        let parting = async {
            self.shutdown().await?;
            copy(self, &mut sink()).await
        };
        match timeout(PARTING, parting).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::trace!(%error, "a client did not wait for a goodbye"),
            Err(error) => tracing::trace!(%error, "a client did not answer a goodbye"),
        }
    }

    /// Writes the goodbye, if it is to be said.
    fn poll_farewell(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(farewell) = &mut self.farewell else { return Poll::Ready(Ok(())) };
        if farewell.is_due() {
            farewell.rest = Some(SERVICE_RESTART);
        }
        while let Some(rest) = farewell.rest.filter(|rest| !rest.is_empty()) {
            let count = ready!(Pin::new(&mut *self.stream).poll_write(cx, rest))?;
            farewell.rest = rest.get(count.max(1)..);
        }
        Poll::Ready(Ok(()))
    }
}

/// What is said to a WebSocket's client in the name of an app that was stopped.
#[derive(Debug)]
struct Farewell {
    instance: Arc<Instance>,
    frames: WebsocketFrames,
    /// What is still to be written, once it has begun.
    rest: Option<&'static [u8]>,
}

impl Farewell {
    fn of(instance: &Arc<Instance>) -> Self {
        Self { instance: Arc::clone(instance), frames: WebsocketFrames::default(), rest: None }
    }

    fn is_begun(&self) -> bool {
        self.rest.is_some()
    }

    /// Whether it is to be said, provided that the app has ended: another instance is there in its place, and the client
    /// is not in the middle of something that the app has begun to say.
    fn is_due(&self) -> bool {
        !self.is_begun() && self.instance.is_retired() && self.frames.is_between_frames()
    }
}

impl AsyncRead for ClientEnd {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for ClientEnd {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut *this.stream).poll_write(cx, bytes);
        if let Some(farewell) = &mut this.farewell
            && let Poll::Ready(Ok(count)) = result
        {
            farewell.frames.feed(bytes.get(..count).unwrap_or_default());
        }
        result
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_farewell(cx))?;
        Pin::new(&mut *this.stream).poll_shutdown(cx)
    }
}
