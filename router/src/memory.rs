//! What is known of an app from table to table, so that a new table changes nothing for whom it does not concern.

use std::collections::HashMap;
use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::{Arc, OnceLock};

use crate::address_counts::AddressCounts;
use crate::gate::auth::Verified;
use crate::metrics::app::{AppCounters, AppMetrics};
use crate::queue::Queue;
use crate::rate_table::RateTable;
use crate::retry_budget::RetryBudget;
use crate::waiting::WaitingRoom;

/// The memories of all apps, by name.
pub(crate) type Memories = HashMap<Arc<str>, Arc<AppMemory>>;

/// The state of one app that outlives route tables; shared by all workers.
#[derive(Debug)]
pub(crate) struct AppMemory {
    /// Where its requests wait for an instance.
    pub(crate) room: Arc<WaitingRoom>,
    /// Where they wait for a place at one.
    pub(crate) queue: Arc<Queue>,
    /// What is counted of them.
    pub(crate) metrics: AppMetrics,
    /// How many of them each worker may send a second time.
    retry_budgets: Box<[RetryBudget]>,
    /// Requests of each client address in the last while; made when there is a limit.
    pub(crate) rates: OnceLock<RateTable>,
    /// Requests of each client address that are under way, while there is a limit.
    pub(crate) under_way: Arc<AddressCounts>,
    /// Who has proved to be somebody who may.
    pub(crate) verified: Verified,
}

impl AppMemory {
    /// The memory of a new app, for so many workers.
    pub(crate) fn new(workers: usize) -> Self {
        Self {
            room: Arc::default(),
            queue: Arc::default(),
            metrics: AppMetrics::new(workers),
            retry_budgets: (0..workers).map(|_| RetryBudget::new(workers)).collect(),
            rates: OnceLock::new(),
            under_way: Arc::default(),
            verified: Verified::default(),
        }
    }

    /// Wakes all that wait: there is a new table.
    pub(crate) fn wake(&self) {
        self.room.wake();
        self.queue.wake();
    }

    /// Whether one of a worker's requests may be sent a second time now.
    pub(crate) fn may_retry(&self, worker: usize, now: u64) -> bool {
        let (Some(budget), Some(counters)) = (self.retry_budgets.get(worker), self.metrics.of(worker)) else {
            return false;
        };
        budget.take(counters.answers(), now)
    }
}

impl Default for AppMemory {
    fn default() -> Self {
        Self::new(1)
    }
}

/// One worker's view of an app's counters, for what outlives the look at the table. Only that worker's thread may
/// write to them, so it stays there.
#[derive(Clone, Debug)]
pub(crate) struct Counted {
    memory: Arc<AppMemory>,
    worker: usize,
    /// Keeps it on its thread.
    thread: PhantomData<Rc<()>>,
}

impl Counted {
    pub(crate) fn new(memory: &Arc<AppMemory>, worker: usize) -> Self {
        Self { memory: Arc::clone(memory), worker, thread: PhantomData }
    }

    /// Counts something.
    pub(crate) fn edit(&self, change: impl FnOnce(&AppCounters)) {
        if let Some(counters) = self.memory.metrics.of(self.worker) {
            change(counters);
        }
    }
}
