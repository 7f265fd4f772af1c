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
        let limit = parts.settings.max_connections_per_address;
        let doors = Doors::new(doors, limit, Arc::clone(&parts.trust));
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
