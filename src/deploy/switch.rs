//! The switch from the old instances to the new ones, and what follows it. From here on nothing is cancelled.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::app::App;
use crate::deploy::error::DeployError;
use crate::deploy::formation::Quantities;
use crate::deploy::retirement::{self, Leaving};
use crate::deploy::{Order, Work, links, retention};
use crate::docker::Engine;
use crate::model::app_name::AppName;
use crate::model::container_id::ContainerId;
use crate::model::process_type::ProcessType;
use crate::model::release::Release;
use crate::run::plan::Plan;
use crate::store::apps::AppRecord;
use crate::store::config::Completion;
use crate::store::instances::{ConfigChange, InstanceRecord};
use crate::urls;

/// What the switch is from and to.
pub struct Change<'a> {
    /// New instances, healthy.
    pub started: Vec<InstanceRecord>,
    /// What stays and what goes.
    pub plan: &'a Plan,
    /// How many instances of each process type there are to be, and what of that is new.
    pub quantities: Quantities,
    /// Config vars that app.json gives.
    pub completion: Completion,
}

/// Makes the started and kept instances the app: recorded, routed, announced, named; then retires the others.
pub async fn switch(
    app: &Arc<App>,
    record: &AppRecord,
    order: &Order,
    release: &Release,
    change: Change<'_>,
) -> Result<(), DeployError> {
    let Change { started, plan, quantities, completion } = change;
    if order.cancel.is_cancelled() {
        remove(&app.engine, &started).await;
        return Err(DeployError::Cancelled);
    }
    // Before the old ones go: those that link to the app shall find one at any moment.
    if let Err(error) = links::welcome(app, record, &started).await {
        remove(&app.engine, &started).await;
        return Err(error);
    }
    let instances: Vec<InstanceRecord> = started.iter().chain(&plan.keep).cloned().collect();
    let config = match &order.work {
        Work::Rollback { to, keep_config: false } => ConfigChange::Restore(to.content.config.clone()),
        _ => ConfigChange::Complete(completion),
    };
    let changes = (quantities.changes, config);
    if let Err(error) = app.store.commit_switch(record.id, release.id, instances, changes).await {
        remove(&app.engine, &started).await;
        return Err(error.into());
    }
    app.reconciler.check_cron();
    if !release.content.additions.routes.is_empty() {
        // New hosts may want certificates.
        app.reconciler.check_certificates();
    }
    let in_force = app.reconciler.publish_routes().await;
    // Told first: the engine takes its time over names, and the app is reachable without them.
    announce(app, record, order, &quantities.wanted).await;
    rename(&app.engine, &record.name, &started, &plan.retire).await;
    if in_force {
        retirement::announce(app, &plan.retire, &order.console).await?;
        retire_instances(app, plan.retire.clone());
    } else {
        // Requests still go to the old instances. The reconciler retires them once they do not.
        app.reconciler.check_containers();
    }
    links::refresh(app, record).await;
    retention::prune(app, record.id).await?;
    Ok(())
}

/// Drains, stops and removes containers in the background, then looks for what is no longer needed. The routes
/// must not lead to them any more. Those that are being retired already are left to whoever does it.
pub fn retire_later(app: &Arc<App>, containers: Vec<ContainerId>) {
    retire_all(app, containers.into_iter().map(|container| Leaving { container, was: None }));
}

/// The same, for instances whose app and name are known.
pub fn retire_instances(app: &Arc<App>, instances: Vec<InstanceRecord>) {
    retire_all(app, instances.into_iter().map(Leaving::from));
}

fn retire_all(app: &Arc<App>, leaving: impl Iterator<Item = Leaving>) {
    for leaving in leaving.filter(|leaving| app.retiring.enter(&leaving.container)) {
        let app = app.clone();
        app.clone().tasks.spawn(async move {
            let container = leaving.container.clone();
            links::take_leave(&app, &container).await;
            retirement::retire(&app, leaving).await;
            app.retiring.leave(&container);
            // Its image may have been the last thing that was kept for it.
            app.reconciler.collect_garbage();
        });
    }
}

async fn remove(engine: &Engine, started: &[InstanceRecord]) {
    for instance in started {
        if let Err(error) = engine.remove(&instance.container).await {
            tracing::warn!(container = %instance.container, %error, "a new instance was not removed");
        }
    }
}

/// Gives the new containers the names that people know. A name that cannot be given harms nothing.
async fn rename(engine: &Engine, app_name: &AppName, started: &[InstanceRecord], retired: &[InstanceRecord]) {
    for old in retired {
        let name = format!("{app_name}.{}.retired-{}", old.name, old.container.short());
        if let Err(error) = engine.rename(&old.container, &name).await
            && !error.is_not_found()
        {
            tracing::warn!(container = %old.container, %error, "an old instance keeps its name");
        }
    }
    for new in started {
        if let Err(error) = engine.rename(&new.container, &format!("{app_name}.{}", new.name)).await {
            tracing::warn!(container = %new.container, %error, "a new instance keeps its temporary name");
        }
    }
}

async fn announce(app: &Arc<App>, record: &AppRecord, order: &Order, wanted: &BTreeMap<ProcessType, u32>) {
    let console = &order.console;
    console.headline("Application deployed:").await;
    match wanted.get(&ProcessType::web()) {
        None => return console.detail("(it has no web process, and so no URL)").await,
        Some(0) => {
            return console.detail(format!("(no web process runs: ps:scale {} web=1)", record.name)).await;
        }
        Some(_) => {}
    }
    match urls::of(app, record).await {
        Ok(urls) if urls.is_empty() => console.detail("(it has no host name: domains:add)").await,
        Ok(urls) => {
            for url in urls {
                console.detail(url).await;
            }
        }
        Err(error) => tracing::error!(app = %record.name, %error, "the URLs of an app cannot be told"),
    }
}
