//! One thread with a runtime of its own that serves the connections it is handed.
//!
//! Nothing of a request leaves its thread, so nothing in its way is locked or sent: a request costs what it costs
//! with one core, and more cores do more requests. Builds and deployments run on other threads altogether.

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;

use arc_swap::ArcSwap;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::spawn_local;
use tokio::time::{Instant, sleep_until};

use crate::access_log::{AccessLog, Recorder};
use crate::client::{self, Accepted};
use crate::handshakes::Handshakes;
use crate::local_thread;
use crate::metrics::worker::WorkerCounters;
use crate::pool::Pool;
use crate::settings::RouterSettings;
use crate::table::Table;
use crate::tls::TlsState;
use crate::trust::Trust;
use crate::value_buffer::ValueBuffer;
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

/// Whether and how the router stops.
pub(crate) type Stop = Option<Ending>;

/// How a router comes to its end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ending {
    /// Connections that rest are kept until then: their next answer says that it is the last. One that were closed
    /// at once might be closed in the face of a request.
    pub(crate) linger_until: Instant,
    /// What is still under way is cut then.
    pub(crate) cut_at: Instant,
    /// Whether another router serves in its place, so that requests may go on waiting for their instance.
    pub(crate) is_succeeded: bool,
}

/// What a worker's connections are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stopping {
    /// Nothing: all goes on.
    No,
    /// Each answer is the connection's last.
    Lingering,
    /// The same, and connections that rest are closed.
    Now,
}

/// A worker's door, held by the worker that accepts.
#[derive(Debug)]
pub(crate) struct WorkerDoor {
    queue: mpsc::Sender<Accepted>,
    connections: Arc<AtomicUsize>,
}

/// The same worker's own way in, on its thread.
#[derive(Debug)]
pub(crate) struct Intake {
    worker: Rc<Worker>,
    stopping: watch::Receiver<Stopping>,
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
    pub(crate) values: ValueBuffer,
    stop: watch::Receiver<Stop>,
    connections: Arc<AtomicUsize>,
    here: Cell<usize>,
    ended: Notify,
    ending: Cell<bool>,
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

impl Intake {
    /// How many connections the worker has.
    pub(crate) fn connections(&self) -> usize {
        self.worker.connections.load(Ordering::Relaxed)
    }

    /// Serves a connection.
    pub(crate) fn serve(&self, accepted: Accepted) {
        self.serve_counted(accepted, self.worker.count_connection());
    }

    fn serve_counted(&self, accepted: Accepted, count: ConnectionCount) {
        let (worker, stopping) = (Rc::clone(&self.worker), self.stopping.clone());
        spawn_local(client::serve(worker, accepted, count, stopping));
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

    /// Lets a request wait in a room; not at all once the router stops, since nothing will change any more. If another
    /// one serves in its place, an instance that refuses connections may still come back.
    pub(crate) async fn wait<T>(&self, waiting: impl Future<Output = T>) -> Option<T> {
        let mut stop = self.stop.clone();
        tokio::select! {
            done = waiting => Some(done),
            // An error means that the handle is gone, and with it whoever publishes.
            _ = stop.wait_for(|stop| stop.is_some_and(|ending| !ending.is_succeeded)) => None,
        }
    }

    /// Whether the router accepts nothing more: each answer is its connection's last.
    pub(crate) fn is_ending(&self) -> bool {
        self.ending.get()
    }

    /// Brings all connections to their end, and says how many had to be cut. The deadlines may be brought forward
    /// meanwhile.
    async fn end(&self, stopping: &watch::Sender<Stopping>, stop: &mut watch::Receiver<Stop>) -> usize {
        self.ending.set(true);
        stopping.send_replace(Stopping::Lingering);
        loop {
            // Without a shutdown, the handle was dropped: nobody waits for anything.
            let ending = *stop.borrow_and_update();
            let now = Instant::now();
            let (linger_until, cut_at) =
                ending.map_or((now, now), |ending| (ending.linger_until, ending.cut_at));
            if now >= linger_until {
                stopping.send_replace(Stopping::Now);
            }
            let next = if now < linger_until { linger_until.min(cut_at) } else { cut_at };
            tokio::select! {
                () = self.wait_empty() => return 0,
                () = sleep_until(next) => if next == cut_at { return self.here.get() },
                Ok(()) = stop.changed() => {}
            }
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

/// Starts the thread of a worker that is handed its connections. Its result is the number of connections that a
/// shutdown had to cut.
pub(crate) fn start(parts: WorkerParts) -> io::Result<(WorkerDoor, JoinHandle<usize>)> {
    // The queue ends when the worker that accepts has accepted its last connection.
    let (queue, mut waiting) = mpsc::channel(QUEUE);
    let connections = Arc::new(AtomicUsize::new(0));
    let door = WorkerDoor { queue, connections: Arc::clone(&connections) };
    let take = |intake: Intake| async move {
        while let Some(accepted) = waiting.recv().await {
            intake.serve_counted(accepted, intake.worker.adopt_connection());
        }
    };
    Ok((door, start_thread(parts, connections, take)?))
}

/// Starts the thread of the worker that accepts, which ends when there is nothing more to be accepted.
pub(crate) fn start_accepting<F: Future<Output = ()>>(
    parts: WorkerParts,
    accept: impl FnOnce(Intake) -> F + Send + 'static,
) -> io::Result<JoinHandle<usize>> {
    start_thread(parts, Arc::default(), accept)
}

fn start_thread<F: Future<Output = ()>>(
    parts: WorkerParts,
    connections: Arc<AtomicUsize>,
    take: impl FnOnce(Intake) -> F + Send + 'static,
) -> io::Result<JoinHandle<usize>> {
    let name = format!("router-{}", parts.index);
    local_thread::start(name, move || run(parts, connections, take))
}

async fn run<F: Future<Output = ()>>(
    parts: WorkerParts,
    connections: Arc<AtomicUsize>,
    take: impl FnOnce(Intake) -> F,
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
        values: ValueBuffer::default(),
        connections,
        here: Cell::new(0),
        ended: Notify::new(),
        ending: Cell::new(false),
    });
    let (stopping, stopped) = watch::channel(Stopping::No);
    let sweeping = spawn_local(Rc::clone(&worker.pool).run());
    let flushing = {
        let recorder = Rc::clone(&worker.recorder);
        spawn_local(async move { recorder.run().await })
    };
    take(Intake { worker: Rc::clone(&worker), stopping: stopped }).await;
    let cut = worker.end(&stopping, &mut stop).await;
    sweeping.abort();
    flushing.abort();
    worker.recorder.flush();
    cut
}
