//! `buildpacks:*`: which buildpacks build an app, and on which stack.

pub mod change;
pub mod detect;
pub mod list;
pub mod properties;

use crate::command_error::CommandError;
use crate::console::Console;
use crate::deploy::prepare;
use crate::model::buildpack::BuildpackReference;
use crate::store::Store;
use crate::store::apps::{AppId, AppRecord};

/// The app's own list, in the order in which they build.
async fn chosen(store: &Store, app: AppId) -> Result<Vec<BuildpackReference>, CommandError> {
    let lines = store.property(Some(app), prepare::BUILDPACKS).await?.unwrap_or_default();
    // What was set was checked then.
    Ok(lines.lines().filter_map(|line| line.parse().ok()).collect())
}

async fn keep(store: &Store, app: AppId, list: &[BuildpackReference]) -> Result<(), CommandError> {
    let lines: Vec<String> = list.iter().map(BuildpackReference::text).collect();
    let value = (!lines.is_empty()).then(|| lines.join("\n"));
    Ok(store.set_property(Some(app), prepare::BUILDPACKS, value).await?)
}

/// As Dokku lists them.
async fn show(console: &Console, record: &AppRecord, list: &[BuildpackReference]) {
    console.step(format!("{} buildpack urls", record.name)).await;
    for buildpack in list {
        console.detail(buildpack).await;
    }
}

/// What it means for the next build.
async fn show_changed(console: &Console, record: &AppRecord, list: &[BuildpackReference]) {
    show(console, record, list).await;
    let name = &record.name;
    let next = if list.is_empty() {
        format!("The next push of {name} detects what fits")
    } else {
        format!("The next push of {name} is built by these, in this order; at once: ps:rebuild {name}")
    };
    console.detail(next).await;
}
