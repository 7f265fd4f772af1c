//! What the engine's things take on its disk, and the one cache that is trimmed.

use std::collections::BTreeMap;

use futures_util::TryStreamExt as _;
use serde::Deserialize;

use crate::docker::Engine;
use crate::docker::error::EngineError;
use crate::docker::labels::OWNER;
use crate::docker::wire::Call;
use crate::model::release::ImageId;

/// What the engine says of its disk. It looks at every file to answer, so this may take seconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DiskUsage {
    /// All layers of all images, each counted once, whoever they belong to.
    pub layers: u64,
    /// Every image.
    pub images: Vec<ImageUsage>,
    /// What the owner's containers have written on top of their images.
    pub containers: Vec<(String, u64)>,
    /// The owner's volumes, by name.
    pub volumes: Vec<(String, u64)>,
    /// The builder's cache beyond what images share with it; whose build made it is not known.
    pub build_cache: u64,
    /// How many entries it has.
    pub build_cache_entries: u64,
}

/// An image's share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageUsage {
    /// Its id.
    pub id: ImageId,
    /// Its size, shared layers included.
    pub size: u64,
    /// The part of it that other images have too.
    pub shared: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[derive(Default)]
struct Answer {
    layers_size: i64,
    images: Option<Vec<Image>>,
    containers: Option<Vec<Container>>,
    volumes: Option<Vec<Volume>>,
    build_cache: Option<Vec<Cache>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Image {
    id: String,
    #[serde(default)]
    size: i64,
    #[serde(default)]
    shared_size: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Container {
    #[serde(default)]
    names: Vec<String>,
    #[serde(default)]
    size_rw: i64,
    labels: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Volume {
    name: String,
    labels: Option<BTreeMap<String, String>>,
    usage_data: Option<VolumeUsage>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct VolumeUsage {
    size: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Cache {
    #[serde(default)]
    shared: bool,
    #[serde(default)]
    size: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Pruned {
    #[serde(default)]
    space_reclaimed: i64,
}

impl Engine {
    /// Asks what everything takes on the disk.
    pub async fn disk_usage(&self) -> Result<DiskUsage, EngineError> {
        let answer: Answer = self.ask(Call::get("/system/df".to_owned())).await?;
        let is_own = |labels: &Option<BTreeMap<String, String>>| {
            let owner = labels.as_ref().and_then(|labels| labels.get(OWNER));
            owner.is_some_and(|owner| owner == self.owner().as_str())
        };
        let images = answer.images.unwrap_or_default().into_iter().map(|image| ImageUsage {
            id: ImageId(image.id),
            size: bytes(image.size),
            shared: bytes(image.shared_size),
        });
        let containers = answer.containers.unwrap_or_default().into_iter();
        let containers = containers.filter(|container| is_own(&container.labels)).map(|container| {
            let name = container.names.first().map_or("", String::as_str).trim_start_matches('/');
            (name.to_owned(), bytes(container.size_rw))
        });
        let volumes = answer.volumes.unwrap_or_default().into_iter();
        let volumes = volumes
            .filter(|volume| is_own(&volume.labels))
            .map(|volume| (volume.name, volume.usage_data.map_or(0, |usage| bytes(usage.size))));
        let cache: Vec<Cache> = answer.build_cache.unwrap_or_default();
        let cache: Vec<u64> =
            cache.into_iter().filter(|entry| !entry.shared).map(|entry| bytes(entry.size)).collect();
        Ok(DiskUsage {
            layers: bytes(answer.layers_size),
            images: images.collect(),
            containers: containers.collect(),
            volumes: volumes.collect(),
            build_cache: cache.iter().sum(),
            build_cache_entries: cache.len() as u64,
        })
    }

    /// Has the builder forget what it has not used for longest, until its cache takes no more than that. The cache
    /// has no owner: what other people's builds put there counts, and goes, too. Gives the bytes that came free.
    pub async fn trim_build_cache(&self, keep: u64) -> Result<u64, EngineError> {
        // Newer engines have another word for it, and leave the old one alone.
        let target = format!("/build/prune?keep-storage={keep}&reserved-space={keep}");
        let pruned: Pruned = self.ask(Call::post(target, "")).await?;
        Ok(bytes(pruned.space_reclaimed))
    }

    async fn ask<T: for<'de> Deserialize<'de> + Send + 'static>(&self, call: Call) -> Result<T, EngineError> {
        let mut answers = self.wire().await?.send(call).await?.json_lines::<T>();
        let none = || EngineError::Broken("the engine's answer is empty".into());
        answers.try_next().await?.ok_or_else(none)
    }
}

/// The engine writes -1 where it does not know.
fn bytes(size: i64) -> u64 {
    u64::try_from(size).unwrap_or(0)
}
