//! One thread with a runtime of its own that serves the connections it is handed.
//!
//! Nothing of a request leaves its thread, so nothing in its way is locked or sent: a request costs what it costs
//! with one core, and more cores do more requests. Builds and deployments run on other threads altogether.

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{Builder, JoinHandle};

use arc_swap::ArcSwap;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::{LocalSet, spawn_local};
use tokio::time::{Instant, timeout_at};

use crate::access_log::{AccessLog, Recorder};
use crate::client::{self, Accepted};
use crate::handshakes::Handshakes;
use crate::metrics::worker::WorkerCounters;
use crate::pool::Pool;
use crate::settings::RouterSettings;
use crate::table::Table;
use crate::tls::TlsState;
use crate::trust::Trust;
use crate::waiting::WaitingRoom;

/// Accepted connections that may wait for a worker. Beyond that the kernel's queue holds them.
const QUEUE: usize = 1024;

/// What a worker is made of.
#[derive(Clone, Debug)]
pub(crate) struct WorkerParts {
    pub(crate) table: Arc<ArcSwap<Table>>,
    pub(crate) lobby: Arc<WaitingRoom>,
    pub(crate) tls: Arc<TlsState>,
    pub(crate) trust: Arc<ArcSwap<Trust>>,
    pub(crate) settings: Arc<RouterSettings>,
    pub(crate) log: AccessLog,
    pub(crate) stop: watch::Receiver<Stop>,
    /// Which of the workers it is to be.
    pub(crate) index: usize,
    /// Where it counts.
    pub(crate) counters: Arc<WorkerCounters>,
}

/// Whether and until when the router stops.
pub(crate) type Stop = Option<Instant>;

/// A worker's door, held by the accepting thread.
#[derive(Debug)]
pub(crate) struct WorkerDoor {
    queue: mpsc::Sender<Accepted>,
    connections: Arc<AtomicUsize>,
}

/// A worker's state, shared by everything on its thread.
#[derive(Debug)]
pub(crate) struct Worker {
    /// Which of the workers it is.
    pub(crate) index: usize,
    /// Where it counts; only its own thread does.
    pub(crate) counters: Arc<WorkerCounters>,
    pub(crate) table: Arc<ArcSwap<Table>>,
    /// Where requests wait for the first table.
    pub(crate) lobby: Arc<WaitingRoom>,
    pub(crate) tls: Arc<TlsState>,
    pub(crate) trust: Arc<ArcSwap<Trust>>,
    pub(crate) settings: Arc<RouterSettings>,
    pub(crate) handshakes: Handshakes,
    pub(crate) pool: Rc<Pool>,
    pub(crate) recorder: Rc<Recorder>,
    stop: watch::Receiver<Stop>,
    connections: Arc<AtomicUsize>,
    here: Cell<usize>,
    ended: Notify,
}

/// A connection or tunnel that a worker is busy with.
#[derive(Debug)]
pub(crate) struct ConnectionCount(Rc<Worker>);

impl WorkerDoor {
    /// How many connections the worker has, waiting ones included.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// Hands a connection over.
    pub(crate) async fn hand(&self, accepted: Accepted) {
        self.connections.fetch_add(1, Ordering::Relaxed);
        if self.queue.send(accepted).await.is_err() {
            // The worker has stopped, and the connection is closed with it.
            self.connections.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Worker {
    /// Counts a connection or tunnel that is to be waited for at shutdown.
    pub(crate) fn count_connection(self: &Rc<Self>) -> ConnectionCount {
        self.connections.fetch_add(1, Ordering::Relaxed);
        self.adopt_connection()
    }

    /// The same for a connection that was counted when it was handed over.
    fn adopt_connection(self: &Rc<Self>) -> ConnectionCount {
        self.here.set(self.here.get() + 1);
        ConnectionCount(Rc::clone(self))
    }

    /// Lets a request wait in a room; not at all once the router stops, since nothing will change any more.
    pub(crate) async fn wait<T>(&self, waiting: impl Future<Output = T>) -> Option<T> {
        let mut stop = self.stop.clone();
        tokio::select! {
            done = waiting => Some(done),
            // An error means that the handle is gone, and with it whoever publishes.
            _ = stop.wait_for(Option::is_some) => None,
        }
    }

    async fn wait_empty(&self) {
        while self.here.get() > 0 {
            self.ended.notified().await;
        }
    }
}

impl Drop for ConnectionCount {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
        self.0.here.set(self.0.here.get().saturating_sub(1));
        self.0.ended.notify_one();
    }
}

/// Starts a worker's thread. Its result is the number of connections that a shutdown had to cut.
pub(crate) fn start(parts: WorkerParts) -> io::Result<(WorkerDoor, JoinHandle<usize>)> {
    let (queue, waiting) = mpsc::channel(QUEUE);
    let connections = Arc::new(AtomicUsize::new(0));
    let door = WorkerDoor { queue, connections: Arc::clone(&connections) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let thread = Builder::new().name(format!("router-{}", parts.index)).spawn(move || {
        let tasks = LocalSet::new();
        let cut = tasks.block_on(&runtime, run(parts, waiting, connections));
        // What is left is dropped here, inside the runtime whose timers and sockets it holds.
        let entered = runtime.enter();
        drop(tasks);
        drop(entered);
        cut
    })?;
    Ok((door, thread))
}

async fn run(
    parts: WorkerParts,
    mut waiting: mpsc::Receiver<Accepted>,
    connections: Arc<AtomicUsize>,
) -> usize {
    let WorkerParts { table, lobby, tls, trust, settings, log, mut stop, index, counters } = parts;
    let pool = Rc::new(Pool::new(&settings));
    let recorder = Rc::new(Recorder::new(log));
    let worker = Rc::new(Worker {
        index,
        counters,
        table,
        lobby,
        stop: stop.clone(),
        tls,
        handshakes: Handshakes::new(settings.max_handshakes),
        trust,
        settings,
        pool,
        recorder,
        connections,
        here: Cell::new(0),
        ended: Notify::new(),
    });
    let (stopping, stopped) = watch::channel(false);
    let sweeping = spawn_local(Rc::clone(&worker.pool).run());
    let flushing = {
        let recorder = Rc::clone(&worker.recorder);
        spawn_local(async move { recorder.run().await })
    };
    let serve = |accepted| {
        let count = worker.adopt_connection();
        let (worker, stopped) = (Rc::clone(&worker), stopped.clone());
        spawn_local(async move {
            client::serve(worker, accepted, stopped).await;
            drop(count);
        });
    };
    // The queue ends when the accepting thread has accepted its last connection.
    while let Some(accepted) = waiting.recv().await {
        serve(accepted);
    }
    stopping.send_replace(true);
    let deadline = match stop.wait_for(Option::is_some).await {
        Ok(deadline) => deadline.unwrap_or_else(Instant::now),
        // The handle was dropped without a shutdown: nobody waits for anything.
        Err(_) => Instant::now(),
    };
    let cut = match timeout_at(deadline, worker.wait_empty()).await {
        Ok(()) => 0,
        Err(_) => worker.here.get(),
    };
    sweeping.abort();
    flushing.abort();
    worker.recorder.flush();
    cut
}
