//! Connections to instances that speak HTTP/2 in clear text: each carries many requests at a time.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use futures_util::TryFutureExt;
use h2::Reason;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::client::conn::http2::{self, SendRequest};
use hyper::rt::Executor;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::sync::Mutex;
use tokio::task::spawn_local;
use tokio::time::Instant;

use crate::body::BodyError;
use crate::instance::Instance;
use crate::pool::Key;
use crate::pool::http2_message::{as_http1, as_http2};
use crate::pool::lease::SendError;
use crate::request_body::RequestBody;
use crate::upstream::Upstream;

/// Requests that one connection carries, if the instance takes as many. RFC 9113 asks instances for a hundred.
const MAX_STREAMS: usize = 100;
/// Bytes of an answer that may come before its client has taken any.
const STREAM_WINDOW: u32 = 128 << 10;
/// As much for each stream, so that no slow client can take the window from the others of its connection.
const CONNECTION_WINDOW: u32 = STREAM_WINDOW * MAX_STREAMS as u32;

/// The connections of a worker, by instance and port.
#[derive(Debug, Default)]
pub(crate) struct Channels {
    all: RefCell<HashMap<Key, Vec<Rc<Channel>>>>,
    /// Held by whoever makes a connection. Without contention across threads, and never for longer than connecting.
    turns: RefCell<HashMap<Key, Rc<Mutex<()>>>>,
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Channel {
    sender: SendRequest<StreamRequest>,
    instance: Arc<Instance>,
    /// Requests that it may carry now.
    limit: Rc<Cell<usize>>,
    in_use: Cell<usize>,
    idle_since: Cell<Instant>,
    /// How long it may rest.
    idle: Duration,
}

/// A request's share in a connection.
#[derive(Debug)]
pub(crate) struct Stream {
    channel: Rc<Channel>,
    cancel: Rc<Cancel>,
}

/// Says that a request is not to be sent to its end.
#[derive(Debug, Default)]
struct Cancel {
    cancelled: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

/// The body of a request, until it is given up.
#[derive(Debug)]
struct StreamRequest {
    body: RequestBody,
    cancel: Rc<Cancel>,
}

/// Runs hyper's tasks on the worker's thread.
#[derive(Clone, Copy, Debug)]
struct LocalExecutor;

impl<F: Future<Output = ()> + 'static> Executor<F> for LocalExecutor {
    fn execute(&self, task: F) {
        spawn_local(task);
    }
}

impl Channels {
    /// A share in a connection that has room.
    pub(crate) fn take(&self, key: Key) -> Option<Stream> {
        let all = self.all.borrow();
        let channel = all.get(&key)?.iter().find(|channel| channel.has_room())?;
        Some(Stream::of(channel))
    }

    /// Keeps a connection and gives a share in it.
    pub(crate) fn put(&self, key: Key, channel: Channel) -> Stream {
        let channel = Rc::new(channel);
        let stream = Stream::of(&channel);
        self.all.borrow_mut().entry(key).or_default().push(channel);
        stream
    }

    /// What whoever makes a connection holds.
    pub(crate) fn turn(&self, key: Key) -> Rc<Mutex<()>> {
        Rc::clone(self.turns.borrow_mut().entry(key).or_default())
    }

    /// Closes what has rested for too long, or whose instance is to go. Says how many are left.
    pub(crate) fn sweep(&self) -> usize {
        let mut count = 0;
        self.all.borrow_mut().retain(|_, channels| {
            channels.retain(|channel| !channel.is_done());
            count += channels.len();
            !channels.is_empty()
        });
        self.turns.borrow_mut().retain(|_, turn| Rc::strong_count(turn) > 1);
        count
    }
}

impl Channel {
    /// Begins to speak HTTP/2.
    pub(crate) async fn begin(
        stream: Upstream,
        instance: &Arc<Instance>,
        idle: Duration,
        max_head_bytes: usize,
    ) -> Result<Self, hyper::Error> {
        let (sender, connection) = http2::Builder::new(LocalExecutor)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(u32::try_from(max_head_bytes).unwrap_or(u32::MAX))
            .handshake(TokioIo::new(stream))
            .await?;
        let limit = Rc::new(Cell::new(MAX_STREAMS));
        let current = Rc::clone(&limit);
        spawn_local(async move {
            let mut connection = pin!(connection);
            let ended = poll_fn(|cx| {
                let polled = connection.as_mut().poll(cx);
                current.set(connection.current_max_send_streams().min(MAX_STREAMS));
                polled
            });
            if let Err(error) = ended.await {
                // The requests on it have got the same error, and say more about it.
                tracing::trace!(%error, "a connection to an instance ended");
            }
        });
        let (in_use, idle_since) = (Cell::new(0), Cell::new(Instant::now()));
        Ok(Self { sender, instance: Arc::clone(instance), limit, in_use, idle_since, idle })
    }

    fn has_room(&self) -> bool {
        self.sender.is_ready() && self.in_use.get() < self.limit.get()
    }

    fn is_done(&self) -> bool {
        let unused = self.in_use.get() == 0
            && (self.instance.is_retired() || self.idle_since.get().elapsed() >= self.idle);
        unused || self.sender.is_closed()
    }
}

impl Stream {
    fn of(channel: &Rc<Channel>) -> Self {
        channel.in_use.set(channel.in_use.get() + 1);
        Self { channel: Rc::clone(channel), cancel: Rc::default() }
    }

    /// Sends a request; what it gives back waits for the head of the answer.
    pub(crate) fn send(
        &self,
        mut request: Request<RequestBody>,
    ) -> impl Future<Output = Result<Response<Incoming>, SendError>> + use<> {
        as_http2(&mut request);
        let request = request.map(|mut body| {
            body.go_on();
            StreamRequest { body, cancel: Rc::clone(&self.cancel) }
        });
        let mut sender = self.channel.sender.clone();
        sender.try_send_request(request).map_err(|mut error| {
            let unsent = error.take_message().map(|request| {
                let mut request = request.map(|body| body.body);
                as_http1(&mut request);
                request
            });
            SendError::new(error.into_error(), unsent)
        })
    }

    /// Ends what is still being sent. Whoever drops the answer ends that.
    pub(crate) fn cancel(&self) {
        self.cancel.cancelled.set(true);
        if let Some(waker) = self.cancel.waker.take() {
            waker.wake();
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let channel = &self.channel;
        channel.in_use.set(channel.in_use.get().saturating_sub(1));
        channel.idle_since.set(Instant::now());
    }
}

impl Body for StreamRequest {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        if this.cancel.cancelled.get() {
            return Poll::Ready(Some(Err(h2::Error::from(Reason::CANCEL).into())));
        }
        let polled = Pin::new(&mut this.body).poll_frame(cx);
        if polled.is_pending() {
            this.cancel.waker.replace(Some(cx.waker().clone()));
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
