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
use crate::model::docker_option::DockerOption;
use crate::model::phase::Phase;
use crate::run::addresses::Addresses;
use crate::store::apps::AppId;
use crate::store::{Store, StoreError};

/// Under which name the images of an app are kept, with `build-NUMBER` as the tag.
pub fn image_repository(engine: &Engine, app_name: &AppName) -> String {
    format!("{}/{app_name}", engine.network_name())
}

/// What the app's properties say about building.
pub async fn build_options(store: &Store, app: AppId) -> Result<BuildOptions, StoreError> {
    let options = store.docker_options(app).await?;
    let of_build =
        || options.iter().filter(|stored| stored.phase == Phase::Build).map(|stored| &stored.option);
    let arguments = of_build().filter_map(DockerOption::as_build_argument);
    let arguments: BTreeMap<String, String> =
        arguments.map(|(name, value)| (name.to_owned(), value.unwrap_or_default().to_owned())).collect();
    let hosts = of_build().filter(|option| option.name() == "add-host").filter_map(DockerOption::value);
    Ok(BuildOptions {
        directory: store.computed_property(app, "build-dir").await?,
        dockerfile: store.computed_property(app, "dockerfile-path").await?,
        target: store.computed_property(app, "dockerfile-target").await?,
        arguments,
        hosts: hosts.map(str::to_owned).collect(),
    })
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
