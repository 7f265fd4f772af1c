//! How many releases of an app are kept, with their images.

use crate::app::App;
use crate::store::StoreError;
use crate::store::apps::AppId;

/// The property that says so, of an app or of all (`releases:set`).
pub const PROPERTY: &str = "releases-retention";

/// The number that holds: the app's own, else the global one, else that of the settings. At least the one that runs.
pub async fn of(app: &App, id: AppId) -> Result<u32, StoreError> {
    let set = app.store.computed_property(id, PROPERTY).await?;
    let number = set.and_then(|text| text.parse().ok()).unwrap_or(app.settings.deploy.keep_releases);
    Ok(number.max(1))
}

/// Forgets the releases beyond that number. For whoever has the app's lease: a rollback needs its release.
pub async fn prune(app: &App, id: AppId) -> Result<(), StoreError> {
    let keep = of(app, id).await?;
    app.store.prune_releases(id, keep).await
}
