//! Every image of the engine's at a glance, whoever made it.

use std::collections::{BTreeMap, HashSet};

use bollard::query_parameters::{ListContainersOptionsBuilder, ListImagesOptions};

use crate::docker::Engine;
use crate::docker::error::EngineError;
use crate::model::release::ImageId;

/// An image as the engine lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedImage {
    /// Its id.
    pub id: ImageId,
    /// All its names.
    pub names: Vec<String>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// When it was made, seconds since the Unix epoch.
    pub created_at: i64,
    /// Its size in bytes, shared layers included.
    pub size: u64,
}

impl Engine {
    /// The images that some container is made of, whoever made it.
    pub async fn images_in_use(&self) -> Result<HashSet<ImageId>, EngineError> {
        let options = ListContainersOptionsBuilder::default().all(true).build();
        let containers = self.client().await?.list_containers(Some(options)).await?;
        Ok(containers.into_iter().filter_map(|container| container.image_id).map(ImageId).collect())
    }

    /// Every image of the engine's.
    pub async fn every_image(&self) -> Result<Vec<ListedImage>, EngineError> {
        let images = self.client().await?.list_images(None::<ListImagesOptions>).await?;
        let listed = images.into_iter().map(|image| ListedImage {
            id: ImageId(image.id),
            names: image.repo_tags.into_iter().filter(|tag| tag != "<none>:<none>").collect(),
            labels: image.labels.into_iter().collect(),
            created_at: image.created,
            size: u64::try_from(image.size).unwrap_or(0),
        });
        Ok(listed.collect())
    }
}
