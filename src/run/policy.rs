//! What `ps:set` says of an app's instances: whether the engine starts them again, and how long they may take to end.

use std::time::Duration;

use crate::docker::container::RestartPolicy;
use crate::model::process_type::ProcessType;
use crate::store::apps::AppId;
use crate::store::{Store, StoreError};

/// The property with the restart policy.
pub const RESTART: &str = "restart-policy";
/// The property with the seconds between SIGTERM and SIGKILL. With a dot and a process type, for that alone.
pub const STOP_TIMEOUT: &str = "stop-timeout-seconds";
/// The property with the seconds that requests to an old instance may still take.
pub const DRAIN_TIMEOUT: &str = "wait-to-retire";

/// The property with a process type's own time between SIGTERM and SIGKILL.
pub fn stop_timeout_property(process_type: &ProcessType) -> String {
    format!("{STOP_TIMEOUT}.{process_type}")
}

/// Whether the engine starts an app's instances again.
pub async fn restart(store: &Store, app: AppId) -> Result<RestartPolicy, StoreError> {
    let set = store.computed_property(app, RESTART).await?;
    Ok(set.and_then(|text| text.parse().ok()).unwrap_or(RestartPolicy::UnlessStopped))
}

/// The time between SIGTERM and SIGKILL that was set for a process type of an app, if any was: its own, the app's,
/// that of all apps.
pub async fn stop_timeout(
    store: &Store,
    app: AppId,
    process_type: &ProcessType,
) -> Result<Option<Duration>, StoreError> {
    let own = store.property(Some(app), stop_timeout_property(process_type)).await?;
    let set = match own {
        Some(own) => Some(own),
        None => store.computed_property(app, STOP_TIMEOUT).await?,
    };
    Ok(set.as_deref().and_then(seconds))
}

/// How long requests to an app's old instances may still take, if that was set.
pub async fn drain_timeout(store: &Store, app: AppId) -> Result<Option<Duration>, StoreError> {
    let set = store.computed_property(app, DRAIN_TIMEOUT).await?;
    Ok(set.as_deref().and_then(seconds))
}

fn seconds(text: &str) -> Option<Duration> {
    text.parse().ok().map(Duration::from_secs)
}
