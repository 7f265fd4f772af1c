//! How an app's instances are checked, as its settings and the server's say.

use std::time::Duration;

use crate::app::App;
use crate::model::process_selection::ProcessSelection;
use crate::run::check_rules::CheckRules;
use crate::store::apps::{AppId, AppRecord};
use crate::store::{Store, StoreError};
use crate::urls;

/// The property that lists the process types whose checks are left out.
pub const SKIPPED: &str = "checks-skipped";
/// The property that lists the process types whose old instances stop before new ones start.
pub const DISABLED: &str = "checks-disabled";
/// The property that says how long an instance has to stay up after its checks, in milliseconds.
pub const WINDOW: &str = "stability-window-ms";

/// The rules that hold for an app now.
pub async fn rules(app: &App, record: &AppRecord) -> Result<CheckRules, StoreError> {
    let window = app.store.computed_property(record.id, WINDOW).await?;
    let window = window.and_then(|milliseconds| milliseconds.parse().ok()).map(Duration::from_millis);
    Ok(CheckRules {
        host: host(app, record).await?,
        https: app.https_address.is_some(),
        h2c: app.store.ports(record.id).await?.first().is_some_and(|mapping| mapping.scheme.is_h2c()),
        deadline: app.settings.deploy.start(),
        window: window.unwrap_or_else(|| app.settings.deploy.stability_window()),
        skipped: selection(&app.store, record.id, SKIPPED).await?,
        disabled: selection(&app.store, record.id, DISABLED).await?,
    })
}

/// The process types that one of the two properties lists.
pub async fn selection(
    store: &Store,
    app: AppId,
    property: &'static str,
) -> Result<ProcessSelection, StoreError> {
    match store.property(Some(app), property).await? {
        Some(list) => list.parse().map_err(|error| StoreError::Damaged(format!("`{list}` ({error})"))),
        None => Ok(ProcessSelection::default()),
    }
}

/// The app's first host name; for a wildcard some name below it, and without any the app's name.
async fn host(app: &App, record: &AppRecord) -> Result<String, StoreError> {
    let names = urls::hostnames(app, record).await?;
    let exact = names.iter().find(|name| !name.is_wildcard());
    Ok(match exact.or_else(|| names.first()) {
        Some(name) => name.as_str().replacen('*', record.name.as_str(), 1),
        None => record.name.to_string(),
    })
}
