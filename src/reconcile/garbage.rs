//! Garbage: images that no release needs, output of builds that are forgotten. Only what carries our label.

use std::collections::HashSet;
use std::sync::Arc;

use crate::app::App;
use crate::command_error::CommandError;
use crate::deploy::journal;
use crate::docker::image::ImageRemoval;

/// Builds of each app that are remembered.
const KEEP_BUILDS: u32 = 20;

/// Removes what nobody needs.
pub async fn collect(app: &Arc<App>) {
    if let Err(error) = images(app).await {
        tracing::warn!(%error, "images that no release needs cannot be removed; trying again later");
    }
    if let Err(error) = build_logs(app).await {
        tracing::warn!(%error, "old builds cannot be forgotten; trying again later");
    }
}

/// An image is needed by a release, or by a build that has not become one yet. Its name tells which build.
async fn images(app: &Arc<App>) -> Result<(), CommandError> {
    let images = app.engine.list_images().await?;
    // Read after the list: an image that became a release's in between is among them.
    let needed: HashSet<_> = app.store.images_in_use().await?.into_iter().collect();
    for image in images.iter().filter(|image| !needed.contains(&image.id)) {
        if image.nameless && !app.running_builds.any() {
            // A builder that was killed before it gave the name.
            app.engine.remove_image(&image.id.0).await?;
        }
        for tag in &image.tags {
            let build = tag.rsplit_once(":build-").and_then(|(_, build)| build.parse().ok());
            if build.is_some_and(|build| app.running_builds.contains(build)) {
                continue;
            }
            match app.engine.remove_image(tag).await? {
                ImageRemoval::Removed => tracing::debug!(%tag, "removed an image that no release needs"),
                ImageRemoval::Absent | ImageRemoval::InUse(_) => {}
            }
        }
    }
    Ok(())
}

/// Forgets old builds, then removes the output of all that are not known, those of destroyed apps included.
async fn build_logs(app: &Arc<App>) -> Result<(), CommandError> {
    for record in app.store.apps().await? {
        app.store.prune_builds(record.id, KEEP_BUILDS).await?;
    }
    let files = journal::kept(&app.settings.root)
        .await
        .map_err(|error| CommandError::internal("the outputs of builds cannot be listed", error))?;
    // Read after the list: a build is known before it has a file.
    let known: HashSet<i64> = app.store.build_ids().await?.into_iter().collect();
    for build in files.into_iter().filter(|build| !known.contains(build)) {
        let path = journal::path(&app.settings.root, build);
        if let Err(error) = tokio::fs::remove_file(&path).await {
            tracing::warn!(%error, path = %path.display(), "a forgotten build's output was not removed");
        }
    }
    Ok(())
}
