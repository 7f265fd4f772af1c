//! A client's connection that speaks HTTP/2, directly on h2: hyper's server says no interim answers there.
//!
//! Each request goes the way of those of HTTP/1.1, on a task of its own on the same thread. What this file adds is
//! the connection's limits; those of a stream are in `streams` and `pump`, those of the frames in `frame_watch`.
//!
//! A WebSocket (RFC 8441) would begin in `streams`, as a CONNECT with a protocol; until there are any the client is not
//! told that it may ask for one, and h2 refuses it.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::server::{Builder, Connection};
use tokio::sync::watch;

use crate::client::opening::Spoken;
use crate::client::streams::Streams;
use crate::client::{Caller, Client, wait_for_stop};
use crate::client_stream::ClientStream;
use crate::client_stream::socket::Socket;
use crate::deadline::Deadline;
use crate::metrics::worker::OpenConnection;
use crate::worker::Stopping;

/// Requests that a client may have under way. Browsers stay below a hundred.
const MAX_STREAMS: u32 = 128;
/// Bytes of a request's body that may come before the app has taken any.
const STREAM_WINDOW: u32 = 256 << 10;
/// The same for all requests of a connection together. Those that wait for an instance are not read, and what has come
/// of them takes the room of the others: with room for thirty-two of them no page's uploads stop the one that has its
/// turn, and a client that means ill has to send as much as it makes the router hold.
const CONNECTION_WINDOW: u32 = 32 * STREAM_WINDOW;
/// Bytes of an answer that wait for the client beside those on their way to it. A client that reads nothing makes
/// the router hold this much for each of its requests.
const SEND_BUFFER: usize = 64 << 10;
/// Resets that wait to be noticed. The streams are noticed at once, so that only a flood makes many.
const MAX_PENDING_RESETS: usize = 50;
/// Streams that were reset because of the client's errors, in a connection's life.
const MAX_ERROR_RESETS: usize = 500;

/// Serves a connection to its end.
pub(super) async fn serve(
    caller: Caller,
    socket: Socket,
    ahead: Vec<u8>,
    mut stopping: watch::Receiver<Stopping>,
) {
    let client = caller.client();
    let stream = client.stream(socket, ahead, Spoken::Http2);
    let http2 = OpenConnection::begin(&client.worker, |counters| &counters.http2);
    let served = async {
        let streams = Streams::new(client.worker.settings.timeouts.write);
        let connection = begin(&client, stream).await?;
        let (idle, written) = (Deadline::default(), 0);
        let mut served = Served { client: &client, connection, streams, idle, closing: false, written };
        let mut stopped = pin!(wait_for_stop(&mut stopping, Stopping::Lingering));
        poll_fn(|cx| {
            if !served.closing && stopped.as_mut().poll(cx).is_ready() {
                served.close();
            }
            served.poll(cx)
        })
        .await
    };
    if let Err(error) = served.await {
        tracing::trace!(%error, "a client's connection ended");
    }
    drop(http2);
}

/// Says hello. How long a client may take for its own is the stream's to watch.
async fn begin(
    client: &Client,
    stream: Box<ClientStream>,
) -> Result<Connection<Box<ClientStream>, Bytes>, h2::Error> {
    let max_head_bytes = client.worker.settings.max_head_bytes;
    let hello = Builder::new()
        .max_concurrent_streams(MAX_STREAMS)
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buffer_size(SEND_BUFFER)
        .max_header_list_size(u32::try_from(max_head_bytes).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(MAX_PENDING_RESETS)
        .max_local_error_reset_streams(Some(MAX_ERROR_RESETS))
        .handshake(stream);
    hello.await
}

/// A connection that has begun.
struct Served<'a> {
    client: &'a Rc<Client>,
    connection: Connection<Box<ClientStream>, Bytes>,
    streams: Rc<Streams>,
    /// How long it may do nothing.
    idle: Deadline,
    closing: bool,
    /// Bytes that were written when the deadline began.
    written: u64,
}

impl Served<'_> {
    /// Ready at its end.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), h2::Error>> {
        loop {
            if let Poll::Ready(ended) = self.poll_requests(cx) {
                return Poll::Ready(ended);
            }
            if self.streams.is_abused() {
                tracing::debug!(client = %self.client.peer, "too many requests were given up");
                return Poll::Ready(Ok(()));
            }
            ready!(self.poll_expired(cx));
            if self.closing {
                return Poll::Ready(Ok(()));
            }
            // Whoever takes the goodbye ends the connection by itself.
            self.close();
        }
    }

    /// Reads and writes all that can be, and begins to answer the requests that have come.
    fn poll_requests(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), h2::Error>> {
        while let Some(request) = ready!(self.connection.poll_accept(cx)) {
            let (request, respond) = request?;
            self.streams.begin(self.client, request, respond);
        }
        Poll::Ready(Ok(()))
    }

    /// Says goodbye. The protocol has one that no request can cross unnoticed (RFC 9113, section 6.8).
    fn close(&mut self) {
        self.closing = true;
        self.connection.graceful_shutdown();
    }

    /// Ready when nothing has been asked for too long, and once the connection is closing, when the client does not
    /// take what is left for it either.
    fn poll_expired(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let timeouts = self.client.worker.settings.timeouts;
        if !self.streams.is_empty() {
            self.idle.clear();
            return Poll::Pending;
        }
        if !self.closing {
            return self.idle.poll_expired(cx, timeouts.keep_alive);
        }
        let written = self.client.flags.written();
        if written != self.written {
            self.written = written;
            self.idle.clear();
        }
        self.idle.poll_expired(cx, timeouts.write)
    }
}
