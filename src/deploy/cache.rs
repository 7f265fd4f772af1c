//! What builds by buildpacks keep for an app: a volume, which goes with the app or when somebody says so.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::app::App;
use crate::command_error::CommandError;
use crate::console::Console;
use crate::deploy::destroy;
use crate::docker::error::EngineError;
use crate::store::apps::{AppId, AppRecord};

/// How long a build's container may take to be gone once the build has ended.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often it is looked whether it is.
const PAUSE: Duration = Duration::from_millis(100);

/// Empties the cache of an app, once no build of it runs.
pub async fn purge(app: &Arc<App>, record: &AppRecord, console: &Console) -> Result<(), CommandError> {
    let lease = destroy::lease(app, record, console).await;
    let removed = remove(app, record.id).await;
    drop(lease);
    match removed {
        Err(EngineError::Conflict(_)) => {
            Err(CommandError::user(format!("The cache of {} is in use", record.name))
                .hint("Something asks its buildpacks (buildpacks:detect); try again when it has ended"))
        }
        removed => Ok(removed?),
    }
}

/// Removes the volume. A container of a build that has just ended may hold it for a moment.
pub async fn remove(app: &Arc<App>, id: AppId) -> Result<(), EngineError> {
    let volume = app.engine.cache_volume(id.0);
    let until = Instant::now() + PATIENCE;
    loop {
        match app.engine.remove_volume(&volume).await {
            Err(EngineError::Conflict(_)) if Instant::now() < until => sleep(PAUSE).await,
            removed => return removed,
        }
    }
}
