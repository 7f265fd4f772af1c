//! Starting instances: container by container, side by side, each waited for until it is healthy.

use std::net::Ipv4Addr;
use std::time::Duration;

use futures_util::stream::{self, FuturesUnordered};
use futures_util::{FutureExt as _, StreamExt as _};
use tokio_util::sync::CancellationToken;

use crate::console::Console;
use crate::docker::Engine;
use crate::docker::container::ContainerSpec;
use crate::docker::error::EngineError;
use crate::docker::labels::{ContainerKind, ContainerLabels};
use crate::formats::procfile;
use crate::model::app_name::AppName;
use crate::model::config_var::{ConfigKey, ConfigValue, ConfigVars};
use crate::model::container_id::ContainerId;
use crate::model::process_type::{InstanceName, ProcessType};
use crate::model::release::{ProcessCommand, Release, Source};
use crate::run::addresses::{Addresses, NoAddress};
use crate::run::health::{self, Unhealthy};
use crate::run::options::{self, Phase};
use crate::run::policy;
use crate::store::apps::AppId;
use crate::store::instances::InstanceRecord;
use crate::store::{Store, StoreError};

/// Instances that are created and checked at the same time.
const AT_ONCE: usize = 8;

/// What new instances are made of.
#[derive(Clone, Copy, Debug)]
pub struct Start<'a> {
    /// The engine.
    pub engine: &'a Engine,
    /// The database, for the app's settings.
    pub store: &'a Store,
    /// Where addresses come from.
    pub addresses: &'a Addresses,
    /// The app's row.
    pub app: AppId,
    /// The app's name.
    pub app_name: &'a AppName,
    /// The release to run.
    pub release: &'a Release,
    /// The port that web processes are told to listen on, and are asked on.
    pub port: u16,
    /// How long a new instance has to become healthy.
    pub deadline: Duration,
}

/// Why instances could not be started. None of them is left behind.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The engine refused.
    #[error("{instance} could not be started")]
    Engine {
        /// Which instance.
        instance: InstanceName,
        /// Why.
        source: EngineError,
    },
    /// The containers' network is full.
    #[error(transparent)]
    Address(#[from] NoAddress),
    /// The app's settings cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The engine could not say what runs.
    #[error("the engine cannot list its containers")]
    List(#[source] EngineError),
    /// An instance did not become healthy. Its last lines have been shown.
    #[error("Could not start due to 1 failed checks ({instance}): {reason}")]
    Unhealthy {
        /// Which instance.
        instance: InstanceName,
        /// What is wrong with it.
        reason: Unhealthy,
    },
    /// The deploy was cancelled.
    #[error("cancelled while instances were starting")]
    Cancelled,
}

impl Start<'_> {
    /// Starts all of them and waits until they are healthy; on any failure all of them are removed again.
    pub async fn instances(
        &self,
        names: &[InstanceName],
        console: &Console,
        cancel: &CancellationToken,
    ) -> Result<Vec<InstanceRecord>, StartError> {
        let mut created = Vec::new();
        let result = tokio::select! {
            result = self.create_and_check(names, console, &mut created) => result,
            () = cancel.cancelled() => Err(StartError::Cancelled),
        };
        if result.is_err() {
            self.remove_started(&created).await;
        }
        result.map(|()| created)
    }

    async fn create_and_check(
        &self,
        names: &[InstanceName],
        console: &Console,
        created: &mut Vec<InstanceRecord>,
    ) -> Result<(), StartError> {
        let in_use = self.engine.addresses_in_use().await.map_err(StartError::List)?;
        for name in names {
            let address = self.addresses.next(&in_use)?;
            let container = self.create(name, address).await?;
            created.push(InstanceRecord {
                app: self.app,
                name: name.clone(),
                container: container.clone(),
                release: self.release.id,
            });
        }
        let mut checks = Vec::new();
        for instance in created.iter() {
            checks.push(self.check(instance, console).boxed());
        }
        let mut checks = stream::iter(checks).buffer_unordered(AT_ONCE);
        while let Some(checked) = checks.next().await {
            checked?;
        }
        Ok(())
    }

    async fn check(&self, instance: &InstanceRecord, console: &Console) -> Result<(), StartError> {
        let name = &instance.name;
        let engine_error = |source| StartError::Engine { instance: name.clone(), source };
        self.engine.start(&instance.container).await.map_err(engine_error)?;
        console.detail(format!("Attempting pre-flight checks ({name})")).await;
        let port = name.process_type.is_web().then_some(self.port);
        let checked = health::wait(self.engine, &instance.container, port, self.deadline).await;
        match checked.map_err(engine_error)? {
            Ok(()) => {
                console.detail(format!("All checks successful ({name})")).await;
                Ok(())
            }
            Err(reason) => {
                health::show_last_lines(self.engine, self.app_name, instance, console).await;
                Err(StartError::Unhealthy { instance: name.clone(), reason })
            }
        }
    }

    async fn create(&self, name: &InstanceName, address: Ipv4Addr) -> Result<ContainerId, StartError> {
        let suffix: u32 = rand::random();
        let labels = ContainerLabels {
            kind: ContainerKind::Deploy,
            app: self.app_name.clone(),
            process_type: Some(name.process_type.clone()),
            instance: Some(name.clone()),
            release: Some(self.release.version),
        };
        let environment = environment(self.release, self.app_name, self.port, &name.to_string());
        let container_name = format!("{}.{name}.upcoming-{suffix:08x}", self.app_name);
        let options = options::of(self.store, self.app, Some(&name.process_type), Phase::Deploy).await?;
        let stop_timeout = policy::stop_timeout(self.store, self.app, &name.process_type).await?;
        let base = ContainerSpec::new(container_name, self.release.content.image.clone(), labels);
        let spec = ContainerSpec {
            options,
            command: command(self.release, &name.process_type, &environment),
            environment,
            address: Some(address),
            restart: policy::restart(self.store, self.app).await?,
            stop_timeout: stop_timeout.unwrap_or(base.stop_timeout),
            ..base
        };
        let created = self.engine.create(&spec).await;
        created.map_err(|source| StartError::Engine { instance: name.clone(), source })
    }

    async fn remove_started(&self, created: &[InstanceRecord]) {
        let removals: FuturesUnordered<_> =
            created.iter().map(|instance| self.engine.remove(&instance.container)).collect();
        let results: Vec<_> = removals.collect().await;
        for error in results.into_iter().filter_map(Result::err) {
            tracing::warn!(app = %self.app_name, %error, "a new instance was not removed; it is an orphan now");
        }
    }
}

/// The process type's words with `$NAME` filled in from the environment that the process will have.
pub fn command(release: &Release, process_type: &ProcessType, environment: &ConfigVars) -> ProcessCommand {
    match release.content.processes.get(process_type) {
        Some(ProcessCommand::Arguments(words)) => {
            ProcessCommand::Arguments(procfile::expand(words, |wanted| {
                let found = environment.iter().find(|(key, _)| key.as_str() == wanted);
                found.map(|(_, value)| value.expose().to_owned())
            }))
        }
        Some(ProcessCommand::Image) | None => ProcessCommand::Image,
    }
}

/// The environment of a process of a release. What the app sets itself wins, but for `DYNO`, which is its name.
pub fn environment(release: &Release, app_name: &AppName, port: u16, dyno: &str) -> ConfigVars {
    let mut environment = ConfigVars::new();
    let mut add = |key: &str, value: &str| {
        let value = ConfigValue::from_bytes(value.as_bytes().to_vec());
        if let (Ok(key), Ok(value)) = (key.parse::<ConfigKey>(), value) {
            environment.insert(key, value);
        }
    };
    add("PORT", &port.to_string());
    add("SLIPWAY_APP", app_name.as_str());
    add("SLIPWAY_RELEASE", &release.version.to_string());
    if let Source::Git { commit } = &release.content.source {
        add("GIT_REV", commit);
    }
    let own = release.content.config.iter().filter(|(key, _)| key.as_str() != "DYNO");
    add("DYNO", dyno);
    environment.extend(own.map(|(key, value)| (key.clone(), value.clone())));
    environment
}
