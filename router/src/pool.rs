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

use crate::body::RequestBody;
use crate::instance::Instance;
use crate::policy::timeouts::Timeouts;
use crate::settings::RouterSettings;
use crate::table::PortRoute;

/// How often resting connections are looked through.
const SWEEP: Duration = Duration::from_secs(1);

/// A connection to an instance that serves one request.
#[derive(Debug)]
pub(crate) struct Lease {
    sender: SendRequest<RequestBody>,
    task: AbortHandle,
    instance: Arc<Instance>,
    port: u16,
    /// Whether it has served a request before, and so may have been closed by now.
    reused: bool,
    /// How long it may rest.
    idle: Duration,
}

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
pub(crate) struct Pool {
    resting: RefCell<HashMap<(u64, u16), Vec<Resting>>>,
    count: Cell<usize>,
    filled: Notify,
    max_per_instance: usize,
}

impl Pool {
    pub(crate) fn new(settings: &RouterSettings) -> Self {
        Self {
            resting: RefCell::default(),
            count: Cell::new(0),
            filled: Notify::new(),
            max_per_instance: settings.max_idle_connections,
        }
    }

    /// A resting connection, the one that rested last: the others may then grow old and be closed.
    pub(crate) fn take(&self, instance: &Arc<Instance>, port: PortRoute) -> Option<Lease> {
        let mut resting = self.resting.borrow_mut();
        let connections = resting.get_mut(&(instance.number, port.container_port))?;
        while let Some(Resting { lease, since }) = connections.pop() {
            self.count.set(self.count.get() - 1);
            // One that is not ready yet is still sending its last request, which its instance did not want.
            if lease.sender.is_ready() && since.elapsed() < lease.idle {
                return Some(lease);
            }
        }
        None
    }

    /// Makes a connection.
    pub(crate) async fn connect(
        &self,
        instance: &Arc<Instance>,
        port: PortRoute,
        timeouts: &Timeouts,
    ) -> Result<Lease, ConnectError> {
        let idle = timeouts.upstream_idle;
        let port = port.container_port;
        let address = SocketAddr::new(instance.address, port);
        let stream = timeout(timeouts.connect, TcpStream::connect(address))
            .await
            .map_err(|_| ConnectError::Timeout)??;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::Builder::new().handshake(TokioIo::new(stream)).await?;
        let task = spawn_local(async move {
            if let Err(error) = connection.with_upgrades().await {
                // The request on it has got the same error, and says more about it.
                tracing::trace!(%error, "a connection to an instance ended");
            }
        });
        let task = task.abort_handle();
        Ok(Lease { sender, task, instance: Arc::clone(instance), port, reused: false, idle })
    }

    /// Takes a connection back.
    pub(crate) fn put(&self, mut lease: Lease) {
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
        let mut count = 0;
        self.resting.borrow_mut().retain(|_, connections| {
            connections.retain(|Resting { lease, since }| {
                let gone = lease.sender.is_closed() || lease.instance.is_retired();
                !gone && since.elapsed() < lease.idle
            });
            count += connections.len();
            !connections.is_empty()
        });
        self.count.set(count);
    }
}

impl Lease {
    /// The connection's sender.
    pub(crate) fn sender(&mut self) -> &mut SendRequest<RequestBody> {
        &mut self.sender
    }

    /// Whether it has served a request before.
    pub(crate) fn is_reused(&self) -> bool {
        self.reused
    }

    /// Closes the connection at once, whatever is under way on it.
    pub(crate) fn abort(&self) {
        self.task.abort();
    }
}
