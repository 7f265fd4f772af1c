//! What has to be known and checked before a build begins.

use std::collections::BTreeMap;
use std::path::Path;

use nix::sys::statvfs::statvfs;

use crate::app::App;
use crate::build::BuildOptions;
use crate::deploy::error::DeployError;
use crate::docker::Engine;
use crate::docker::error::EngineError;
use crate::model::app_name::AppName;
use crate::run::addresses::Addresses;
use crate::store::apps::AppId;
use crate::store::{Store, StoreError};

/// Under which name the images of an app are kept, with `build-NUMBER` as the tag.
pub fn image_repository(engine: &Engine, app_name: &AppName) -> String {
    format!("{}/{app_name}", engine.network_name())
}

/// What the app's properties say about building.
pub async fn build_options(store: &Store, app: AppId) -> Result<BuildOptions, StoreError> {
    let arguments = store.property(Some(app), "build-args").await?.unwrap_or_default();
    let arguments: BTreeMap<String, String> = if arguments.is_empty() {
        BTreeMap::new()
    } else {
        serde_json::from_str(&arguments).map_err(|error| StoreError::Damaged(error.to_string()))?
    };
    Ok(BuildOptions {
        directory: store.computed_property(app, "build-dir").await?,
        dockerfile: store.computed_property(app, "dockerfile-path").await?,
        target: store.computed_property(app, "dockerfile-target").await?,
        procfile: store.computed_property(app, "procfile-path").await?,
        app_json: store.computed_property(app, "appjson-path").await?,
        start_command: match store.computed_property(app, "start-cmd").await? {
            None => store.computed_property(app, "dockerfile-start-cmd").await?,
            set => set,
        },
        arguments,
    })
}

/// Whether what is built is not to be run (`ps:set APP skip-deploy true`).
pub async fn skips_deploy(app: &App, id: AppId) -> Result<bool, StoreError> {
    Ok(app.store.computed_property(id, "skip-deploy").await?.as_deref() == Some("true"))
}

/// The addresses for new containers. The engine is asked the first time, since it may start after the server; its
/// network is made if it is not there.
pub async fn addresses(app: &App) -> Result<&Addresses, EngineError> {
    let learn = || async {
        let network = app.engine.ensure_network().await?;
        Ok(Addresses::new(network.static_addresses().collect()))
    };
    app.addresses.get_or_try_init(learn).await
}

/// Refuses to begin a build that would fill the disk.
pub async fn check_free_space(app: &App) -> Result<(), DeployError> {
    let needed = app.settings.deploy.min_free_bytes;
    let engine_directory = app.engine.data_directory().await?;
    for place in [app.settings.root.as_path(), engine_directory] {
        if let Some(free) = free_bytes(place).filter(|free| *free < needed) {
            let (free, needed) = (free >> 20, needed >> 20);
            return Err(DeployError::DiskFull { place: place.display().to_string(), free, needed });
        }
    }
    Ok(())
}

/// Bytes free for us; `None` where the file system does not say, as for an engine in another mount namespace.
fn free_bytes(place: &Path) -> Option<u64> {
    let facts = statvfs(place).ok()?;
    Some(facts.blocks_available().saturating_mul(facts.fragment_size()))
}
