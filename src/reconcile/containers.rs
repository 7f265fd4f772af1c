//! Containers: adopts what is recorded, starts what should run and does not, retires what nobody recorded.

use std::collections::HashSet;
use std::sync::Arc;

use crate::app::App;
use crate::command_error::CommandError;
use crate::console::Console;
use crate::deploy::{self, Order, Work};
use crate::docker::facts::{ContainerFacts, ContainerFilter, RunState};
use crate::docker::labels::ContainerKind;
use crate::model::container_id::ContainerId;
use crate::run::retire::{Grace, retire};
use crate::store::apps::AppRecord;
use crate::store::formation::Formation;
use crate::store::instances::InstanceRecord;

/// Compares the engine's containers with the recorded ones, app by app. An app that is being deployed is left
/// alone: the deploy does it.
pub async fn reconcile(app: &Arc<App>) {
    if let Err(error) = try_reconcile(app).await {
        tracing::warn!(%error, "the containers cannot be compared with what is wanted; trying again soon");
    }
}

async fn try_reconcile(app: &Arc<App>) -> Result<(), CommandError> {
    let containers = app.engine.list(&ContainerFilter::default()).await?;
    let records = app.store.apps().await?;
    for record in &records {
        let Some(lease) = app.leases.try_acquire(record.id) else { continue };
        // Read under the lease, or a deploy that has just switched would be judged by yesterday's records.
        let instances = app.store.instances(Some(record.id)).await?;
        let own: Vec<&ContainerFacts> =
            containers.iter().filter(|container| container.labels.app == record.name).collect();
        let missing = restart(app, &own, &instances).await;
        drop(lease);
        if missing {
            replace_missing(app, record).await;
        }
    }
    retire_orphans(app, &records).await
}

/// Starts recorded containers that do not run; says whether some are gone altogether.
async fn restart(app: &Arc<App>, containers: &[&ContainerFacts], instances: &[InstanceRecord]) -> bool {
    let mut present = HashSet::new();
    for container in containers {
        present.insert(&container.id);
        let recorded = instances.iter().any(|instance| instance.container == container.id);
        if recorded && matches!(container.state, RunState::Exited(_) | RunState::Created) {
            tracing::info!(app = %container.labels.app, container = %container.name, "starting an instance that does not run");
            if let Err(error) = app.engine.start(&container.id).await {
                tracing::warn!(container = %container.name, %error, "an instance cannot be started");
            }
        }
    }
    instances.iter().any(|instance| !present.contains(&instance.container))
}

/// Deploys the current release's missing instances, as a person's `ps:scale` would.
async fn replace_missing(app: &Arc<App>, record: &AppRecord) {
    tracing::warn!(app = %record.name, "instances are gone from the engine, starting new ones");
    let (console, mut output) = Console::new();
    let order = Order {
        app: record.id,
        work: Work::Scale(Formation::new()),
        by: "slipway".to_owned(),
        description: "Replace missing instances".to_owned(),
        console,
        cancel: app.shutdown.clone(),
    };
    let drain = async { while output.recv().await.is_some() {} };
    let (result, ()) = tokio::join!(deploy::run(app, order), drain);
    if let Err(error) = result {
        tracing::error!(app = %record.name, %error, "missing instances cannot be replaced");
    }
}

/// Retires what no record names: what a killed server was about to run, or had not yet stopped.
async fn retire_orphans(app: &Arc<App>, records: &[AppRecord]) -> Result<(), CommandError> {
    let filter = ContainerFilter { app: None, kind: Some(ContainerKind::Deploy) };
    for container in app.engine.list(&filter).await? {
        let owner = records.iter().find(|record| record.name == container.labels.app);
        let lease = match owner {
            Some(record) => match app.leases.try_acquire(record.id) {
                Some(lease) => Some(lease),
                None => continue,
            },
            None => None,
        };
        // Under the lease nothing of this app is being started, so what is not recorded now is an orphan.
        let recorded = is_recorded(app, &container.id).await?;
        if !recorded && !app.retiring.contains(&container.id) {
            tracing::info!(container = %container.name, "retiring a container that belongs to no release");
            let limits = &app.settings.deploy;
            let grace = Grace { drain: limits.drain(), stop: limits.stop() };
            retire(&app.engine, &app.router, &app.retiring, &container.id, grace).await;
        }
        drop(lease);
    }
    Ok(())
}

async fn is_recorded(app: &Arc<App>, container: &ContainerId) -> Result<bool, CommandError> {
    let instances = app.store.instances(None).await?;
    Ok(instances.iter().any(|instance| instance.container == *container))
}
