//! Connections to instances that speak HTTP/2 in clear text: each carries many requests at a time.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use h2::client::{Builder, SendRequest};
use tokio::sync::Mutex;
use tokio::task::spawn_local;
use tokio::time::Instant;

use crate::instance::Instance;
use crate::pool::Key;
use crate::upstream::Upstream;

/// Requests that one connection carries, if the instance takes as many. RFC 9113 asks instances for a hundred.
const MAX_STREAMS: usize = 100;
/// Bytes of an answer that may come before its client has taken any.
const STREAM_WINDOW: u32 = 128 << 10;
/// As much for each stream, so that no slow client can take the window from the others of its connection.
const CONNECTION_WINDOW: u32 = STREAM_WINDOW * MAX_STREAMS as u32;
/// Bytes of a request that wait for the instance beside those on their way to it.
const SEND_BUFFER: usize = 64 << 10;

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
    sender: RefCell<SendRequest<Bytes>>,
    instance: Arc<Instance>,
    /// Requests that it carries.
    in_use: Cell<usize>,
    idle_since: Cell<Instant>,
    /// How long it may rest.
    idle: Duration,
}

/// A request's share in a connection.
#[derive(Debug)]
pub(crate) struct Share {
    channel: Rc<Channel>,
}

impl Channels {
    /// A share in a connection that has room.
    pub(crate) fn take(&self, key: Key) -> Option<Share> {
        let all = self.all.borrow();
        let channel = all.get(&key)?.iter().find(|channel| channel.has_room())?;
        Some(Share::of(channel))
    }

    /// Keeps a connection and gives a share in it.
    pub(crate) fn put(&self, key: Key, channel: Channel) -> Share {
        let channel = Rc::new(channel);
        let share = Share::of(&channel);
        self.all.borrow_mut().entry(key).or_default().push(channel);
        share
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
    ) -> Result<Self, h2::Error> {
        let hello = Builder::new()
            .enable_push(false)
            .initial_max_send_streams(MAX_STREAMS)
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_send_buffer_size(SEND_BUFFER)
            .max_header_list_size(u32::try_from(max_head_bytes).unwrap_or(u32::MAX))
            .handshake(stream);
        let (sender, connection) = hello.await?;
        spawn_local(async move {
            if let Err(error) = connection.await {
                // The requests on it have got the same error, and say more about it.
                tracing::trace!(%error, "a connection to an instance ended");
            }
        });
        let (sender, in_use, idle_since) = (RefCell::new(sender), Cell::new(0), Cell::new(Instant::now()));
        Ok(Self { sender, instance: Arc::clone(instance), in_use, idle_since, idle })
    }

    /// Whether it takes requests: until its instance says goodbye, or is gone.
    fn is_open(&self) -> bool {
        // It never waits: what was sent was sent by its copies.
        let ready = self.sender.borrow_mut().poll_ready(&mut Context::from_waker(Waker::noop()));
        matches!(ready, Poll::Ready(Ok(())))
    }

    fn has_room(&self) -> bool {
        let limit = self.sender.borrow().current_max_send_streams().min(MAX_STREAMS);
        self.in_use.get() < limit && self.is_open()
    }

    fn is_done(&self) -> bool {
        let unused = self.in_use.get() == 0
            && (self.instance.is_retired() || self.idle_since.get().elapsed() >= self.idle);
        unused || !self.is_open()
    }
}

impl Share {
    fn of(channel: &Rc<Channel>) -> Self {
        channel.in_use.set(channel.in_use.get() + 1);
        Self { channel: Rc::clone(channel) }
    }

    /// What sends one request.
    pub(crate) fn sender(&self) -> SendRequest<Bytes> {
        self.channel.sender.borrow().clone()
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let channel = &self.channel;
        channel.in_use.set(channel.in_use.get().saturating_sub(1));
        channel.idle_since.set(Instant::now());
    }
}
