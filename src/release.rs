//! The stage that records what will run. What runs is always a recorded release, and none is ever modified.

use crate::model::release::{Release, ReleaseContent};
use crate::store::apps::AppId;
use crate::store::{Store, StoreError};

/// A release that is wanted.
#[derive(Clone, Debug)]
pub struct Wanted<'a> {
    /// What it consists of.
    pub content: ReleaseContent,
    /// Who causes it.
    pub by: &'a str,
    /// What causes it, in a few words.
    pub description: &'a str,
    /// Whether the current release will do if nothing in it has changed, as for a restart.
    pub same_will_do: bool,
}

/// Records a release, or gives the current one back where that will do.
pub async fn record(
    store: &Store,
    app: AppId,
    current: Option<Release>,
    wanted: Wanted<'_>,
) -> Result<Release, StoreError> {
    match current {
        Some(current) if wanted.same_will_do && current.content == wanted.content => Ok(current),
        _ => store.add_release(app, wanted.content, wanted.by, wanted.description).await,
    }
}
