//! The ends of an app: destroying it, stopping it, renaming it.

use std::collections::HashSet;
use std::sync::Arc;

use futures_util::future::join_all;

use crate::app::App;
use crate::app::lease::Lease;
use crate::command_error::CommandError;
use crate::console::Console;
use crate::deploy::error::DeployError;
use crate::deploy::{self, Order, cache, switch};
use crate::docker::facts::ContainerFilter;
use crate::model::app_name::AppName;
use crate::model::container_id::ContainerId;
use crate::store::apps::AppRecord;

/// Destroys an app: its deploys are cancelled, its routes and containers go, then its repository and records.
pub async fn destroy(app: &Arc<App>, record: &AppRecord, console: &Console) -> Result<(), CommandError> {
    app.running_builds.cancel(record.id, None);
    let lease = lease(app, record, console).await;
    // Asked before anything is forgotten: with an engine that is down nothing is destroyed at all.
    let filter = ContainerFilter { app: Some(record.name.clone()), kind: None };
    let containers = app.engine.list(&filter).await?;
    // By the record, too: an app that was renamed may have processes with its former name.
    let tasks = app.store.task_containers(Some(record.id)).await?;
    // The repository first: should the server be killed now, the app is still known and can be destroyed again,
    // while a repository that nobody knows would block the name for ever.
    app.repositories.remove(&record.name).await?;
    // Before the app is forgotten: the next one may get its number, and must not get its cache.
    cache::remove(app, record.id).await?;
    app.logs.forget(record.id).await;
    app.store.delete_app(record.id).await?;
    app.reconciler.check_cron();
    app.reconciler.check_one_offs();
    app.reconciler.publish_routes().await;
    console.detail("Removing containers").await;
    // An app that was renamed may still run in containers with this name in their labels.
    let mut of_others: HashSet<ContainerId> =
        app.store.instances(None).await?.into_iter().map(|instance| instance.container).collect();
    of_others.extend(app.store.task_containers(None).await?);
    let own: HashSet<ContainerId> = containers
        .into_iter()
        .map(|facts| facts.id)
        .chain(tasks)
        .filter(|id| !of_others.contains(id))
        .collect();
    let removals = own.iter().map(|id| app.engine.remove(id));
    for error in join_all(removals).await.into_iter().filter_map(Result::err) {
        tracing::warn!(app = %record.name, %error, "a container of a destroyed app is left to the reconciler");
    }
    drop(lease);
    app.reconciler.collect_garbage();
    Ok(())
}

/// The app's lease; a person who has to wait for it is told what for.
pub(super) async fn lease(app: &Arc<App>, record: &AppRecord, console: &Console) -> Lease {
    let waiting = app.leases.acquire(record.id);
    match app.leases.try_acquire(record.id) {
        Some(lease) => lease,
        None => {
            console.step("Waiting for the app's deploy to end...").await;
            waiting.await
        }
    }
}

/// The app's turn to be pushed to, which a push has until git has moved the branch.
async fn push_turn(app: &App, record: &AppRecord, console: &Console) -> Lease {
    if let Some(turn) = app.push_turns.try_acquire(record.id) {
        return turn;
    }
    console.step("Waiting for the push to the app to end...").await;
    app.push_turns.acquire(record.id).await
}

/// Stops an app until it is started or deployed again. Requests that are running may end.
pub async fn stop(app: &Arc<App>, record: &AppRecord, console: &Console) -> Result<(), CommandError> {
    let lease = lease(app, record, console).await;
    // An engine that is down can stop nothing, and a person must not believe that it did.
    app.engine.version().await?;
    let instances = app.store.instances(Some(record.id)).await?;
    app.store.stop_app(record.id).await?;
    app.logs.platform_line(record.id, "ps", "the app is stopped").await;
    app.reconciler.check_cron();
    if app.reconciler.publish_routes().await {
        switch::retire_instances(app, instances);
    } else {
        // They belong to no release any more: the reconciler retires them once no route leads to them.
        app.reconciler.check_containers();
    }
    drop(lease);
    Ok(())
}

/// Renames an app. The order replaces its containers by ones under the new name, if any run.
pub async fn rename(
    app: &Arc<App>,
    record: &AppRecord,
    name: &AppName,
    restart: Order,
) -> Result<(), CommandError> {
    // A push that is under way ends first: git still has to move its branch where the repository was.
    let turn = push_turn(app, record, &restart.console).await;
    let lease = lease(app, record, &restart.console).await;
    // It may have been deployed, stopped or locked meanwhile.
    let record = app.store.app_by_id(record.id).await?;
    let record = record.ok_or_else(|| CommandError::user("The app was destroyed meanwhile"))?;
    // Without new containers it would be renamed by half: they bear the old name, and so does their environment.
    if record.locked {
        return Err(DeployError::Locked(record.name.clone()).into());
    }
    app.repositories.rename(&record.name, name).await?;
    if let Err(error) = app.store.rename_app(record.id, name).await {
        app.repositories.rename(name, &record.name).await?;
        return Err(error.into());
    }
    app.reconciler.check_cron();
    app.reconciler.publish_routes().await;
    drop((lease, turn));
    if record.current_release.is_some() && !record.stopped {
        let half = |error| {
            CommandError::from(error).hint(format!(
                "The app is called {name} now, its old instances still serve. Try again: ps:restart {name}"
            ))
        };
        deploy::run(app, restart).await.map_err(half)?;
    }
    Ok(())
}
