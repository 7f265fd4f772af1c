//! Files into a container and out of it, as tar streams. The container need not run.

use std::io;

use bollard::body_try_stream;
use bollard::query_parameters::{DownloadFromContainerOptionsBuilder, UploadToContainerOptionsBuilder};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};

use crate::docker::error::EngineError;
use crate::docker::{Engine, LONGEST_COPY};
use crate::model::container_id::ContainerId;

impl Engine {
    /// Unpacks a tar in a directory of a container, which has to exist there; owners and modes are the tar's.
    pub async fn upload(
        &self,
        container: &ContainerId,
        directory: &str,
        tar: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
    ) -> Result<(), EngineError> {
        let options = UploadToContainerOptionsBuilder::default().path(directory).build();
        let client = self.client().await?.clone().with_timeout(LONGEST_COPY);
        Ok(client.upload_to_container(container.as_str(), Some(options), body_try_stream(tar)).await?)
    }

    /// A file or directory of a container as a tar, whose names begin with the last part of the path.
    pub async fn download(
        &self,
        container: &ContainerId,
        path: &str,
    ) -> Result<impl Stream<Item = Result<Bytes, EngineError>> + Send + 'static, EngineError> {
        let options = DownloadFromContainerOptionsBuilder::default().path(path).build();
        let client = self.client().await?.clone().with_timeout(LONGEST_COPY);
        let (container, options) = (container.as_str().to_owned(), Some(options));
        // The stream borrows nothing, so that it can be the body of another request.
        Ok(client.download_from_container(&container, options).map(|chunk| chunk.map_err(EngineError::from)))
    }
}
