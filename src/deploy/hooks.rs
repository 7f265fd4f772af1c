//! What plugins are told of a deploy, and asked about it.
//!
//! What only keeps running what was wanted before is told to nobody, and nobody can stop it.

use std::collections::BTreeMap;
use std::mem;

use crate::app::App;
use crate::build::BuildSource;
use crate::command_error::CommandError;
use crate::deploy::error::{DeployError, vetoed};
use crate::deploy::{Order, additions};
use crate::docker::Engine;
use crate::hooks::{Scene, Veto};
use crate::model::hook::Hook;
use crate::model::hook::event::Event;
use crate::model::release::{Release, ReleaseContent};
use crate::store::apps::AppRecord;
use crate::store::instances::InstanceRecord;

/// A deploy, as hooks see it.
#[derive(Clone, Copy)]
pub(super) struct Telling<'a> {
    pub(super) app: &'a App,
    pub(super) record: &'a AppRecord,
    pub(super) order: &'a Order,
}

impl Telling<'_> {
    fn scene(&self) -> Scene<'_> {
        Scene::deploy(&self.order.console)
    }

    fn is_silent(&self) -> bool {
        self.order.work.is_automatic()
    }

    /// Waits for an answer, but not longer than for the deploy: a hook that runs ends with it.
    async fn unless_cancelled<T>(
        &self,
        asked: impl Future<Output = Result<T, Veto>>,
    ) -> Result<T, DeployError> {
        let answer = self.order.cancel.run_until_cancelled(asked).await;
        Ok(answer.ok_or(DeployError::Cancelled)??)
    }

    /// A source is about to be built: what the build gets as arguments beside those that are set.
    pub(super) async fn before_build(
        &self,
        build: i64,
        source: &BuildSource,
    ) -> Result<BTreeMap<String, String>, DeployError> {
        if self.is_silent() {
            return Ok(BTreeMap::new());
        }
        let event = || Event::PreBuild {
            app: self.record.name.clone(),
            by: self.order.by.clone(),
            build,
            source: match source {
                BuildSource::Commit(snapshot) => snapshot.commit().as_str().to_owned(),
                BuildSource::Image { reference } => reference.clone(),
            },
        };
        self.unless_cancelled(self.app.hooks.build_arguments(self.scene(), event)).await
    }

    /// There is an image.
    pub(super) async fn built(&self, build: i64, content: &ReleaseContent) {
        let event = || Event::PostBuild {
            app: self.record.name.clone(),
            by: self.order.by.clone(),
            build,
            image: content.image.to_string(),
        };
        self.app.hooks.tell(Hook::PostBuild, self.scene(), event).await;
    }

    /// A release is about to be recorded: hooks may give it config vars, which are then what it has, whatever is set,
    /// and additions, which take the place of what they said of the release before.
    pub(super) async fn before_release(&self, content: &mut ReleaseContent) -> Result<(), DeployError> {
        if self.is_silent() {
            return Ok(());
        }
        let before = mem::take(&mut content.additions);
        if !self.app.hooks.has(Hook::PreRelease) {
            return Ok(());
        }
        let event = || Event::PreRelease {
            app: self.record.name.clone(),
            by: self.order.by.clone(),
            image: content.image.to_string(),
            description: self.order.description.clone(),
            config_keys: content.config.keys().map(ToString::to_string).collect(),
            process_types: content.processes.keys().cloned().collect(),
        };
        let added = self.unless_cancelled(self.app.hooks.for_release(self.scene(), &before, event)).await?;
        content.config.extend(added.config);
        content.additions = added.additions;
        additions::check(self.app, self.record, content).await
    }

    /// A release is recorded, and none of its processes has been started.
    pub(super) async fn before_deploy(&self, release: &Release) -> Result<(), DeployError> {
        if self.is_silent() {
            return Ok(());
        }
        let event = || Event::PreDeploy {
            app: self.record.name.clone(),
            by: self.order.by.clone(),
            release: release.version.to_string(),
            image: release.content.image.to_string(),
            description: release.description.clone(),
        };
        self.unless_cancelled(self.app.hooks.ask(Hook::PreDeploy, self.scene(), event)).await
    }

    /// Instances are healthy, and about to get requests. If a hook says no, none of them is left.
    pub(super) async fn check(&self, started: &[InstanceRecord], port: u16) -> Result<(), DeployError> {
        if self.is_silent() || started.is_empty() || !self.app.hooks.has(Hook::CheckDeploy) {
            return Ok(());
        }
        let addresses = self.app.engine.running().await?;
        for instance in started {
            let address = addresses.get(&instance.container);
            let event = || Event::CheckDeploy {
                app: self.record.name.clone(),
                container: instance.container.to_string(),
                instance: instance.name.to_string(),
                address: address.map(|address| address.to_string()).unwrap_or_default(),
                port: instance.name.process_type.is_web().then_some(port),
            };
            let asked = self.app.hooks.ask(Hook::CheckDeploy, self.scene(), event);
            if let Err(error) = self.unless_cancelled(asked).await {
                remove(&self.app.engine, started).await;
                return Err(error);
            }
        }
        Ok(())
    }

    /// A release serves.
    pub(super) async fn deployed(&self, release: &Release) {
        if self.is_silent() {
            return;
        }
        let event = || Event::PostDeploy {
            app: self.record.name.clone(),
            by: self.order.by.clone(),
            release: release.version.to_string(),
            image: release.content.image.to_string(),
            description: release.description.clone(),
        };
        self.app.hooks.tell(Hook::PostDeploy, self.scene(), event).await;
    }
}

/// A deploy has failed. Its app's lease is free again.
pub(super) async fn failed(app: &App, order: &Order, error: &DeployError) {
    if order.work.is_automatic() || !app.hooks.has(Hook::DeployFailed) {
        return;
    }
    let record = match app.store.app_by_id(order.app).await {
        Ok(Some(record)) => record,
        Ok(None) => return,
        Err(error) => {
            tracing::warn!(%error, "plugins are not told that a deploy has failed");
            return;
        }
    };
    let reason = error.to_string();
    let event = || Event::DeployFailed { app: record.name, by: order.by.clone(), reason };
    app.hooks.tell(Hook::DeployFailed, Scene::command(&order.console), event).await;
}

async fn remove(engine: &Engine, started: &[InstanceRecord]) {
    for instance in started {
        if let Err(error) = engine.remove(&instance.container).await {
            tracing::warn!(%error, "a new instance was not removed; it is an orphan now");
        }
    }
}

/// Asks before an app is started by a command.
pub async fn before_start(app: &App, record: &AppRecord, order: &Order) -> Result<(), CommandError> {
    let event = || Event::PreStart { app: record.name.clone(), by: order.by.clone() };
    let asked = app.hooks.ask(Hook::PreStart, Scene::command(&order.console), event).await;
    asked.map_err(|veto| vetoed(&veto))
}
