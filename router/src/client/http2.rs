//! A client's connection that speaks HTTP/2.
//!
//! Each request goes the way of those of HTTP/1.1, on a task of its own on the same thread. What this file adds is
//! the connection's limits; those of a stream are in `streams`, those of the frames in `frame_watch`.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use futures_util::FutureExt;
use hyper::body::Body;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper::{Method, Response, header};
use hyper_util::rt::TokioIo;
use tokio::sync::watch;

use crate::body::ResponseBody;
use crate::client::opening::Spoken;
use crate::client::streams::{StreamBody, StreamExecutor, Streams};
use crate::client::{Caller, Client, wait_for_stop};
use crate::client_stream::socket::Socket;
use crate::deadline::Deadline;
use crate::http2_request::as_http1;
use crate::metrics::worker::OpenConnection;
use crate::proxy;
use crate::request_id::X_REQUEST_ID;
use crate::worker::Stopping;

/// Requests that a client may have under way. Browsers stay below a hundred.
const MAX_STREAMS: u32 = 128;
/// Bytes of a request's body that may come before the app has taken any.
const STREAM_WINDOW: u32 = 256 << 10;
/// The same for all requests of a connection together.
const CONNECTION_WINDOW: u32 = 1 << 20;
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
    let settings = &client.worker.settings;
    let timeouts = settings.timeouts;
    let streams = Streams::new(timeouts.write);
    let service = service_fn(|request| {
        let stream = streams.open();
        let is_head = request.method() == Method::HEAD;
        // No block that waits for it, which would hold it twice: before it began and after.
        proxy::serve(Rc::clone(&client), as_http1(request)).map(move |answer| {
            let mut answer = if is_head { without_body(answer) } else { answer };
            if let Some(id) = answer.headers_mut().get_mut(X_REQUEST_ID) {
                // No two answers have the same, so that it has no place in the table of headers that were sent
                // before: it would drive those out that come again, and h2 compares it with each of its like.
                id.set_sensitive(true);
            }
            Ok::<_, Infallible>(answer.map(|body| StreamBody::new(body, stream)))
        })
    });
    let connection = http2::Builder::new(StreamExecutor(Rc::clone(&streams)))
        .max_concurrent_streams(MAX_STREAMS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .max_header_list_size(u32::try_from(settings.max_head_bytes).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(MAX_PENDING_RESETS)
        .max_local_error_reset_streams(MAX_ERROR_RESETS)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    // The protocol has a goodbye that no request can cross unnoticed (RFC 9113, section 6.8).
    let mut stopped = pin!(wait_for_stop(&mut stopping, Stopping::Lingering));
    let mut rest = Rest { streams: &streams, idle: Deadline::default(), closing: false, written: 0 };
    let result = poll_fn(|cx| {
        if !rest.closing && stopped.as_mut().poll(cx).is_ready() {
            rest.closing = true;
            connection.as_mut().graceful_shutdown();
        }
        if let Poll::Ready(result) = connection.as_mut().poll(cx) {
            return Poll::Ready(Some(result));
        }
        if streams.is_abused() {
            tracing::debug!(client = %client.peer, "too many requests were given up");
            return Poll::Ready(None);
        }
        while rest.poll_expired(cx, &client).is_ready() {
            if rest.closing {
                return Poll::Ready(None);
            }
            rest.closing = true;
            connection.as_mut().graceful_shutdown();
            // Says goodbye. Whoever takes it ends the connection here.
            if let Poll::Ready(result) = connection.as_mut().poll(cx) {
                return Poll::Ready(Some(result));
            }
        }
        Poll::Pending
    })
    .await;
    if let Some(Err(error)) = result {
        tracing::trace!(%error, "a client's connection ended");
    }
    drop(http2);
}

/// The router's own answers have bodies, and hyper drops that of an answer to HEAD over HTTP/1.1 only.
fn without_body(answer: Response<ResponseBody>) -> Response<ResponseBody> {
    let (mut parts, body) = answer.into_parts();
    if body.is_end_stream() {
        return Response::from_parts(parts, body);
    }
    if let Some(length) = body.size_hint().exact() {
        parts.headers.entry(header::CONTENT_LENGTH).or_insert_with(|| length.into());
    }
    Response::from_parts(parts, ResponseBody::empty())
}

/// How long a connection may do nothing.
struct Rest<'a> {
    streams: &'a Streams,
    idle: Deadline,
    closing: bool,
    /// Bytes that were written when the deadline began.
    written: u64,
}

impl Rest<'_> {
    /// Ready when nothing has been asked for too long, and once the connection is closing, when the client does not
    /// take what is left for it either.
    fn poll_expired(&mut self, cx: &mut Context<'_>, client: &Client) -> Poll<()> {
        let timeouts = client.worker.settings.timeouts;
        if !self.streams.is_empty() {
            self.idle.clear();
            return Poll::Pending;
        }
        if !self.closing {
            return self.idle.poll_expired(cx, timeouts.keep_alive);
        }
        let written = client.flags.written();
        if written != self.written {
            self.written = written;
            self.idle.clear();
        }
        self.idle.poll_expired(cx, timeouts.write)
    }
}
