//! Making an image of what a container's process has changed in its file system.

use std::time::Duration;

use bollard::models::ContainerConfig;
use bollard::query_parameters::CommitContainerOptionsBuilder;

use crate::docker::Engine;
use crate::docker::error::EngineError;
use crate::docker::image::ImageFacts;
use crate::model::container_id::ContainerId;
use crate::model::release::ImageId;

/// How long the engine may take to write what has changed.
const COMMIT_DEADLINE: Duration = Duration::from_secs(1800);

impl Engine {
    /// Makes an image of a container and gives it a name. It starts what `like` starts: how the container itself was
    /// started does not matter later. Its labels and its environment are the container's, so nothing that is secret
    /// may be among these.
    pub async fn commit(
        &self,
        container: &ContainerId,
        repository: &str,
        tag: &str,
        like: &ImageFacts,
    ) -> Result<ImageId, EngineError> {
        let options = CommitContainerOptionsBuilder::default();
        let options = options.container(container.as_str()).repo(repository).tag(tag).build();
        // An empty list is "none"; without one the engine would take the container's.
        let config = ContainerConfig {
            entrypoint: Some(like.entrypoint.clone()),
            cmd: Some(like.command.clone()),
            ..ContainerConfig::default()
        };
        let client = self.client().await?.clone().with_timeout(COMMIT_DEADLINE);
        let committed = client.commit_container(options, config).await?;
        Ok(ImageId(committed.id))
    }
}
