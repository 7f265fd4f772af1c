//! Containers: adopts what is recorded, starts what should run and does not, retires what nobody recorded.
//!
//! What belongs to an app is decided by the recorded ids, never by names: an app may have been renamed, and its
//! containers keep their labels until they are replaced.

use std::collections::HashSet;
use std::sync::Arc;

use crate::app::App;
use crate::command_error::CommandError;
use crate::deploy::switch;
use crate::docker::error::EngineError;
use crate::docker::facts::{ContainerFacts, ContainerFilter, RunState};
use crate::docker::labels::ContainerKind;
use crate::model::container_id::ContainerId;
use crate::reconcile::replace::Replacements;
use crate::store::apps::AppRecord;
use crate::store::instances::InstanceRecord;

/// Compares the engine's containers with the recorded ones, app by app. An app that is being deployed is left
/// alone: the deploy does it.
pub async fn reconcile(app: &Arc<App>, replacements: &Arc<Replacements>) {
    if let Err(error) = try_reconcile(app, replacements).await {
        tracing::warn!(%error, "the containers cannot be compared with what is wanted; trying again soon");
    }
}

async fn try_reconcile(app: &Arc<App>, replacements: &Arc<Replacements>) -> Result<(), CommandError> {
    let containers = app.engine.list(&ContainerFilter::default()).await?;
    // Read after the list: an app whose first instances are being started has its record by now, and its lease
    // keeps them from being taken for orphans.
    let records = app.store.apps().await?;
    for record in &records {
        let Some(lease) = app.leases.try_acquire(record.id) else { continue };
        // Read under the lease, or a deploy that has just switched would be judged by yesterday's records.
        let instances = app.store.instances(Some(record.id)).await?;
        let missing = adopt(app, record, &containers, &instances).await?;
        drop(lease);
        if missing {
            replacements.begin(app, record.clone());
        } else {
            replacements.settle(record.id);
        }
    }
    remove_abandoned(app, &containers).await;
    retire_orphans(app, &containers, &records).await
}

/// Starts recorded containers that do not run and gives them their names; says whether some are gone altogether.
async fn adopt(
    app: &Arc<App>,
    record: &AppRecord,
    containers: &[ContainerFacts],
    instances: &[InstanceRecord],
) -> Result<bool, EngineError> {
    let mut missing = false;
    for instance in instances {
        match containers.iter().find(|container| container.id == instance.container) {
            Some(container) => {
                start(app, container).await;
                rename(app, container, format!("{}.{}", record.name, instance.name)).await;
            }
            // It may have been made after the list was.
            None => match app.engine.inspect(instance.container.as_str()).await {
                Ok(_) => {}
                Err(EngineError::NotFound(_)) => missing = true,
                Err(error) => return Err(error),
            },
        }
    }
    Ok(missing)
}

async fn start(app: &Arc<App>, container: &ContainerFacts) {
    if !matches!(container.state, RunState::Exited(_) | RunState::Created) {
        return;
    }
    tracing::info!(container = %container.name, "starting an instance that does not run");
    if let Err(error) = app.engine.start(&container.id).await {
        tracing::warn!(container = %container.name, %error, "an instance cannot be started");
    }
}

/// A server that was killed right behind a switch had not renamed what it started.
async fn rename(app: &Arc<App>, container: &ContainerFacts, name: String) {
    if container.name == name {
        return;
    }
    if let Err(error) = app.engine.rename(&container.id, &name).await {
        // Its predecessor has the name until it is removed, and that is news that brings us here again.
        tracing::debug!(container = %container.name, %error, "an instance keeps its temporary name");
    }
}

/// Removes one-off containers whose client went away with a server that was killed: nobody can reach them any more.
/// Detached ones have no client and stay.
async fn remove_abandoned(app: &Arc<App>, containers: &[ContainerFacts]) {
    let of_clients =
        containers.iter().filter(|container| container.labels.kind == ContainerKind::Run && container.stdin);
    for container in of_clients.filter(|container| !app.one_offs.contains(&container.name)) {
        tracing::info!(container = %container.name, "removing a one-off container whose client is gone");
        if let Err(error) = app.engine.remove(&container.id).await {
            tracing::warn!(container = %container.name, %error, "a one-off container was not removed");
        }
    }
}

/// Retires what no record names: what a killed server was about to run, or had not yet stopped.
async fn retire_orphans(
    app: &Arc<App>,
    containers: &[ContainerFacts],
    records: &[AppRecord],
) -> Result<(), CommandError> {
    let known = recorded(app).await?;
    let mut orphans = Vec::new();
    // One-off processes and scheduled tasks have records of their own, and are looked after there.
    let of_deploys = containers
        .iter()
        .filter(|container| !matches!(container.labels.kind, ContainerKind::Run | ContainerKind::Cron));
    for container in of_deploys.filter(|container| !known.contains(&container.id)) {
        let owner = records.iter().find(|record| record.name == container.labels.app);
        let lease = match owner {
            Some(record) => match app.leases.try_acquire(record.id) {
                Some(lease) => Some(lease),
                None => continue,
            },
            None => None,
        };
        // Under the lease nothing of this app is being started, so what is not recorded now never will be.
        let orphan = !recorded(app).await?.contains(&container.id);
        drop(lease);
        if orphan && !app.retiring.contains(&container.id) {
            tracing::info!(container = %container.name, "retiring a container that belongs to no release");
            orphans.push(container.id.clone());
        }
    }
    // Where the routes may still lead to them, they have to wait.
    if !orphans.is_empty() && app.reconciler.publish_routes().await {
        switch::retire_later(app, orphans);
    }
    Ok(())
}

async fn recorded(app: &Arc<App>) -> Result<HashSet<ContainerId>, CommandError> {
    let instances = app.store.instances(None).await?;
    Ok(instances.into_iter().map(|instance| instance.container).collect())
}
