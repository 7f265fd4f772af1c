//! All workers together: the first of them accepts, and deals connections out to the others.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::mpsc;

use crate::listener::{self, Doors, Order};
use crate::metrics::worker::WorkerCounters;
use crate::worker::{self, WorkerParts};

/// The threads of all workers.
#[derive(Debug)]
pub(crate) struct Workers(Vec<JoinHandle<usize>>);

impl Workers {
    /// Starts a worker for each of the counters. Nothing is accepted before there is an order.
    pub(crate) fn start(
        parts: &WorkerParts,
        counters: &[Arc<WorkerCounters>],
        orders: mpsc::UnboundedReceiver<Order>,
    ) -> io::Result<Self> {
        let mut all = counters.iter().enumerate().map(|(index, counters)| WorkerParts {
            index,
            counters: Arc::clone(counters),
            ..parts.clone()
        });
        let Some(first) = all.next() else { return Ok(Self(Vec::new())) };
        let (mut doors, mut threads) = (Vec::new(), Vec::new());
        for parts in all {
            let (door, thread) = worker::start(parts)?;
            doors.push(door);
            threads.push(thread);
        }
        let doors = Doors::new(doors, &parts.settings, Arc::clone(&parts.trust));
        let stop = parts.stop.clone();
        threads.push(worker::start_accepting(first, |here| listener::run(doors, here, orders, stop))?);
        Ok(Self(threads))
    }

    /// Waits for their ends, and says how many connections they had to cut.
    pub(crate) fn join(self) -> usize {
        let mut cut = 0;
        for worker in self.0 {
            match worker.join() {
                Ok(connections) => cut += connections,
                Err(_) => tracing::error!("a thread of the router panicked"),
            }
        }
        cut
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;
    use std::num::NonZeroUsize;

    use crate::settings::RouterSettings;
    use crate::{Router, RouterHandle};

    const WORKERS: usize = 3;

    fn start() -> (RouterHandle, impl Fn() -> TcpStream) {
        let listen = "127.0.0.1:0".parse().unwrap();
        let settings =
            RouterSettings { listen, workers: NonZeroUsize::new(WORKERS), ..RouterSettings::default() };
        let bound = Router::bind(settings).unwrap();
        let address = bound.http_address();
        let (handle, _records) = bound.start().unwrap();
        (handle, move || TcpStream::connect(address).unwrap())
    }

    /// Waits until each worker has so many connections.
    fn wait_for(handle: &RouterHandle, wanted: [u64; WORKERS]) {
        let open = || [0, 1, 2].map(|index| handle.inner.collector.workers[index].plain.now());
        for _ in 0..10_000 {
            if open() == wanted {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        panic!("{:?} instead of {wanted:?}", open());
    }

    #[test]
    fn connections_that_last_are_spread_evenly() {
        let (handle, connect) = start();
        let first: Vec<_> = (0..WORKERS).map(|_| connect()).collect();
        wait_for(&handle, [1; WORKERS]);
        let second: Vec<_> = (0..WORKERS).map(|_| connect()).collect();
        wait_for(&handle, [2; WORKERS]);
        drop((first, second));
        wait_for(&handle, [0; WORKERS]);
    }

    #[test]
    fn connections_one_after_the_other_wake_only_the_worker_that_accepts() {
        let (handle, connect) = start();
        for _ in 0..10 {
            let connection = connect();
            wait_for(&handle, [1, 0, 0]);
            drop(connection);
            wait_for(&handle, [0; WORKERS]);
        }
    }
}
