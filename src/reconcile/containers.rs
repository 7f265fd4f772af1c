//! Containers: adopts what is recorded, starts what should run and does not, retires what nobody recorded.
//!
//! What belongs to an app is decided by the recorded ids, never by names: an app may have been renamed, and its
//! containers keep their labels until they are replaced.
//!
//! One question to the engine and two to the database tell whether anything is wrong at all; only what is gets more.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use futures_util::{FutureExt as _, StreamExt as _, stream};

use crate::app::App;
use crate::command_error::CommandError;
use crate::deploy::{stop_first, switch};
use crate::docker::error::EngineError;
use crate::docker::labels::ContainerKind;
use crate::docker::survey::{Activity, Surveyed};
use crate::model::container_id::ContainerId;
use crate::reconcile::replace::Replacements;
use crate::reconcile::start_order;
use crate::store::apps::{AppId, AppRecord};
use crate::store::instances::InstanceRecord;

/// Apps that are set right at the same time: after a reboot that is all of them.
const AT_ONCE: usize = 8;

type Containers = HashMap<ContainerId, Surveyed>;

/// Compares the engine's containers with the recorded ones. An app that is being deployed is left alone: the deploy
/// does it. False if they could not be compared.
pub async fn reconcile(app: &Arc<App>, replacements: &Arc<Replacements>) -> bool {
    let result = try_reconcile(app, replacements).await;
    if let Err(error) = &result {
        tracing::warn!(%error, "the containers cannot be compared with what is wanted; trying again soon");
    }
    result.is_ok()
}

async fn try_reconcile(app: &Arc<App>, replacements: &Arc<Replacements>) -> Result<(), CommandError> {
    let listed = app.engine.survey().await?;
    let containers: Containers =
        listed.into_iter().map(|container| (container.id.clone(), container)).collect();
    // Read after the list: an app whose first instances are being started has its record by now, and its lease
    // keeps them from being taken for orphans.
    let records = app.store.apps().await?;
    let mut recorded: HashMap<AppId, Vec<InstanceRecord>> = HashMap::new();
    for instance in app.store.instances(None).await? {
        recorded.entry(instance.app).or_default().push(instance);
    }
    let is_wrong = |record: &&AppRecord| {
        let instances = recorded.get(&record.id).map(Vec::as_slice).unwrap_or_default();
        instances.iter().any(|instance| !is_right(record, instance, &containers))
    };
    let (wrong, right): (Vec<&AppRecord>, Vec<&AppRecord>) = records.iter().partition(is_wrong);
    right.into_iter().for_each(|record| replacements.settle(record.id));
    if !wrong.is_empty() {
        // It may be what is missing.
        app.engine.ensure_network().await?;
    }
    for wave in start_order::waves(app, wrong.into_iter().cloned().collect()).await? {
        let tending: Vec<_> =
            wave.iter().map(|record| tend(app, record, &containers, replacements).boxed()).collect();
        let tending = stream::iter(tending).buffer_unordered(AT_ONCE);
        let results: Vec<Result<(), CommandError>> = tending.collect().await;
        results.into_iter().collect::<Result<(), _>>()?;
    }
    retire_orphans(app, &containers, &records).await
}

/// Whether a recorded instance is there, runs where the router can reach it, and has its name. One that the engine
/// is about to start again is its own business.
fn is_right(record: &AppRecord, instance: &InstanceRecord, containers: &Containers) -> bool {
    containers.get(&instance.container).is_some_and(|container| {
        let is_up = match container.activity {
            Activity::Running => container.address.is_some(),
            Activity::Restarting => true,
            Activity::Idle | Activity::Removing => false,
        };
        is_up && container.name == format!("{}.{}", record.name, instance.name)
    })
}

/// Sets one app right: starts what does not run, and has what cannot be started or is gone replaced.
async fn tend(
    app: &Arc<App>,
    record: &AppRecord,
    containers: &Containers,
    replacements: &Arc<Replacements>,
) -> Result<(), CommandError> {
    let Some(lease) = app.leases.try_acquire(record.id) else { return Ok(()) };
    // Read under the lease, or a deploy that has just switched would be judged by yesterday's records.
    let instances = app.store.instances(Some(record.id)).await?;
    let mut missing = false;
    for instance in &instances {
        missing |= !adopt(app, record, instance, containers.get(&instance.container)).await?;
    }
    drop(lease);
    if missing {
        replacements.begin(app, record.clone());
    } else {
        replacements.settle(record.id);
    }
    Ok(())
}

/// Starts a recorded container that does not run and gives it its name; says whether it is one that can serve.
async fn adopt(
    app: &Arc<App>,
    record: &AppRecord,
    instance: &InstanceRecord,
    container: Option<&Surveyed>,
) -> Result<bool, CommandError> {
    let restored = app.store.computed_property(record.id, "restore").await?.as_deref() != Some("false");
    let Some(container) = container else {
        // It may have been made after the list was.
        return match app.engine.inspect(instance.container.as_str()).await {
            Ok(_) => Ok(true),
            Err(EngineError::NotFound(_)) => Ok(!restored),
            Err(error) => Err(error.into()),
        };
    };
    let serves = match container.activity {
        // Somebody took its network away.
        Activity::Running => container.address.is_some(),
        Activity::Restarting => true,
        Activity::Idle if !restored => true,
        Activity::Idle => start(app, record, instance, container).await?,
        Activity::Removing => false,
    };
    rename(app, container, format!("{}.{}", record.name, instance.name)).await;
    Ok(serves)
}

/// False for a container that can never be started again: its image's layers, its network or its address are gone.
async fn start(
    app: &Arc<App>,
    record: &AppRecord,
    instance: &InstanceRecord,
    container: &Surveyed,
) -> Result<bool, CommandError> {
    // What a killed server was about to run may hold the volume that this one needs.
    stop_first::make_way_for(app, record, instance).await?;
    tracing::info!(container = %container.name, "starting an instance that does not run");
    match app.engine.start(&container.id).await {
        Ok(()) => Ok(true),
        Err(error @ (EngineError::Unreachable(_) | EngineError::Broken(_) | EngineError::TimedOut)) => {
            Err(error.into())
        }
        Err(error) => {
            tracing::warn!(container = %container.name, %error, "an instance cannot be started, making another");
            Ok(false)
        }
    }
}

/// A server that was killed right behind a switch had not renamed what it started.
async fn rename(app: &Arc<App>, container: &Surveyed, name: String) {
    if container.name == name {
        return;
    }
    if let Err(error) = app.engine.rename(&container.id, &name).await {
        // Its predecessor has the name until it is removed, and that is news that brings us here again.
        tracing::debug!(container = %container.name, %error, "an instance keeps its temporary name");
    }
}

/// Retires what no record names: what a killed server was about to run, or had not yet stopped.
async fn retire_orphans(
    app: &Arc<App>,
    containers: &Containers,
    records: &[AppRecord],
) -> Result<(), CommandError> {
    app.store.forget_stopping_but(containers.keys().cloned().collect()).await?;
    let known = recorded(app).await?;
    let mut orphans = Vec::new();
    // What somebody here waits for is nobody's orphan; one-off processes and scheduled tasks have records of their
    // own, and are looked after there.
    let is_claimed = |container: &&Surveyed| {
        matches!(container.labels.kind, ContainerKind::Run | ContainerKind::Cron)
            || app.one_offs.contains(&container.name)
            || app.build_hints.under_way.contains(&container.name)
    };
    let of_deploys = containers.values().filter(|container| !is_claimed(container));
    for container in of_deploys.filter(|container| !known.contains(&container.id)) {
        if app.retiring.contains(&container.id) {
            continue;
        }
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
        if orphan && container.labels.kind == ContainerKind::Build {
            remove_build(app, container).await;
        } else if orphan && !app.retiring.contains(&container.id) {
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

/// What a killed server was building goes on by itself. Nobody waits for it, so it need not end in order.
async fn remove_build(app: &App, container: &Surveyed) {
    tracing::info!(container = %container.name, "removing a build that nobody waits for");
    if let Err(error) = app.engine.remove(&container.id).await {
        tracing::warn!(container = %container.name, %error, "a build that nobody waits for was not removed");
    }
}

async fn recorded(app: &Arc<App>) -> Result<HashSet<ContainerId>, CommandError> {
    let instances = app.store.instances(None).await?;
    Ok(instances.into_iter().map(|instance| instance.container).collect())
}
