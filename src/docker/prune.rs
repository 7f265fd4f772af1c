//! Giving space back.

use bollard::models::BuildPruneResponse;

use crate::docker::Engine;
use crate::docker::error::EngineError;
use crate::docker::facts::{ContainerFilter, RunState};
use crate::docker::labels::ContainerKind;
use crate::docker::wire::Call;
use crate::model::container_id::ContainerId;

impl Engine {
    /// Trims the engine's build cache, least recently used first; gives the bytes that became free.
    ///
    /// The cache belongs to the engine, not to an owner: others on the same engine share it.
    pub async fn prune_build_cache(&self, keep_bytes: u64) -> Result<u64, EngineError> {
        // Our own request: bollard sends only the name that this option got in API 1.48.
        let target = format!("/build/prune?all=1&keep-storage={keep_bytes}&reserved-space={keep_bytes}");
        let answer: BuildPruneResponse =
            self.wire().await?.send(Call::post(target, "")).await?.json().await?;
        Ok(answer.space_reclaimed.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(0))
    }

    /// Removes containers of one kind that have ended, and gives their ids.
    pub async fn remove_ended(&self, kind: ContainerKind) -> Result<Vec<ContainerId>, EngineError> {
        let containers = self.list(&ContainerFilter { app: None, kind: Some(kind) }).await?;
        let mut removed = Vec::new();
        for container in containers {
            if matches!(container.state, RunState::Exited(_)) {
                self.remove(&container.id).await?;
                removed.push(container.id);
            }
        }
        Ok(removed)
    }
}
