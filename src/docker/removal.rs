//! What has to happen before a container is removed, whoever removes it: its output goes with it.

use std::fmt;
use std::pin::Pin;

use crate::docker::Engine;
use crate::model::container_id::ContainerId;

type Hook = Box<dyn Fn(Engine, ContainerId) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// Waited for before each removal.
pub(super) struct RemovalHook(Hook);

impl fmt::Debug for RemovalHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RemovalHook")
    }
}

impl Engine {
    /// Sets what is waited for before each removal; the first one stays.
    pub fn before_removals<F>(&self, hook: impl Fn(Self, ContainerId) -> F + Send + Sync + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let hook = move |engine, container| -> Pin<Box<dyn Future<Output = ()> + Send>> {
            Box::pin(hook(engine, container))
        };
        if self.inner.removal_hook.set(RemovalHook(Box::new(hook))).is_err() {
            tracing::error!("what comes before the removal of containers is set already");
        }
    }

    pub(super) async fn prepare_removal(&self, container: &ContainerId) {
        if let Some(RemovalHook(hook)) = self.inner.removal_hook.get() {
            hook(self.clone(), container.clone()).await;
        }
    }
}
