//! What a release's image can be made from again when it is gone from the engine.

use crate::app::App;
use crate::build::BuildSource;
use crate::deploy::error::DeployError;
use crate::git::tree::{Snapshot, TreeError};
use crate::model::release::Source;
use crate::store::StoreError;
use crate::store::apps::AppRecord;

/// The source of an app's current release, and what the release that is made of it will be called.
pub async fn source(app: &App, record: &AppRecord) -> Result<(BuildSource, String), DeployError> {
    let not_deployed = || DeployError::NotDeployed(record.name.clone());
    let id = record.current_release.ok_or_else(not_deployed)?;
    let release = app.store.release(id).await?.ok_or_else(not_deployed)?;
    let description = format!("Make the lost image of {} again", release.version);
    let source = match release.content.source {
        Source::Image { reference } => BuildSource::Image { reference },
        Source::Git { commit } => {
            let object = commit.parse().map_err(|_| StoreError::Damaged(format!("commit {commit}")))?;
            let opened = Snapshot::open(&app.repositories, &record.name, &object, None).await;
            BuildSource::Commit(opened.map_err(|error| match error {
                TreeError::Git(error) => DeployError::Git(error),
                other => DeployError::Build(other.into()),
            })?)
        }
    };
    Ok((source, description))
}
