//! Making an image of what a container's process has changed in its file system.

use std::collections::HashMap;

use bollard::models::ContainerConfig;
use bollard::query_parameters::CommitContainerOptionsBuilder;

use crate::docker::error::EngineError;
use crate::docker::labels::KIND;
use crate::docker::{Engine, LONGEST_COPY};
use crate::model::container_id::ContainerId;
use crate::model::release::ImageId;

/// What an image is called.
#[derive(Clone, Copy, Debug)]
pub struct ImageName<'a> {
    /// The part before the colon.
    pub repository: &'a str,
    /// The part behind it.
    pub tag: &'a str,
}

/// What an image starts.
#[derive(Clone, Copy, Debug)]
pub struct ImageStart<'a> {
    /// Its entry point; empty for none.
    pub entrypoint: &'a [String],
    /// Its command; empty for none.
    pub command: &'a [String],
}

impl Engine {
    /// Makes an image of a container and gives it a name, if it is to have one. How the container itself was started does not matter later.
    /// Labels (but for what the container was for), user and environment are the container's, so nothing that is
    /// secret may be among these.
    pub async fn commit(
        &self,
        container: &ContainerId,
        name: Option<ImageName<'_>>,
        start: ImageStart<'_>,
    ) -> Result<ImageId, EngineError> {
        let options = CommitContainerOptionsBuilder::default();
        let options = options.container(container.as_str());
        let options = match name {
            Some(ImageName { repository, tag }) => options.repo(repository).tag(tag),
            None => options,
        };
        // An empty list is "none"; without one the engine would take the container's.
        let config = ContainerConfig {
            entrypoint: Some(start.entrypoint.to_vec()),
            cmd: Some(start.command.to_vec()),
            // A container that a person makes from the image is no step of a build, which would be tidied away.
            labels: Some(HashMap::from([(KIND.to_owned(), String::new())])),
            ..ContainerConfig::default()
        };
        let client = self.client().await?.clone().with_timeout(LONGEST_COPY);
        let committed = client.commit_container(options.build(), config).await?;
        Ok(ImageId(committed.id))
    }
}
