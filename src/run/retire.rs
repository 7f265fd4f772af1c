//! Taking old instances out of service: drain, SIGTERM, SIGKILL, remove. Never holds up a deploy.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::docker::Engine;
use crate::model::container_id::ContainerId;
use crate::route::RouterHandle;

/// The containers that are being retired, so that no two tasks do it at once.
#[derive(Debug, Default)]
pub struct Retiring {
    /// Protects the set only; never held across an await.
    containers: Mutex<HashSet<ContainerId>>,
}

impl Retiring {
    /// Whether somebody is at it.
    pub fn contains(&self, container: &ContainerId) -> bool {
        self.lock().contains(container)
    }

    /// Takes a container on; false if somebody is at it already.
    pub fn enter(&self, container: &ContainerId) -> bool {
        self.lock().insert(container.clone())
    }

    /// Says that nobody is at it any more.
    pub fn leave(&self, container: &ContainerId) {
        self.lock().remove(container);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashSet<ContainerId>> {
        self.containers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long old instances get.
#[derive(Clone, Copy, Debug)]
pub struct Grace {
    /// For requests that are still running.
    pub drain: Duration,
    /// Between SIGTERM and SIGKILL.
    pub stop: Duration,
}

/// Drains, stops and removes one container. The routes no longer lead to it.
pub async fn retire(engine: &Engine, router: &RouterHandle, container: &ContainerId, grace: Grace) {
    let drained = router.drain(&[container.to_string()], grace.drain).await;
    if !drained.is_complete() {
        tracing::info!(%container, "an old instance still had requests when its time was over");
    }
    if let Err(error) = engine.stop(container, grace.stop).await
        && !error.is_not_found()
    {
        tracing::warn!(%container, %error, "an old instance does not stop; the reconciler will try again");
    }
    if let Err(error) = engine.remove(container).await {
        tracing::warn!(%container, %error, "an old instance is not removed; the reconciler will try again");
    }
}
