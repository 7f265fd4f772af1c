//! A client's connection that speaks HTTP/1.0 or HTTP/1.1.
//!
//! hyper's buffers, its state and the room for a request's future are some tens of kilobytes. A connection that rests
//! gives all of it back, and only its socket is kept until something comes on it: most of a server's connections
//! rest at any time.

use std::cell::Cell;
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use hyper::StatusCode;
use hyper::body::{Body, Frame, SizeHint};
use hyper::header::{self, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::sync::watch;
use tokio::time::{Instant, Sleep, sleep, timeout};

use crate::body::{BodyError, ResponseBody};
use crate::client::opening::Spoken;
use crate::client::{Caller, Client, wait_for_stop};
use crate::client_stream::socket::Socket;
use crate::exchange::Exchange;
use crate::fault::Fault;
use crate::proxy;
use crate::worker::Stopping;

/// How long a connection does nothing before it is laid to rest. What it costs to begin anew, up to two fifths of a
/// request's instructions, is for clients that ask less often than this; and thousands that come at once do not stay
/// awake together for long.
const SOON: Duration = Duration::from_millis(250);

/// Serves a connection to its end.
#[expect(clippy::manual_async_fn, reason = "an async fn would hold what it is called with twice")]
pub(super) fn serve(
    caller: Caller,
    mut socket: Socket,
    mut ahead: Vec<u8>,
    mut stopping: watch::Receiver<Stopping>,
) -> impl Future<Output = ()> {
    async move {
        loop {
            // In a box, so that a connection that rests does without it.
            let awake = Box::pin(serve_awake(&caller, socket, std::mem::take(&mut ahead), stopping.clone()));
            let Some(resting) = awake.await else { break };
            socket = resting;
            let keep_alive = caller.worker.settings.timeouts.keep_alive;
            let came =
                timeout(keep_alive - soon(keep_alive), poll_fn(|cx| socket.poll_awake(cx, &mut ahead)));
            let came = tokio::select! {
                came = came => came.unwrap_or(false),
                () = wait_for_stop(&mut stopping, Stopping::Now) => false,
            };
            if !came {
                Box::pin(socket.close(caller.worker.settings.timeouts.write)).await;
                break;
            }
        }
    }
}

/// How long a connection does nothing before it is laid to rest.
fn soon(keep_alive: Duration) -> Duration {
    SOON.min(keep_alive / 4)
}

/// Serves request after request until the connection ends, or rests: then its socket is given back.
async fn serve_awake(
    caller: &Caller,
    socket: Socket,
    ahead: Vec<u8>,
    mut stopping: watch::Receiver<Stopping>,
) -> Option<Socket> {
    let client = &caller.client();
    let stream = client.stream(socket, ahead, Spoken::Http1);
    let soon = soon(client.worker.settings.timeouts.keep_alive);
    let settings = &client.worker.settings;
    let open = Rc::<Cell<usize>>::default();
    let service = service_fn(|request| {
        let open = Open::begin(&open);
        // No block that waits for it, which would hold it twice: before it began and after.
        proxy::serve(Rc::clone(client), request).map(|mut answer| {
            client.flags.interims.close();
            if client.worker.is_ending() && answer.status() != StatusCode::SWITCHING_PROTOCOLS {
                answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(answer.map(|body| OpenBody { body, open, error: None }))
        })
    });
    // Deadlines are the stream's and those below: hyper's would have to be set anew with each request.
    let mut connection = http1::Builder::new()
        .header_read_timeout(None)
        // The buffer alone may overshoot, and the limit alone would let it grow.
        .max_header_size(settings.max_head_bytes)
        .max_buf_size(settings.max_head_bytes)
        // A map of names for each request, so that it is made only where an app asks for it.
        .preserve_header_case(client.worker.table.load().preserves_case())
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut stopped = pin!(wait_for_stop(&mut stopping, Stopping::Now));
    let mut is_stopping = false;
    let mut pulse = Pulse::default();
    let rests = || open.get() == 0 && client.flags.is_at_rest();
    let result = poll_fn(|cx| {
        client.flags.interims.set_task(cx.waker());
        if !is_stopping && stopped.as_mut().poll(cx).is_ready() {
            is_stopping = true;
            Pin::new(&mut connection).graceful_shutdown();
        }
        match Pin::new(&mut connection).poll(cx) {
            Poll::Ready(result) => Poll::Ready(Some(result)),
            Poll::Pending => pulse.poll_rest(cx, client.requests(), rests, soon).map(|()| None),
        }
    })
    .await;
    match result {
        None => connection.into_parts().map(|parts| parts.io.into_inner().into_socket()),
        Some(result) => {
            if let Err(error) = result {
                note_end(client, &error);
            }
            None
        }
    }
}

fn note_end(client: &Client, error: &hyper::Error) {
    if let Some(said) = client.flags.refused.get() {
        Exchange::refused(client, said.fault, said.request_id.clone(), said.bytes);
    } else if error.is_parse_too_large() {
        Exchange::refused(client, Fault::HeadTooLarge, HeaderValue::from_static("-"), 0);
    } else if error.is_parse() {
        let fault = Fault::BadRequest("The request is not valid HTTP");
        Exchange::refused(client, fault, HeaderValue::from_static("-"), 0);
    }
    // Clients go away in every state; what matters of it is in the access log.
    tracing::trace!(%error, "a client's connection ended");
}

/// A request that has not ended.
#[derive(Debug)]
struct Open(Rc<Cell<usize>>);

impl Open {
    fn begin(count: &Rc<Cell<usize>>) -> Self {
        count.set(count.get() + 1);
        Self(Rc::clone(count))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}

/// An answer's body, whose end is the request's.
#[derive(Debug)]
struct OpenBody {
    body: ResponseBody,
    #[expect(dead_code, reason = "held for its drop")]
    open: Open,
    /// Why the answer is cut, until what came before that is written.
    error: Option<BodyError>,
}

impl Body for OpenBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        if let Some(error) = this.error.take() {
            return Poll::Ready(Some(Err(error)));
        }
        match Pin::new(&mut this.body).poll_frame(cx) {
            // hyper drops all that it has not written when a body fails, be it the answer's head. It writes when it
            // has to wait.
            Poll::Ready(Some(Err(error))) => {
                this.error = Some(error);
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            polled => polled,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Asks every now and then whether a connection has done anything since it was last asked.
///
/// A deadline that begins with each rest would have to be set once a request; this one costs a request nothing.
#[derive(Debug, Default)]
struct Pulse {
    timer: Option<Pin<Box<Sleep>>>,
    requests: u64,
}

impl Pulse {
    /// Ready once the connection has rested for at least `every`, and at most twice that.
    fn poll_rest(
        &mut self,
        cx: &mut Context<'_>,
        requests: u64,
        rests: impl Fn() -> bool,
        every: Duration,
    ) -> Poll<()> {
        let timer = match &mut self.timer {
            None => self.timer.insert(Box::pin(sleep(every))),
            // The first poll after it was set has registered the task, which stays the same.
            Some(timer) if !timer.is_elapsed() => return Poll::Pending,
            Some(timer) => {
                if requests == self.requests && rests() {
                    return Poll::Ready(());
                }
                timer.as_mut().reset(Instant::now() + every);
                timer
            }
        };
        self.requests = requests;
        // Not elapsed, since it was set a moment ago; if it should be, the task is woken at once.
        if timer.as_mut().poll(cx).is_ready() {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }
}
