//! Reading single files out of an image, by way of a container of it that is never started.

use std::io::Read as _;

use bollard::query_parameters::DownloadFromContainerOptionsBuilder;
use futures_util::StreamExt as _;

use crate::docker::Engine;
use crate::docker::container::ContainerSpec;
use crate::docker::error::EngineError;
use crate::docker::labels::ContainerLabels;
use crate::model::app_name::AppName;
use crate::model::container_id::ContainerId;
use crate::model::release::{ImageId, ProcessCommand};

/// What an archive may have beside the file itself, in bytes.
const ARCHIVE: usize = 16 << 10;

impl Engine {
    /// The content of each of these files as far as the image has it, in the order of their paths, which are absolute.
    pub async fn image_files(
        &self,
        image: &ImageId,
        app: &AppName,
        paths: &[String],
        limit: usize,
    ) -> Result<Vec<Option<Vec<u8>>>, EngineError> {
        let labels = ContainerLabels::of_build(app);
        let name = format!("{app}.read.{:08x}", rand::random::<u32>());
        let spec = ContainerSpec {
            // Some image names no command, and without any the engine makes no container.
            command: ProcessCommand::Arguments(vec!["never started".to_owned()]),
            ..ContainerSpec::new(name, image.clone(), labels)
        };
        let container = self.create(&spec).await?;
        let mut files = Ok(Vec::new());
        for path in paths {
            let file = self.container_file(&container, path, limit).await;
            files = files.and_then(|mut files: Vec<_>| {
                files.push(file?);
                Ok(files)
            });
        }
        self.remove(&container).await?;
        files
    }

    /// The content of a file of a container; `None` if there is none, or something else there.
    pub async fn container_file(
        &self,
        container: &ContainerId,
        path: &str,
        limit: usize,
    ) -> Result<Option<Vec<u8>>, EngineError> {
        let options = DownloadFromContainerOptionsBuilder::default().path(path).build();
        let client = self.client().await?;
        let mut archive = std::pin::pin!(client.download_from_container(container.as_str(), Some(options)));
        let mut bytes = Vec::new();
        while let Some(chunk) = archive.next().await {
            match chunk.map_err(EngineError::from) {
                Ok(chunk) => bytes.extend_from_slice(&chunk),
                Err(error) if error.is_not_found() => return Ok(None),
                Err(error) => return Err(error),
            }
            if bytes.len() > limit + ARCHIVE {
                let message = format!("{path} is larger than {limit} bytes");
                return Err(EngineError::Refused { status: 200, message });
            }
        }
        first_file(&bytes)
    }
}

/// The content of an archive's first entry, if that is a file.
fn first_file(archive: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
    let broken = |error: std::io::Error| EngineError::Broken(error.into());
    let mut archive = tar::Archive::new(archive);
    let Some(entry) = archive.entries().map_err(broken)?.next() else { return Ok(None) };
    let mut entry = entry.map_err(broken)?;
    if !entry.header().entry_type().is_file() {
        return Ok(None);
    }
    let mut content = Vec::new();
    entry.read_to_end(&mut content).map_err(broken)?;
    Ok(Some(content))
}
