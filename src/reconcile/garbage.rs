//! Garbage: what `upkeep` finds that nobody needs is removed, and what is needed keeps its name.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::app::App;
use crate::command_error::CommandError;
use crate::services::leftovers;
use crate::upkeep::garbage::{self, Search};

/// How often the builder's cache is trimmed. Asking costs the engine a look at every entry.
const TRIM_EVERY: Duration = Duration::from_secs(3600);

/// When the builder's cache is trimmed next: never at the start, when there is much else to do.
#[derive(Debug)]
pub struct NextTrim(Instant);

impl Default for NextTrim {
    fn default() -> Self {
        Self(Instant::now() + TRIM_EVERY)
    }
}

/// Removes what nobody needs.
pub async fn collect(app: &Arc<App>, next_trim: &mut NextTrim) {
    if let Err(error) = keep_names(app).await {
        tracing::warn!(%error, "images that have lost their names get none; trying again later");
    }
    if let Err(error) = discard_interrupted(app).await {
        tracing::warn!(%error, "releases that broke off cannot be forgotten; trying again later");
    }
    match garbage::find(app, Search::default()).await {
        Ok(leftovers) => {
            for leftover in leftovers {
                match leftover.remove(app).await {
                    Ok(true) => tracing::debug!(%leftover, "removed what nobody needs"),
                    Ok(false) => {}
                    Err(error) => tracing::warn!(%leftover, %error, "a leftover was not removed"),
                }
            }
        }
        Err(error) => tracing::warn!(%error, "leftovers cannot be looked for; trying again later"),
    }
    if let Err(error) = leftovers::sweep_data(app).await {
        tracing::warn!(%error, "data that is no service's is not removed; trying again later");
    }
    if Instant::now() >= next_trim.0 {
        *next_trim = NextTrim::default();
        trim_build_cache(app).await;
        if let Err(error) = leftovers::sweep_last_backups(app).await {
            tracing::warn!(%error, "backups of services destroyed long ago are not removed; trying again later");
        }
    }
}

/// An image that a release needs and that has lost its name, by a person's `docker rmi -f`, gets one again: otherwise
/// the next `docker image prune` would take it.
async fn keep_names(app: &Arc<App>) -> Result<(), CommandError> {
    let nameless = app.engine.list_images().await?.into_iter().filter(|image| image.nameless);
    let nameless: HashSet<_> = nameless.map(|image| image.id).collect();
    if nameless.is_empty() {
        return Ok(());
    }
    for user in app.store.image_users().await?.into_iter().filter(|user| nameless.contains(&user.image)) {
        let repository = format!("{}/{}", app.engine.network_name(), user.app);
        app.engine.tag(&user.image, &repository, &format!("kept-{}", user.version)).await?;
        tracing::info!(app = %user.app, release = %user.version, "an image that lost its name has one again");
    }
    Ok(())
}

/// A deploy on a full disk may not have been able to forget the release that it had begun.
async fn discard_interrupted(app: &Arc<App>) -> Result<(), CommandError> {
    for id in app.store.apps_with_pending_release().await? {
        if let Some(_lease) = app.leases.try_acquire(id) {
            app.store.discard_pending_releases(id).await?;
        }
    }
    Ok(())
}

async fn trim_build_cache(app: &Arc<App>) {
    let keep = app.settings.deploy.build_cache_bytes;
    if keep == 0 {
        return;
    }
    match app.engine.trim_build_cache(keep).await {
        Ok(0) => {}
        Ok(bytes) => tracing::info!(bytes, "the builder's cache was trimmed"),
        Err(error) => tracing::warn!(%error, "the builder's cache was not trimmed; trying again later"),
    }
}
