//! `docker-options:{add,remove,clear,list,report}`: Docker's own options for an app's builds and containers.

pub mod add;
pub mod arguments;
pub mod clear;
pub mod list;
pub mod remove;
pub mod report;

use crate::command_error::CommandError;
use crate::commands::Context;
use crate::model::additions::AddedOption;
use crate::store::apps::AppRecord;

/// What plugins added to the release that an app runs.
pub async fn added(context: &Context, record: &AppRecord) -> Result<Vec<AddedOption>, CommandError> {
    let Some(id) = record.current_release else { return Ok(Vec::new()) };
    let release = context.app.store.release(id).await?;
    Ok(release.map(|release| release.content.additions.options).unwrap_or_default())
}
