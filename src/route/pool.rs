//! Connections to instances: made, kept while they rest, and lent to one request at a time.
//!
//! One pool belongs to one worker, so no lock and no other core is ever in the way of a request. hyper-util's
//! client is not used: its pool is shared, locked and keyed by host names, and costs a third more instructions a
//! request (measured for router.md, section 3.1).

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::{AbortHandle, spawn_local};
use tokio::time::{Instant, timeout};

use super::body::RequestBody;
use super::instance::Instance;
use super::settings::RouterSettings;

/// How often resting connections are looked through.
const SWEEP: Duration = Duration::from_secs(1);

/// A connection to an instance that serves one request.
#[derive(Debug)]
pub(super) struct Lease {
    sender: SendRequest<RequestBody>,
    task: AbortHandle,
    instance: Arc<Instance>,
    port: u16,
    /// Whether it has served a request before, and so may have been closed by now.
    reused: bool,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectError {
    /// The instance did not accept in time.
    #[error("no connection in time")]
    Timeout,
    /// The instance refused, or is not there.
    #[error("no connection")]
    Io(#[from] io::Error),
    /// hyper did not take the connection.
    #[error("no HTTP on the connection")]
    Handshake(#[from] hyper::Error),
}

#[derive(Debug)]
struct Resting {
    lease: Lease,
    since: Instant,
}

/// The resting connections of one worker.
#[derive(Debug)]
pub(super) struct Pool {
    resting: RefCell<HashMap<(u64, u16), Vec<Resting>>>,
    count: Cell<usize>,
    filled: Notify,
    idle: Duration,
    connect: Duration,
    max_per_instance: usize,
}

impl Pool {
    pub(super) fn new(settings: &RouterSettings) -> Self {
        Self {
            resting: RefCell::default(),
            count: Cell::new(0),
            filled: Notify::new(),
            idle: settings.timeouts.upstream_idle,
            connect: settings.timeouts.connect,
            max_per_instance: settings.max_idle_connections,
        }
    }

    /// A resting connection, the one that rested last: the others may then grow old and be closed.
    pub(super) fn take(&self, instance: &Arc<Instance>, port: u16) -> Option<Lease> {
        let mut resting = self.resting.borrow_mut();
        let connections = resting.get_mut(&(instance.number, port))?;
        while let Some(Resting { lease, since }) = connections.pop() {
            self.count.set(self.count.get() - 1);
            // One that is not ready yet is still sending its last request, which its instance did not want.
            if lease.sender.is_ready() && since.elapsed() < self.idle {
                return Some(lease);
            }
        }
        None
    }

    /// Makes a connection.
    pub(super) async fn connect(&self, instance: &Arc<Instance>, port: u16) -> Result<Lease, ConnectError> {
        let address = SocketAddr::new(instance.address, port);
        let stream =
            timeout(self.connect, TcpStream::connect(address)).await.map_err(|_| ConnectError::Timeout)??;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::Builder::new().handshake(TokioIo::new(stream)).await?;
        let task = spawn_local(async move {
            if let Err(error) = connection.with_upgrades().await {
                // The request on it has got the same error, and says more about it.
                tracing::trace!(%error, "a connection to an instance ended");
            }
        });
        let task = task.abort_handle();
        Ok(Lease { sender, task, instance: Arc::clone(instance), port, reused: false })
    }

    /// Takes a connection back.
    pub(super) fn put(&self, mut lease: Lease) {
        if lease.sender.is_closed() || lease.instance.is_retired() {
            return;
        }
        let mut resting = self.resting.borrow_mut();
        let connections = resting.entry((lease.instance.number, lease.port)).or_default();
        if connections.len() < self.max_per_instance {
            lease.reused = true;
            connections.push(Resting { lease, since: Instant::now() });
            self.count.set(self.count.get() + 1);
            if self.count.get() == 1 {
                self.filled.notify_one();
            }
        }
    }

    /// Closes connections that have rested for too long, or whose instance is to go.
    pub(super) async fn run(self: Rc<Self>) {
        loop {
            self.filled.notified().await;
            while self.count.get() > 0 {
                tokio::time::sleep(SWEEP.min(self.idle)).await;
                self.sweep();
            }
        }
    }

    fn sweep(&self) {
        let mut count = 0;
        self.resting.borrow_mut().retain(|_, connections| {
            connections.retain(|Resting { lease, since }| {
                let gone = lease.sender.is_closed() || lease.instance.is_retired();
                !gone && since.elapsed() < self.idle
            });
            count += connections.len();
            !connections.is_empty()
        });
        self.count.set(count);
    }
}

impl Lease {
    /// The connection's sender.
    pub(super) fn sender(&mut self) -> &mut SendRequest<RequestBody> {
        &mut self.sender
    }

    /// Whether it has served a request before.
    pub(super) fn is_reused(&self) -> bool {
        self.reused
    }

    /// Closes the connection at once, whatever is under way on it.
    pub(super) fn abort(&self) {
        self.task.abort();
    }
}
