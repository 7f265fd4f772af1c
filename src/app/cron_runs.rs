//! The runs of scheduled tasks that are under way, so that they can be ended and waited for.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Semaphore, watch};

use crate::model::cron::CronTaskId;
use crate::store::apps::AppId;

/// Containers that are made and started at the same time: at full hours many tasks are due at once.
const STARTS_AT_ONCE: usize = 4;

/// Why a run is ended before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Somebody asked for it.
    Stopped,
    /// The next one is due.
    Replaced,
}

/// The runs that are under way.
#[derive(Debug)]
pub struct CronRuns {
    /// Protects the map only; never held across an await.
    runs: Mutex<HashMap<i64, Entry>>,
    /// Turns at making containers.
    pub starts: Semaphore,
}

#[derive(Debug)]
struct Entry {
    app: AppId,
    task: CronTaskId,
    ending: Arc<watch::Sender<Option<Ending>>>,
}

impl Default for CronRuns {
    fn default() -> Self {
        Self { runs: Mutex::default(), starts: Semaphore::new(STARTS_AT_ONCE) }
    }
}

impl CronRuns {
    /// Notes that a run is under way. The receiver says when it is to end; dropping it says that it has.
    pub fn enter(&self, run: i64, app: AppId, task: CronTaskId) -> watch::Receiver<Option<Ending>> {
        let (sender, receiver) = watch::channel(None);
        self.runs().insert(run, Entry { app, task, ending: Arc::new(sender) });
        receiver
    }

    /// Notes that nobody looks after a run any more.
    pub fn leave(&self, run: i64) {
        self.runs().remove(&run);
    }

    /// Whether a run is under way.
    pub fn contains(&self, run: i64) -> bool {
        self.runs().contains_key(&run)
    }

    /// The runs of a task that are under way.
    pub fn of(&self, app: AppId, task: &CronTaskId) -> Vec<i64> {
        let runs = self.runs();
        let of_task = runs.iter().filter(|(_, entry)| entry.app == app && entry.task == *task);
        of_task.map(|(run, _)| *run).collect()
    }

    /// Has a run ended, and waits until it has. No effect on one that has ended.
    pub async fn end(&self, run: i64, why: Ending) {
        if let Some(ending) = self.ending(run) {
            ending.send_replace(Some(why));
            ending.closed().await;
        }
    }

    /// Waits until nobody looks after a run any more.
    pub async fn ended(&self, run: i64) {
        if let Some(ending) = self.ending(run) {
            ending.closed().await;
        }
    }

    fn ending(&self, run: i64) -> Option<Arc<watch::Sender<Option<Ending>>>> {
        self.runs().get(&run).map(|entry| entry.ending.clone())
    }

    fn runs(&self) -> MutexGuard<'_, HashMap<i64, Entry>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
