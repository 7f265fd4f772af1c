//! Process types of which the old instances end before the new ones start, because both cannot run at a time: they
//! hold a volume that one instance may hold, their checks are disabled, or somebody said so.
//!
//! The old instances stay the app until the switch, as with any other deploy. They are stopped, not removed, so a
//! deploy that fails starts the very same containers again, and so does the reconciler for a server that was killed
//! on the way. Whoever starts such an instance makes way for it first: that is what keeps a volume from having two
//! holders, whatever was under way when the server died.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::future::join_all;

use crate::app::App;
use crate::command_error::CommandError;
use crate::console::Console;
use crate::deploy::error::DeployError;
use crate::deploy::{checks, retirement};
use crate::docker::facts::{ContainerFilter, RunState};
use crate::docker::labels::ContainerKind;
use crate::model::container_id::ContainerId;
use crate::model::process_type::ProcessType;
use crate::run::plan::Plan;
use crate::store::apps::{AppId, AppRecord};
use crate::store::instances::InstanceRecord;
use crate::store::{Store, StoreError};

/// The property that says in which order instances are replaced: `start-first` (the default) or `stop-first`.
pub const STRATEGY: &str = "deploy-strategy";

/// Which process types of an app are stopped first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StopFirst {
    types: BTreeSet<ProcessType>,
}

impl StopFirst {
    /// Reads what the settings say of these process types.
    pub async fn of<'a>(
        store: &Store,
        app: AppId,
        process_types: impl IntoIterator<Item = &'a ProcessType>,
    ) -> Result<Self, StoreError> {
        let disabled = checks::selection(store, app, checks::DISABLED).await?;
        let all = store.computed_property(app, STRATEGY).await?.is_some_and(|value| value == "stop-first");
        let mounts = store.mounts(app).await?;
        let mut types = BTreeSet::new();
        for process_type in process_types {
            let exclusive = mounts.iter().any(|mount| mount.is_exclusive_to(process_type));
            if all || exclusive || disabled.contains(process_type) {
                types.insert(process_type.clone());
            }
        }
        Ok(Self { types })
    }

    /// Whether instances of this type are stopped before their successors start.
    pub fn includes(&self, process_type: &ProcessType) -> bool {
        self.types.contains(process_type)
    }
}

/// The part of a deploy in which old instances end before new ones start.
#[derive(Debug)]
pub struct Swap<'a> {
    /// The server.
    pub app: &'a Arc<App>,
    /// The app.
    pub record: &'a AppRecord,
    /// What is stopped first.
    pub stop_first: StopFirst,
    /// What stays, what starts, and what goes.
    pub plan: &'a Plan,
    /// Where progress goes.
    pub console: &'a Console,
}

impl Swap<'_> {
    /// Stops the instances whose successors are about to start, while the router lets requests wait. If that fails
    /// they serve on.
    pub async fn begin(&self) -> Result<(), DeployError> {
        if !self.plan.start.iter().any(|name| self.stop_first.includes(&name.process_type)) {
            return Ok(());
        }
        let begun = self.stop().await;
        if begun.is_err() {
            self.undo().await;
        }
        begun
    }

    async fn stop(&self) -> Result<(), DeployError> {
        let old = &self.plan.stop_first;
        if !old.is_empty() {
            self.console.step(format!("Stopping {} first; requests wait", names(old))).await;
            for instance in old {
                self.app.readiness.set_leaving(&instance.container);
            }
            if !self.app.reconciler.publish_routes().await {
                return Err(DeployError::Routes);
            }
            end(self.app, self.record.id, old.iter().map(|old| (&old.container, &old.name.process_type)))
                .await?;
        }
        make_way(self.app, self.record, &self.stop_first, &self.plan.keep).await
    }

    /// Starts what was stopped for successors that did not come up.
    pub async fn undo(&self) {
        if self.plan.stop_first.is_empty() {
            return;
        }
        // What failed may have come after the switch, and then they are not the app any more.
        let old = match self.app.store.instances(Some(self.record.id)).await {
            Ok(recorded) => {
                recorded.into_iter().filter(|instance| self.plan.stop_first.contains(instance)).collect()
            }
            Err(error) => {
                tracing::error!(app = %self.record.name, %error, "what was stopped first is left to the reconciler");
                Vec::new()
            }
        };
        if old.is_empty() {
            return;
        }
        self.console.step(format!("Starting {} of before again", names(&old))).await;
        if let Err(error) = self.start_again(&old).await {
            tracing::error!(app = %self.record.name, %error, "what was stopped first cannot be started again");
            self.console.warn(format!("They could not be started ({error}); this will be tried on")).await;
            self.app.reconciler.check_containers();
        }
        self.app.reconciler.publish_routes().await;
    }

    async fn start_again(&self, old: &[InstanceRecord]) -> Result<(), DeployError> {
        let stay: Vec<InstanceRecord> = self.plan.keep.iter().chain(old).cloned().collect();
        make_way(self.app, self.record, &self.stop_first, &stay).await?;
        for instance in old {
            match self.app.engine.start(&instance.container).await {
                // It was gone before, and is being replaced.
                Err(error) if !error.is_not_found() => return Err(error.into()),
                _ => self.app.readiness.note_start(&instance.container),
            }
        }
        Ok(())
    }
}

fn names(instances: &[InstanceRecord]) -> String {
    instances.iter().map(|instance| instance.name.to_string()).collect::<Vec<_>>().join(", ")
}

/// Makes way for a recorded instance that is about to be started again, if its process type is one that needs it.
pub async fn make_way_for(
    app: &Arc<App>,
    record: &AppRecord,
    instance: &InstanceRecord,
) -> Result<(), CommandError> {
    let stop_first = StopFirst::of(&app.store, record.id, [&instance.name.process_type]).await?;
    let recorded = app.store.instances(Some(record.id)).await?;
    Ok(make_way(app, record, &stop_first, &recorded).await?)
}

/// Ends whatever runs of these process types but for the instances that stay: what a killed server was about to
/// run, and what is still being retired.
async fn make_way(
    app: &Arc<App>,
    record: &AppRecord,
    stop_first: &StopFirst,
    stay: &[InstanceRecord],
) -> Result<(), DeployError> {
    if stop_first.types.is_empty() {
        return Ok(());
    }
    let filter = ContainerFilter { app: Some(record.name.clone()), kind: Some(ContainerKind::Deploy) };
    let containers = app.engine.list(&filter).await?;
    let in_the_way = containers.iter().filter_map(|container| {
        let process_type = container.labels.process_type.as_ref().filter(|name| stop_first.includes(name))?;
        let runs = !matches!(container.state, RunState::Exited(_) | RunState::Created);
        let stays = stay.iter().any(|instance| instance.container == container.id);
        (runs && !stays).then_some((&container.id, process_type))
    });
    end(app, record.id, in_the_way).await
}

/// Drains and stops containers, side by side, and returns when none of them runs. They are not removed: they may be
/// recorded, and what is not will be found by the reconciler.
async fn end<'a>(
    app: &Arc<App>,
    id: AppId,
    containers: impl Iterator<Item = (&'a ContainerId, &'a ProcessType)>,
) -> Result<(), DeployError> {
    let ends = containers.map(|(container, process_type)| async move {
        let grace = retirement::of(app, id, process_type).await?;
        let ids = [container.to_string()];
        tokio::join!(app.router.drain(&ids, grace.drain), app.predecessors.drain(&ids, grace.drain));
        match app.engine.stop(container, grace.stop).await {
            Err(error) if !error.is_not_found() => Err(error.into()),
            _ => Ok(()),
        }
    });
    join_all(ends).await.into_iter().collect()
}
