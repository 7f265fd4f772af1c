//! `releases` and `releases:*`.

pub mod list;
pub mod rollback;

use crate::command_error::CommandError;
use crate::commands::Context;
use crate::model::release::{Release, ReleaseVersion};
use crate::store::apps::AppRecord;

/// The release that runs.
async fn current(context: &Context, record: &AppRecord) -> Result<Release, CommandError> {
    let release = match record.current_release {
        Some(id) => context.app.store.release(id).await?,
        None => None,
    };
    release.ok_or_else(|| CommandError::not_deployed(&record.name))
}

/// The release of that number, or an error that says which there are.
async fn find(context: &Context, record: &AppRecord, text: &str) -> Result<Release, CommandError> {
    let version: ReleaseVersion = text.parse().map_err(CommandError::user)?;
    let found = context.app.store.release_by_version(record.id, version).await?;
    found.ok_or_else(|| {
        CommandError::user(format!("{} has no release {version}", record.name))
            .hint(format!("See them: releases {}", record.name))
    })
}
