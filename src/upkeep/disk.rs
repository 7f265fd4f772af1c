//! What takes the disk: images by app, the builder's cache, volumes, logs, repositories, the database; and what is free.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use nix::sys::stat::stat;
use nix::sys::statvfs::statvfs;
use serde::Serialize;

use crate::app::App;
use crate::build::buildpacks::stack::inventory::{self, Item};
use crate::command_error::CommandError;
use crate::docker::image::OwnedImage;
use crate::docker::usage::{DiskUsage, ImageUsage};
use crate::upkeep::temporary::{entries, size};

/// Everything that Slipway takes, in bytes.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// What each app takes, by name.
    pub apps: BTreeMap<String, AppShare>,
    /// What apps' images have in common with others, counted once for each group: base images, mostly.
    pub images_shared: u64,
    /// The images that buildpacks build in and apps run on, other servers' on this host included.
    pub stack_images: u64,
    /// All layers of the engine, other people's included.
    pub engine_layers: u64,
    /// The builder's cache, other people's included.
    pub build_cache: u64,
    /// What it is trimmed to; 0 if it is not.
    pub build_cache_quota: u64,
    /// Slipway's volumes by name.
    pub volumes: BTreeMap<String, u64>,
    /// Outputs of builds, and other logs below the root.
    pub logs: u64,
    /// The apps' repositories, those that belong to no app included.
    pub repositories: u64,
    /// The database with its journal.
    pub database: u64,
    /// The file systems that these lie on.
    pub file_systems: Vec<FileSystem>,
}

/// What one app takes.
#[derive(Clone, Debug, Default, Serialize, PartialEq, Eq)]
pub struct AppShare {
    /// How many images.
    pub images: usize,
    /// What would come free if they were gone: layers that no other image has.
    pub images_own: u64,
    /// What its containers have written.
    pub containers: u64,
    /// What its containers have printed, as the engine keeps it.
    pub container_logs: u64,
    /// Its repository.
    pub repository: u64,
    /// What its builds have kept for the next one.
    pub cache: u64,
}

/// A file system, and what is free on it.
#[derive(Clone, Debug, Serialize, PartialEq, Eq)]
pub struct FileSystem {
    /// The directory by which it was found.
    pub path: String,
    /// Its size.
    pub total: u64,
    /// What is free for us.
    pub free: u64,
    /// Files that it can hold; 0 where there is no such limit.
    pub inodes: u64,
    /// Files that can still be made.
    pub inodes_free: u64,
}

/// Looks at everything. Takes seconds where there are many files.
pub async fn report(app: &App) -> Result<Report, CommandError> {
    let usage = app.engine.disk_usage().await?;
    let images = app.engine.list_images().await?;
    let engine_directory = app.engine.data_directory().await?.to_owned();
    let mut apps = images_by_app(&images, &usage);
    let mut volumes: BTreeMap<String, u64> = usage.volumes.iter().cloned().collect();
    for record in app.store.apps().await? {
        let cache = volumes.remove(&app.engine.cache_volume(record.id.0)).unwrap_or(0);
        apps.entry(record.name.to_string()).or_default().cache = cache;
    }
    let containers = app.engine.survey().await?;
    for container in containers {
        let share = apps.entry(container.labels.app.to_string()).or_default();
        let written = usage.containers.iter().find(|(name, _)| *name == container.name);
        share.containers += written.map_or(0, |(_, bytes)| *bytes);
        share.container_logs += logs_of(&engine_directory, container.id.as_str());
    }
    let root = app.settings.root.clone();
    let quota = app.settings.deploy.build_cache_bytes;
    let shared = shared_layers(&images, &usage);
    let stack_images = stack_images(&inventory::list(&app.engine).await?, &usage);
    let looking = tokio::task::spawn_blocking(move || files(&root, apps, &engine_directory));
    let files =
        looking.await.map_err(|error| CommandError::internal("the disk cannot be looked at", error))?;
    Ok(Report {
        apps: files.apps,
        images_shared: shared,
        stack_images,
        engine_layers: usage.layers,
        build_cache: usage.build_cache,
        build_cache_quota: quota,
        volumes,
        logs: files.logs,
        repositories: files.repositories,
        database: files.database,
        file_systems: files.file_systems,
    })
}

/// The file system that a path lies on; `None` where it does not say, as for an engine in another mount namespace.
pub fn file_system(path: &Path) -> Option<FileSystem> {
    let facts = statvfs(path).ok()?;
    let bytes = |blocks: u64| blocks.saturating_mul(facts.fragment_size());
    Some(FileSystem {
        path: path.display().to_string(),
        total: bytes(facts.blocks()),
        free: bytes(facts.blocks_available()),
        inodes: facts.files(),
        inodes_free: facts.files_available(),
    })
}

/// Several paths' file systems, each once.
pub fn file_systems(paths: &[&Path]) -> Vec<FileSystem> {
    let mut seen = HashSet::new();
    let mut is_new = |path: &Path| stat(path).is_ok_and(|facts| seen.insert(facts.st_dev));
    paths.iter().filter(|path| is_new(path)).filter_map(|path| file_system(path)).collect()
}

fn images_by_app(images: &[OwnedImage], usage: &DiskUsage) -> BTreeMap<String, AppShare> {
    let mut apps: BTreeMap<String, AppShare> = BTreeMap::new();
    for image in images {
        let owner = image.tags.first().and_then(|tag| Some(tag.rsplit_once(':')?.0.rsplit_once('/')?.1));
        let share = apps.entry(owner.unwrap_or("(nobody)").to_owned()).or_default();
        share.images += 1;
        share.images_own += find(usage, image).map_or(0, |found| found.size.saturating_sub(found.shared));
    }
    apps
}

/// The engine says of each image how much of it others have too, not which: the largest such part stands for all.
fn shared_layers(images: &[OwnedImage], usage: &DiskUsage) -> u64 {
    images.iter().filter_map(|image| find(usage, image)).map(|found| found.shared).max().unwrap_or(0)
}

/// What each has alone, and once what they have in common with others.
fn stack_images(items: &[Item], usage: &DiskUsage) -> u64 {
    let found = || items.iter().filter_map(|item| usage.images.iter().find(|image| image.id == item.id));
    let own: u64 = found().map(|image| image.size.saturating_sub(image.shared)).sum();
    own + found().map(|image| image.shared).max().unwrap_or(0)
}

fn find<'a>(usage: &'a DiskUsage, image: &OwnedImage) -> Option<&'a ImageUsage> {
    usage.images.iter().find(|found| found.id == image.id)
}

/// The engine's own log files of a container; nothing where we may not look.
fn logs_of(engine_directory: &Path, container: &str) -> u64 {
    let directory = engine_directory.join("containers").join(container);
    let logs = entries(&directory).unwrap_or_default();
    let is_log = |entry: &&std::fs::DirEntry| entry.file_name().to_string_lossy().contains("-json.log");
    logs.iter().filter(is_log).map(|entry| size(&entry.path())).sum()
}

struct Files {
    apps: BTreeMap<String, AppShare>,
    logs: u64,
    repositories: u64,
    database: u64,
    file_systems: Vec<FileSystem>,
}

fn files(root: &Path, mut apps: BTreeMap<String, AppShare>, engine_directory: &Path) -> Files {
    for (name, share) in &mut apps {
        share.repository = size(&root.join("repos").join(format!("{name}.git")));
    }
    let database = ["slipway.db", "slipway.db-wal", "slipway.db-shm"].map(|file| root.join(file));
    let database: &[PathBuf] = &database;
    Files {
        apps,
        logs: size(&root.join("logs")),
        repositories: size(&root.join("repos")),
        database: database.iter().map(|path| size(path)).sum(),
        file_systems: file_systems(&[root, engine_directory]),
    }
}
