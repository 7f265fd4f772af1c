//! Which old instances are still there, how long they may take, and what is said about them.

use std::sync::Arc;

use crate::app::App;
use crate::console::Console;
use crate::model::container_id::ContainerId;
use crate::model::process_type::{InstanceName, ProcessType};
use crate::run::policy;
use crate::run::retire::{Grace, Retirement};
use crate::store::StoreError;
use crate::store::apps::{AppId, AppRecord};
use crate::store::instances::InstanceRecord;
use crate::store::stopping::Stopping;

/// An old container, and which instance it was, as far as that is known.
#[derive(Clone, Debug)]
pub struct Leaving {
    /// The container.
    pub container: ContainerId,
    /// Its app and its name there.
    pub was: Option<(AppId, InstanceName)>,
}

impl From<InstanceRecord> for Leaving {
    fn from(instance: InstanceRecord) -> Self {
        Self { container: instance.container, was: Some((instance.app, instance.name)) }
    }
}

/// Drains, stops and removes a container; returns when it is gone, or when the server stops.
pub async fn retire(app: &Arc<App>, mut leaving: Leaving) {
    let limits = &app.settings.deploy;
    let mut grace = Grace { drain: limits.drain(), stop: limits.stop() };
    if leaving.was.is_none() {
        leaving.was = by_label(app, &leaving.container, &mut grace).await;
    }
    if let Some((id, name)) = &leaving.was {
        match of(app, *id, &name.process_type).await {
            Ok(set) => grace = set,
            Err(error) => tracing::error!(%error, "how long an old instance may take cannot be told"),
        }
    }
    let retirement = Retirement {
        engine: &app.engine,
        router: &app.router,
        predecessors: &app.predecessors,
        store: &app.store,
        shutdown: &app.shutdown,
    };
    retirement.retire(&leaving.container, leaving.was, grace).await;
}

/// How long old instances of a process type get: as `ps:set` says, else the server's settings.
pub async fn of(app: &App, id: AppId, process_type: &ProcessType) -> Result<Grace, StoreError> {
    let limits = &app.settings.deploy;
    let drain = policy::drain_timeout(&app.store, id).await?.unwrap_or_else(|| limits.drain());
    let stop = policy::stop_timeout(&app.store, id, process_type).await?;
    Ok(Grace { drain, stop: stop.unwrap_or_else(|| limits.stop()) })
}

/// Which instance a container is by its labels. Of an app that was renamed they have the old name: then what it was
/// made with tells how long it may take.
async fn by_label(app: &App, container: &ContainerId, grace: &mut Grace) -> Option<(AppId, InstanceName)> {
    let facts = app.engine.inspect(container.as_str()).await.ok()?;
    let instance = facts.labels.instance?;
    match app.store.app(&facts.labels.app).await {
        Ok(Some(record)) => return Some((record.id, instance)),
        Ok(None) => {}
        Err(error) => tracing::error!(%error, "an old instance's app cannot be looked up"),
    }
    grace.stop = facts.stop_timeout.unwrap_or(grace.stop);
    None
}

/// Says of old instances other than web that they take their time, since nobody waits for them.
pub async fn announce(app: &App, retired: &[InstanceRecord], console: &Console) -> Result<(), StoreError> {
    let mut shown = Vec::new();
    for instance in retired.iter().filter(|instance| !instance.name.process_type.is_web()) {
        let grace = of(app, instance.app, &instance.name.process_type).await?;
        shown.push(format!("{} (up to {} s)", instance.name, grace.stop.as_secs()));
    }
    if !shown.is_empty() {
        console.step(format!("Old instances finish in the background: {}", shown.join(", "))).await;
    }
    Ok(())
}

/// An app's old instances that were told to end and have not yet, as a report shows them: `stopping-worker.1` and
/// what it has left.
pub async fn rows(app: &App, record: &AppRecord) -> Result<Vec<(String, String)>, StoreError> {
    let stopping = app.store.stopping(record.id).await?;
    let row = |old: &Stopping| {
        let (left, container) = (old.left().as_secs(), old.container.short());
        (format!("stopping-{}", old.instance), format!("at most {left} s more (CID: {container})"))
    };
    Ok(stopping.iter().map(row).collect())
}
