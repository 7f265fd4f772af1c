//! Tells readers that an app's log has grown. They read the files themselves, as fast as they can; nobody waits.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::store::apps::AppId;

/// Who waits for which app's lines.
#[derive(Debug, Default)]
pub struct Growth {
    /// Protects the map only; never held across an await.
    apps: Mutex<HashMap<AppId, watch::Sender<()>>>,
}

impl Growth {
    /// Is told of what is written from now on. Ends when the app is destroyed.
    pub fn subscribe(&self, app: AppId) -> watch::Receiver<()> {
        self.apps().entry(app).or_insert_with(|| watch::Sender::new(())).subscribe()
    }

    /// Tells those who wait for an app's lines.
    pub fn tell(&self, app: AppId) {
        let mut apps = self.apps();
        if apps.get(&app).is_some_and(|sender| sender.send(()).is_err()) {
            apps.remove(&app);
        }
    }

    /// Ends the waiting for an app's lines.
    pub fn forget(&self, app: AppId) {
        self.apps().remove(&app);
    }

    fn apps(&self) -> MutexGuard<'_, HashMap<AppId, watch::Sender<()>>> {
        self.apps.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
