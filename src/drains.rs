//! Drains: each sends one app's log on to another host, from the files, so that neither the app nor whoever keeps the
//! log ever waits for it.
//!
//! The store says which drains there are; [`serve`] has one task run for each. Knows nothing of commands.

pub mod connection;
mod http;
mod json;
mod run;
mod sender;
mod syslog;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::logs::Logs;
use crate::store::Store;
use crate::store::drains::{DrainProgress, DrainRecord};

/// The pause after the database refused.
const BACK_OFF: Duration = Duration::from_secs(5);

/// A handle on the drains. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Drains {
    logs: Logs,
    store: Store,
    /// What this host is called in syslog messages.
    host: String,
    changed: Arc<Notify>,
    states: Arc<States>,
}

/// How the drains do.
#[derive(Debug, Default)]
struct States {
    /// Protects the map only; never held across an await.
    drains: Mutex<HashMap<i64, State>>,
}

/// How one drain does.
#[derive(Debug)]
struct State {
    progress: DrainProgress,
    /// Why it is down, if it is.
    trouble: Option<String>,
}

impl States {
    fn lock(&self) -> MutexGuard<'_, HashMap<i64, State>> {
        self.drains.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drains {
    /// Nothing runs yet.
    pub fn new(logs: Logs, store: Store, host: String) -> Self {
        Self { logs, store, host, changed: Arc::new(Notify::new()), states: Arc::new(States::default()) }
    }

    /// Says that drains were added or removed.
    pub fn changed(&self) {
        self.changed.notify_one();
    }

    /// Why a drain is down, if it is.
    pub fn trouble(&self, drain: i64) -> Option<String> {
        self.states.lock().get(&drain)?.trouble.clone()
    }

    /// How far a drain is. What is recorded is a little older.
    pub fn progress(&self, drain: &DrainRecord) -> DrainProgress {
        self.states.lock().get(&drain.id).map_or(drain.progress, |state| state.progress)
    }

    fn set_progress(&self, drain: i64, progress: DrainProgress) {
        if let Some(state) = self.states.lock().get_mut(&drain) {
            state.progress = progress;
        }
    }

    /// Notes why a drain is down, or that it is not; says whether that is news.
    fn set_trouble(&self, drain: i64, trouble: Option<String>) -> bool {
        let mut states = self.states.lock();
        let Some(state) = states.get_mut(&drain) else { return false };
        let is_news = state.trouble.is_some() != trouble.is_some();
        state.trouble = trouble;
        is_news
    }
}

/// Serves the drains that there are, until the server stops.
pub async fn serve(drains: Drains, shutdown: CancellationToken) {
    let tasks = TaskTracker::new();
    let mut running: HashMap<i64, CancellationToken> = HashMap::new();
    loop {
        let mut failed = false;
        match drains.store.drains(None).await {
            Ok(found) => adjust(&drains, found, &mut running, &tasks),
            Err(error) => {
                tracing::warn!(%error, "the drains cannot be read; trying again");
                failed = true;
            }
        }
        tokio::select! {
            () = drains.changed.notified() => {}
            () = sleep(BACK_OFF), if failed => {}
            () = shutdown.cancelled() => break,
        }
    }
    for cancel in running.values() {
        cancel.cancel();
    }
    tasks.close();
    tasks.wait().await;
}

fn adjust(
    drains: &Drains,
    found: Vec<DrainRecord>,
    running: &mut HashMap<i64, CancellationToken>,
    tasks: &TaskTracker,
) {
    running.retain(|id, cancel| {
        let stays = found.iter().any(|drain| drain.id == *id);
        if !stays {
            cancel.cancel();
            drains.states.lock().remove(id);
        }
        stays
    });
    for drain in found {
        if running.contains_key(&drain.id) {
            continue;
        }
        drains.states.lock().insert(drain.id, State { progress: drain.progress, trouble: None });
        let cancel = CancellationToken::new();
        running.insert(drain.id, cancel.clone());
        let drains = drains.clone();
        tasks.spawn(async move { run::run(&drains, drain, &cancel).await });
    }
}
