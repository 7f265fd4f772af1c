//! The builds under way and how to cancel them.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use tokio_util::sync::CancellationToken;

use crate::store::apps::AppId;

/// Builds that run or wait for their turn, by number.
#[derive(Debug, Default)]
pub struct RunningBuilds {
    /// Protects the map only; never held across an await.
    builds: Mutex<BTreeMap<i64, (AppId, CancellationToken)>>,
}

impl RunningBuilds {
    /// Enters a build with the token that cancels it.
    pub fn enter(&self, build: i64, app: AppId, cancel: CancellationToken) {
        self.lock().insert(build, (app, cancel));
    }

    /// Takes a build out: it has ended.
    pub fn leave(&self, build: i64) {
        self.lock().remove(&build);
    }

    /// The numbers of an app's builds, the one that runs first, then those that wait.
    pub fn of(&self, app: AppId) -> Vec<i64> {
        self.lock().iter().filter(|(_, (owner, _))| *owner == app).map(|(build, _)| *build).collect()
    }

    /// Cancels an app's builds, or one of them, and returns the numbers of those.
    pub fn cancel(&self, app: AppId, only: Option<i64>) -> Vec<i64> {
        let builds = self.lock();
        let meant = builds
            .iter()
            .filter(|(build, (owner, _))| *owner == app && only.is_none_or(|only| only == **build));
        meant
            .map(|(build, (_, cancel))| {
                cancel.cancel();
                *build
            })
            .collect()
    }

    /// Cancels every build.
    pub fn cancel_all(&self) {
        for (_, cancel) in self.lock().values() {
            cancel.cancel();
        }
    }

    /// Whether a build runs or waits.
    pub fn contains(&self, build: i64) -> bool {
        self.lock().contains_key(&build)
    }

    /// Whether any build runs or waits.
    pub fn any(&self) -> bool {
        !self.lock().is_empty()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<i64, (AppId, CancellationToken)>> {
        self.builds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
