//! Volumes: what outlives containers. Every volume here carries its owner's label.

use std::collections::HashMap;
use std::path::PathBuf;

use bollard::models::VolumeCreateRequest;
use bollard::query_parameters::{ListVolumesOptionsBuilder, RemoveVolumeOptions};

use crate::docker::Engine;
use crate::docker::error::EngineError;
use crate::docker::labels::{OWNER, owner_filter};
use crate::model::mount::StorageName;

/// Stands between the network's name and the app's number.
const CACHE: &str = ".cache.";
/// The name that a person gave it.
const STORAGE: &str = "slipway.storage";

impl Engine {
    /// What the engine calls the volume with that name of a person's: names are global there.
    pub fn volume_name(&self, name: &StorageName) -> String {
        format!("{}-{name}", self.network_name())
    }

    /// Makes a volume; no error if it is there already.
    pub async fn create_volume(&self, name: &StorageName) -> Result<(), EngineError> {
        let labels = [(OWNER, self.owner().to_string()), (STORAGE, name.to_string())];
        let request = VolumeCreateRequest {
            name: Some(self.volume_name(name)),
            labels: Some(HashMap::from(labels.map(|(key, value)| (key.to_owned(), value)))),
            ..VolumeCreateRequest::default()
        };
        self.client().await?.create_volume(request).await?;
        Ok(())
    }

    /// What the engine calls the volume with an app's cache. No name of a person's can be the same: see
    /// [`Engine::volume_name`].
    pub fn cache_volume(&self, app: i64) -> String {
        format!("{}{CACHE}{app}", self.network_name())
    }

    /// The numbers of the apps that have a cache, among them such as are destroyed.
    pub async fn caches(&self) -> Result<Vec<i64>, EngineError> {
        let volumes = self.own_volumes().await?;
        Ok(volumes.iter().filter_map(|volume| self.cache_of(volume)).collect())
    }

    /// Whose cache a volume is, if it is one.
    pub fn cache_of(&self, volume: &str) -> Option<i64> {
        volume.strip_prefix(&self.network_name())?.strip_prefix(CACHE)?.parse().ok()
    }

    /// Makes a volume for what builds need again; no error if it is there already.
    pub async fn create_cache(&self, name: &str) -> Result<(), EngineError> {
        let request = VolumeCreateRequest {
            name: Some(name.to_owned()),
            labels: Some(HashMap::from([(OWNER.to_owned(), self.owner().to_string())])),
            ..VolumeCreateRequest::default()
        };
        self.client().await?.create_volume(request).await?;
        Ok(())
    }

    /// The names of the owner's volumes.
    pub async fn own_volumes(&self) -> Result<Vec<String>, EngineError> {
        let filters = HashMap::from([("label", vec![owner_filter(self.owner())])]);
        let options = ListVolumesOptionsBuilder::default().filters(&filters).build();
        let listed = self.client().await?.list_volumes(Some(options)).await?;
        Ok(listed.volumes.unwrap_or_default().into_iter().map(|volume| volume.name).collect())
    }

    /// Where the host has a volume's files, by its name in the engine.
    pub async fn volume_directory(&self, volume: &str) -> Result<PathBuf, EngineError> {
        match self.client().await?.inspect_volume(volume).await.map_err(EngineError::from) {
            Ok(found) => Ok(PathBuf::from(found.mountpoint)),
            Err(error) if error.is_not_found() => Err(EngineError::NotFound(format!(
                "the volume {volume} is gone: somebody removed it from the engine"
            ))),
            Err(error) => Err(error),
        }
    }

    /// Removes a volume with all that is in it; no error if there is none. One that a container has is a conflict.
    pub async fn remove_volume(&self, volume: &str) -> Result<(), EngineError> {
        let removed = self.client().await?.remove_volume(volume, None::<RemoveVolumeOptions>).await;
        match removed.map_err(EngineError::from) {
            Err(error) if !error.is_not_found() => Err(error),
            _ => Ok(()),
        }
    }
}
