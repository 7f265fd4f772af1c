//! Garbage: what nobody needs any more, of what carries our label or lies in our root, and nothing else.
//!
//! An image is needed by a release that is kept, or by a build that has not become one yet; its name tells which.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use crate::app::App;
use crate::build::buildpacks::stack::inventory::{self, Item};
use crate::clock;
use crate::command_error::CommandError;
use crate::deploy::{journal, retention};
use crate::docker::facts::{ContainerFacts, ContainerFilter, RunState};
use crate::docker::image::OwnedImage;
use crate::docker::labels::ContainerKind;
use crate::docker::usage::DiskUsage;
use crate::model::app_name::AppName;
use crate::model::release::{ImageId, ReleaseVersion};
use crate::services::image;
use crate::store::apps::AppRecord;
use crate::store::releases::ImageUser;
use crate::upkeep::leftover::{Leftover, What};
use crate::upkeep::temporary;

/// Builds of each app that are remembered.
pub const KEEP_BUILDS: u32 = 20;

/// What is looked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Search<'a> {
    /// Only what is this app's.
    pub app: Option<&'a AppRecord>,
    /// Whether one-off containers that have ended go at once, rather than after a day.
    pub at_once: bool,
    /// What the engine's disk is used for, if it was asked: then the build cache counts, and sizes are told.
    pub usage: Option<&'a DiskUsage>,
}

/// Finds everything that nobody needs. In the order in which it can be removed.
pub async fn find(app: &App, search: Search<'_>) -> Result<Vec<Leftover>, CommandError> {
    let records: Vec<AppRecord> = match search.app {
        Some(record) => vec![record.clone()],
        None => app.store.apps().await?,
    };
    let mut found = Vec::new();
    let mut beyond: HashMap<AppName, Vec<ReleaseVersion>> = HashMap::new();
    for record in &records {
        let keep = retention::of(app, record.id).await?;
        let releases = app.store.releases_beyond(record.id, keep).await?;
        if !releases.is_empty() {
            let versions: Vec<ReleaseVersion> = releases.into_iter().map(|(version, _)| version).collect();
            let shown: Vec<String> = versions.iter().map(ToString::to_string).collect();
            let what = What::Releases { app: record.id, versions: shown.join(" ") };
            found.push(Leftover { what, app: Some(record.name.clone()), bytes: 0 });
            beyond.insert(record.name.clone(), versions);
        }
    }
    found.extend(containers(app, search).await?);
    found.extend(images(app, search, &beyond).await?);
    found.extend(builds(app, &records, search.app.is_none()).await?);
    if search.app.is_none() {
        found.extend(caches(app, search).await?);
        found.extend(stack_images(app, search).await?);
        found.extend(service_images(app, search).await?);
        found.extend(files(&app.settings.root).await?);
        found.extend(search.usage.and_then(|usage| build_cache(app, usage)));
    }
    Ok(found)
}

async fn images(
    app: &App,
    search: Search<'_>,
    beyond: &HashMap<AppName, Vec<ReleaseVersion>>,
) -> Result<Vec<Leftover>, CommandError> {
    let mut images = app.engine.list_images().await?;
    images.sort_by(|one, other| (one.created_at, &one.tags).cmp(&(other.created_at, &other.tags)));
    // Read after the list: an image that became a release's in between is among them.
    let users = app.store.image_users().await?;
    let is_kept = |user: &&ImageUser| {
        user.current || beyond.get(&user.app).is_none_or(|versions| !versions.contains(&user.version))
    };
    let needed: HashSet<&ImageId> = users.iter().filter(is_kept).map(|user| &user.image).collect();
    let mut found = Vec::new();
    for image in images.iter().filter(|image| !needed.contains(&image.id)) {
        let mut bytes = search.usage.map_or(0, |usage| own_bytes(usage, &image.id));
        for (reference, owner) in removable(app, image) {
            if search.app.is_some_and(|record| owner.as_ref() != Some(&record.name)) {
                continue;
            }
            // The image goes with its last name, so its size counts once.
            let leftover = Leftover { what: What::Image { reference }, app: owner, bytes };
            bytes = 0;
            found.push(leftover);
        }
    }
    Ok(found)
}

/// The names by which an image that no release needs can be removed, and whose it is by its name.
fn removable(app: &App, image: &OwnedImage) -> Vec<(String, Option<AppName>)> {
    if image.nameless {
        // A builder that was killed before it gave the name; or one that is about to.
        return if app.running_builds.any() { Vec::new() } else { vec![(image.id.0.clone(), None)] };
    }
    let is_free = |tag: &&String| {
        let build = tag.rsplit_once(":build-").and_then(|(_, build)| build.parse().ok());
        build.is_none_or(|build| !app.running_builds.contains(build))
    };
    let owner = |tag: &String| tag.rsplit_once(':')?.0.rsplit_once('/')?.1.parse().ok();
    image.tags.iter().filter(is_free).map(|tag| (tag.clone(), owner(tag))).collect()
}

fn own_bytes(usage: &DiskUsage, id: &ImageId) -> u64 {
    let found = usage.images.iter().find(|image| image.id == *id);
    found.map_or(0, |image| image.size.saturating_sub(image.shared))
}

/// One-off containers that have ended. Instances that have ended are the containers' reconciler's.
async fn containers(app: &App, search: Search<'_>) -> Result<Vec<Leftover>, CommandError> {
    let filter =
        ContainerFilter { app: search.app.map(|record| record.name.clone()), kind: Some(ContainerKind::Run) };
    let oldest = clock::unix_seconds().saturating_sub_unsigned(app.settings.run.keep_ended_seconds);
    let dead = app.engine.list(&filter).await?.into_iter().filter(|container| {
        let ended = match container.state {
            RunState::Exited(_) => container.finished_at,
            RunState::Created => Some(container.created_at),
            _ => None,
        };
        let has_client = app.one_offs.contains(&container.name);
        // One that was just made is about to be started.
        let is_made = container.state == RunState::Created;
        !has_client && ended.is_some_and(|ended| ended < oldest || (search.at_once && !is_made))
    });
    let leftover = |container: ContainerFacts| {
        let written = search.usage.and_then(|usage| {
            usage.containers.iter().find(|(name, _)| *name == container.name).map(|(_, bytes)| *bytes)
        });
        let app = Some(container.labels.app);
        let what = What::Container { id: container.id, name: container.name };
        Leftover { what, app, bytes: written.unwrap_or(0) }
    };
    Ok(dead.map(leftover).collect())
}

/// Records of old builds, and the outputs of builds that are not known: those of destroyed apps, too.
async fn builds(app: &App, records: &[AppRecord], all: bool) -> Result<Vec<Leftover>, CommandError> {
    let mut found = Vec::new();
    let kept = journal::kept(&app.settings.root)
        .await
        .map_err(|error| CommandError::internal("the outputs of builds cannot be listed", error))?;
    // Read after the list: a build is known before it has a file.
    let known: HashSet<i64> = app.store.build_ids().await?.into_iter().collect();
    let output = |build: i64, owner: Option<&AppRecord>| {
        let path = journal::path(&app.settings.root, build);
        let bytes = temporary::size(&path);
        let what = What::File { path, was: "build output" };
        Leftover { what, app: owner.map(|record| record.name.clone()), bytes }
    };
    for record in records {
        let old = app.store.builds_beyond(record.id, KEEP_BUILDS).await?;
        if old.is_empty() {
            continue;
        }
        let what = What::Builds { app: record.id, count: old.len(), keep: KEEP_BUILDS };
        found.push(Leftover { what, app: Some(record.name.clone()), bytes: 0 });
        found.extend(
            old.into_iter().filter(|build| kept.contains(build)).map(|build| output(build, Some(record))),
        );
    }
    if all {
        found
            .extend(kept.into_iter().filter(|build| !known.contains(build)).map(|build| output(build, None)));
    }
    Ok(found)
}

/// Caches of apps that are destroyed.
async fn caches(app: &App, search: Search<'_>) -> Result<Vec<Leftover>, CommandError> {
    let caches = app.engine.caches().await?;
    // Read after the list: an app is known before it has a cache.
    let known: HashSet<i64> = app.store.apps().await?.into_iter().map(|record| record.id.0).collect();
    let leftover = |number: i64| {
        let name = app.engine.cache_volume(number);
        let bytes = search.usage.and_then(|usage| {
            usage.volumes.iter().find(|(volume, _)| *volume == name).map(|(_, bytes)| *bytes)
        });
        Leftover { what: What::Cache { name }, app: None, bytes: bytes.unwrap_or(0) }
    };
    Ok(caches.into_iter().filter(|number| !known.contains(number)).map(leftover).collect())
}

/// Stack images that no app of any server's on this host needs.
async fn stack_images(app: &App, search: Search<'_>) -> Result<Vec<Leftover>, CommandError> {
    let leftover = |item: Item| {
        let bytes = search.usage.map_or(0, |usage| own_bytes(usage, &item.id));
        Leftover { what: What::Image { reference: item.name.unwrap_or(item.id.0) }, app: None, bytes }
    };
    Ok(inventory::garbage(&app.engine).await?.into_iter().map(leftover).collect())
}

/// Images that were built for services, and that no container of any server's on this host is made of.
async fn service_images(app: &App, search: Search<'_>) -> Result<Vec<Leftover>, CommandError> {
    let leftover = |(reference, id): (String, ImageId)| {
        let bytes = search.usage.map_or(0, |usage| own_bytes(usage, &id));
        Leftover { what: What::Image { reference }, app: None, bytes }
    };
    Ok(image::unused(app).await?.into_iter().map(leftover).collect())
}

async fn files(root: &Path) -> Result<Vec<Leftover>, CommandError> {
    let root = root.to_owned();
    let found = tokio::task::spawn_blocking(move || temporary::abandoned(&root)).await;
    let found = found
        .map_err(std::io::Error::other)
        .and_then(|found| found)
        .map_err(|error| CommandError::internal("abandoned files cannot be listed", error))?;
    let leftover =
        |(path, bytes)| Leftover { what: What::File { path, was: "abandoned file" }, app: None, bytes };
    Ok(found.into_iter().map(leftover).collect())
}

/// What is beyond the quota; a quota of 0 leaves the cache to its owner.
fn build_cache(app: &App, usage: &DiskUsage) -> Option<Leftover> {
    let keep = app.settings.deploy.build_cache_bytes;
    let beyond = usage.build_cache.saturating_sub(keep);
    (keep > 0 && beyond > 0).then_some(Leftover { what: What::BuildCache { keep }, app: None, bytes: beyond })
}
