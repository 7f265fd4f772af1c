//! What has to be known and checked before a build begins.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::statvfs::statvfs;
use tokio::time::sleep;

use crate::app::App;
use crate::build::BuildOptions;
use crate::build::cgroup::Limits;
use crate::deploy::error::DeployError;
use crate::docker::Engine;
use crate::docker::error::EngineError;
use crate::model::app_name::AppName;
use crate::model::buildpack::Builder;
use crate::model::byte_size::ByteSize;
use crate::model::docker_option::DockerOption;
use crate::model::phase::Phase;
use crate::run::addresses::Addresses;
use crate::store::apps::AppId;
use crate::store::{Store, StoreError};

/// The property with the builder that was chosen.
pub const BUILDER: &str = "builder";
/// The property with the buildpacks that were chosen, a line each.
pub const BUILDPACKS: &str = "buildpacks";
/// The property with the stack image that was chosen.
pub const STACK: &str = "buildpacks-stack";

/// What a build may take of a host that does not say how much memory it has.
const FALLBACK_MEMORY: u64 = 2 << 30;

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
        procfile: store.computed_property(app, "procfile-path").await?,
        app_json: store.computed_property(app, "appjson-path").await?,
        start_command: match store.computed_property(app, "start-cmd").await? {
            None => store.computed_property(app, "dockerfile-start-cmd").await?,
            set => set,
        },
        arguments,
        hosts: hosts.map(str::to_owned).collect(),
        builder: match store.computed_property(app, BUILDER).await? {
            // What was set was checked then.
            Some(name) => name.parse().unwrap_or_default(),
            None => Builder::Auto,
        },
        buildpacks: store
            .computed_property(app, BUILDPACKS)
            .await?
            .unwrap_or_default()
            .lines()
            .filter_map(|line| line.parse().ok())
            .collect(),
        stack: store.computed_property(app, STACK).await?,
    })
}

/// Whether what is built is not to be run (`ps:set APP skip-deploy true`).
pub async fn skips_deploy(app: &App, id: AppId) -> Result<bool, StoreError> {
    Ok(app.store.computed_property(id, "skip-deploy").await?.as_deref() == Some("true"))
}

/// What a build may take: of the settings, and half of the host's memory if these say nothing.
pub fn build_limits(app: &App) -> Limits {
    let settings = &app.settings.deploy;
    let memory = match settings.build_memory_bytes {
        0 => host_memory().map_or(FALLBACK_MEMORY, |bytes| bytes / 2),
        bytes => bytes,
    };
    Limits {
        memory,
        cpu_weight: settings.build_cpu_weight,
        pids: settings.build_pids,
        disk: settings.build_disk_bytes,
    }
}

/// All memory of the host, in bytes.
fn host_memory() -> Option<u64> {
    let facts = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = facts.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}

/// The addresses for new containers. The engine is asked each time: its network is made if it is not there, and one
/// that somebody took away may come back with other addresses.
pub async fn addresses(app: &App) -> Result<Arc<Addresses>, EngineError> {
    let network = app.engine.ensure_network().await?;
    Ok(app.addresses.of(network.subnet.to_string(), || network.static_addresses().collect()))
}

/// How often the disk is looked at while a build runs.
const LOOK_AT_DISK: Duration = Duration::from_secs(1);

/// Refuses to begin a build that would fill the disk.
pub async fn check_free_space(app: &App) -> Result<(), DeployError> {
    match short_of_space(app, app.settings.deploy.min_free_bytes).await? {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

/// Returns when a build has used up half of the room that was there for it to begin with: it has to end before
/// everything else on the host stands still.
pub async fn disk_fills_up(app: &App) -> DeployError {
    loop {
        sleep(LOOK_AT_DISK).await;
        match short_of_space(app, app.settings.deploy.min_free_bytes / 2).await {
            Ok(Some(error)) => return error,
            Ok(None) => {}
            // The build itself will notice an engine that is gone.
            Err(error) => tracing::debug!(%error, "the disk cannot be looked at"),
        }
    }
}

async fn short_of_space(app: &App, needed: u64) -> Result<Option<DeployError>, EngineError> {
    let engine_directory = app.engine.data_directory().await?;
    for place in [app.settings.root.as_path(), engine_directory] {
        if let Some(free) = free_bytes(place).filter(|free| *free < needed) {
            let (free, needed) = (free >> 20, needed >> 20);
            // Nothing is known of the cache where the engine does not say.
            let cache = ByteSize(app.engine.disk_usage().await.map_or(0, |usage| usage.build_cache));
            let place = place.display().to_string();
            return Ok(Some(DeployError::DiskFull { place, free, needed, cache }));
        }
    }
    Ok(None)
}

/// Bytes free for us; `None` where the file system does not say, as for an engine in another mount namespace.
fn free_bytes(place: &Path) -> Option<u64> {
    let facts = statvfs(place).ok()?;
    Some(facts.blocks_available().saturating_mul(facts.fragment_size()))
}
