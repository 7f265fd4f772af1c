//! Connections to instances: made, kept while they rest, and lent to one request at a time.
//!
//! One pool belongs to one worker, so no lock and no other core is ever in the way of a request. hyper-util's
//! client is not used: its pool is shared, locked and keyed by host names, and costs a third more instructions a
//! request (measured for router.md, section 3.1).

mod channel;
mod http2_message;
pub(crate) mod lease;
mod stream;
mod upload;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::spawn_local;
use tokio::time::{Instant, timeout};

use crate::instance::Instance;
use crate::interim_watch::{InterimLink, InterimWatch};
use crate::policy::Policy;
use crate::pool::channel::{Channel, Channels};
use crate::pool::lease::{Kept, Lease, Sender};
use crate::pool::stream::Stream;
use crate::settings::RouterSettings;
use crate::table::{PortRoute, Protocol};
use crate::upstream::Upstream;

/// How often resting connections are looked through.
const SWEEP: Duration = Duration::from_secs(1);

/// An instance's number and the port of it that is meant.
type Key = (u64, u16);

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    /// The instance did not accept in time.
    #[error("no connection in time")]
    Timeout,
    /// The instance refused, or is not there.
    #[error("no connection")]
    Io(#[from] io::Error),
    /// hyper did not take the connection.
    #[error("no HTTP/1.1 on the connection")]
    Http1(#[from] hyper::Error),
    /// h2 did not.
    #[error("no HTTP/2 on the connection")]
    Http2(#[from] h2::Error),
}

#[derive(Debug)]
struct Resting {
    kept: Kept,
    since: Instant,
}

/// The connections of one worker: those of HTTP/1.1 that rest, and all of HTTP/2.
#[derive(Debug)]
pub(crate) struct Pool {
    /// A tree: a worker has few, and comparing two numbers is less work than hashing them.
    resting: RefCell<BTreeMap<Key, Vec<Resting>>>,
    channels: Channels,
    count: Cell<usize>,
    filled: Notify,
    max_per_instance: usize,
    max_head_bytes: usize,
}

impl Pool {
    pub(crate) fn new(settings: &RouterSettings) -> Self {
        Self {
            resting: RefCell::default(),
            channels: Channels::default(),
            count: Cell::new(0),
            filled: Notify::new(),
            max_per_instance: settings.max_idle_connections,
            max_head_bytes: settings.max_head_bytes,
        }
    }

    /// A resting connection, the one that rested last: the others may then grow old and be closed.
    ///
    /// Over HTTP/2, which carries many requests at a time, one with room for another.
    pub(crate) fn take(&self, instance: &Arc<Instance>, port: PortRoute) -> Option<Lease> {
        let key = (instance.number, port.container_port);
        if port.protocol == Protocol::H2c {
            return self.channels.take(key).map(|share| Lease::of(Sender::Http2(Stream::new(share)), true));
        }
        let mut resting = self.resting.borrow_mut();
        let connections = resting.get_mut(&key)?;
        while let Some(Resting { kept, since }) = connections.pop() {
            self.count.set(self.count.get() - 1);
            // One that is not ready yet is still sending its last request, which its instance did not want.
            if kept.sender.is_ready() && since.elapsed() < kept.idle {
                return Some(Lease::of(Sender::Http1(kept), true));
            }
        }
        None
    }

    /// Makes a connection.
    pub(crate) async fn connect(
        &self,
        instance: &Arc<Instance>,
        port: PortRoute,
        policy: &Policy,
    ) -> Result<Lease, ConnectError> {
        let connect = async {
            match port.protocol {
                Protocol::Http1 => self.connect_http1(instance, port.container_port, policy).await,
                Protocol::H2c => self.connect_http2(instance, port, policy).await,
            }
        };
        timeout(policy.timeouts.connect, connect).await.map_err(|_| ConnectError::Timeout)?
    }

    async fn connect_http1(
        &self,
        instance: &Arc<Instance>,
        port: u16,
        policy: &Policy,
    ) -> Result<Lease, ConnectError> {
        let interims = Arc::<InterimLink>::default();
        let stream = open(instance, port, Some(InterimWatch::new(&interims))).await?;
        let preserve_case = policy.headers.preserve_case;
        let (sender, connection) = http1::Builder::new()
            .preserve_header_case(preserve_case)
            // For names of which it is not known how they came: the router's own, and all of HTTP/2.
            .title_case_headers(preserve_case)
            .handshake(TokioIo::new(stream))
            .await?;
        let task = spawn_local(async move {
            if let Err(error) = connection.with_upgrades().await {
                // The request on it has got the same error, and says more about it.
                tracing::trace!(%error, "a connection to an instance ended");
            }
        });
        let (task, idle) = (task.abort_handle(), policy.timeouts.upstream_idle);
        let kept = Kept { sender, task, interims, instance: Arc::clone(instance), port, idle };
        Ok(Lease::of(Sender::Http1(kept), false))
    }

    /// Makes a connection for many requests. Those that come meanwhile wait for it instead of making their own.
    async fn connect_http2(
        &self,
        instance: &Arc<Instance>,
        port: PortRoute,
        policy: &Policy,
    ) -> Result<Lease, ConnectError> {
        let turn = self.channels.turn((instance.number, port.container_port));
        let turn = turn.lock().await;
        if let Some(lease) = self.take(instance, port) {
            return Ok(lease);
        }
        let stream = open(instance, port.container_port, None).await?;
        let channel =
            Channel::begin(stream, instance, policy.timeouts.upstream_idle, self.max_head_bytes).await?;
        let share = self.channels.put((instance.number, port.container_port), channel);
        drop(turn);
        self.count_in();
        Ok(Lease::of(Sender::Http2(Stream::new(share)), false))
    }

    /// Takes a connection back. One of HTTP/2 never left.
    pub(crate) fn put(&self, lease: Lease) {
        let Some(kept) = lease.into_kept() else { return };
        if kept.sender.is_closed() || kept.instance.is_retired() {
            return;
        }
        let mut resting = self.resting.borrow_mut();
        let connections = resting.entry((kept.instance.number, kept.port)).or_default();
        if connections.len() < self.max_per_instance {
            connections.push(Resting { kept, since: Instant::now() });
            self.count_in();
        }
    }

    fn count_in(&self) {
        self.count.set(self.count.get() + 1);
        if self.count.get() == 1 {
            self.filled.notify_one();
        }
    }

    /// Closes connections that have rested for too long, or whose instance is to go.
    pub(crate) async fn run(self: Rc<Self>) {
        loop {
            self.filled.notified().await;
            while self.count.get() > 0 {
                tokio::time::sleep(SWEEP).await;
                self.sweep();
            }
        }
    }

    fn sweep(&self) {
        let mut count = self.channels.sweep();
        self.resting.borrow_mut().retain(|_, connections| {
            connections.retain(|Resting { kept, since }| {
                let gone = kept.sender.is_closed() || kept.instance.is_retired();
                !gone && since.elapsed() < kept.idle
            });
            count += connections.len();
            !connections.is_empty()
        });
        self.count.set(count);
    }
}

async fn open(instance: &Instance, port: u16, interims: Option<InterimWatch>) -> io::Result<Upstream> {
    let stream = TcpStream::connect(SocketAddr::new(instance.address, port)).await?;
    stream.set_nodelay(true)?;
    Ok(Upstream::new(stream, interims))
}
