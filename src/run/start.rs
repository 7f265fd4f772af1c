//! Starting instances: container by container, side by side, each waited for until it is healthy.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{AcquireError, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::console::Console;
use crate::docker::Engine;
use crate::docker::container::ContainerSpec;
use crate::docker::error::EngineError;
use crate::docker::labels::{ContainerKind, ContainerLabels};
use crate::docker::oom;
use crate::formats::procfile;
use crate::model::app_name::AppName;
use crate::model::config_var::{ConfigKey, ConfigValue, ConfigVars};
use crate::model::container_id::ContainerId;
use crate::model::container_options::ContainerOptions;
use crate::model::process_type::{InstanceName, ProcessType};
use crate::model::release::{ProcessCommand, Release, Source};
use crate::model::surroundings::Surroundings;
use crate::run::addresses::{Addresses, NoAddress};
use crate::run::check::Subject;
use crate::run::check_rules::CheckRules;
use crate::run::health::{self, Unhealthy};
use crate::run::options::{self, OptionsError, Phase};
use crate::run::policy;
use crate::run::startup::{StartupError, Trial};
use crate::run::surroundings;
use crate::store::apps::AppId;
use crate::store::instances::InstanceRecord;
use crate::store::{Store, StoreError};

/// Instances that boot at the same time. More would only take the processors from one another.
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
    /// How new instances are checked.
    pub rules: &'a CheckRules,
    /// What containers need to get out of this host.
    pub surroundings: &'a Surroundings,
}

/// A container that was made, and where it will answer.
#[derive(Clone)]
struct Created {
    instance: InstanceRecord,
    address: Ipv4Addr,
}

/// Who may boot now.
struct Turns {
    /// All instances together.
    all: Semaphore,
    /// Those of a process type with `max_parallel`.
    of_type: BTreeMap<ProcessType, Semaphore>,
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
    /// The app's settings ask for what a container cannot have.
    #[error(transparent)]
    Options(#[from] OptionsError),
    /// The engine could not say what runs.
    #[error("the engine cannot list its containers")]
    List(#[source] EngineError),
    /// An instance did not become healthy. Its last lines have been shown.
    #[error("Could not start due to {} failed checks ({instance}): {reason}", .reason.count())]
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
        result.map(|()| created.into_iter().map(|created| created.instance).collect())
    }

    async fn create_and_check(
        &self,
        names: &[InstanceName],
        console: &Console,
        created: &mut Vec<Created>,
    ) -> Result<(), StartError> {
        let mut in_use = self.engine.addresses_in_use().await.map_err(StartError::List)?;
        let mut creations = FuturesUnordered::new();
        // Visitors wait for web, so it comes first.
        let (web, others): (Vec<_>, Vec<_>) = names.iter().partition(|name| name.process_type.is_web());
        for name in web.into_iter().chain(others) {
            let address = self.addresses.next(&in_use)?;
            in_use.insert(address);
            creations.push(async move { Ok((name, address, self.create(name, address).await?)) });
        }
        let turns = self.turns();
        let mut checks = FuturesUnordered::new();
        let mut outcome = Ok(());
        loop {
            tokio::select! {
                // To the end also after a failure: what was made has to be known to be removed.
                Some(made) = creations.next() => match made {
                    Ok((name, address, container)) => {
                        let release = self.release.id;
                        let instance = InstanceRecord { app: self.app, name: name.clone(), container, release };
                        created.push(Created { instance, address });
                        if let (Ok(()), Some(created)) = (&outcome, created.last().cloned()) {
                            checks.push(self.start_and_check(created, &turns, console));
                        }
                    }
                    Err(error) => outcome = outcome.and(Err(error)),
                },
                Some(checked) = checks.next(), if outcome.is_ok() => outcome = checked,
                else => break,
            }
        }
        drop((creations, checks));
        outcome?;
        created.sort_by(|one, other| one.instance.name.cmp(&other.instance.name));
        self.join_late_networks(created).await
    }

    /// Puts instances that are healthy on the networks that wait for that, so that nobody there meets one that is not.
    async fn join_late_networks(&self, created: &[Created]) -> Result<(), StartError> {
        for Created { instance, .. } in created {
            let name = &instance.name;
            let options = self.options(name).await?;
            for network in &options.late_networks {
                let joined = self.engine.join(&instance.container, network, &options.aliases).await;
                joined.map_err(|source| StartError::Engine { instance: name.clone(), source })?;
            }
        }
        Ok(())
    }

    async fn options(&self, name: &InstanceName) -> Result<ContainerOptions, OptionsError> {
        let added = &self.release.content.additions;
        options::of(self.store, self.app, added, Some(&name.process_type), Phase::Deploy).await
    }

    /// `max_parallel` of app.json, and one turn of ours for all.
    fn turns(&self) -> Turns {
        let formation = self.release.content.app_json.formation.iter();
        let limits = formation.filter_map(|(process_type, entry)| {
            let limit = usize::try_from(entry.max_parallel?).unwrap_or(AT_ONCE).max(1);
            Some((process_type.clone(), Semaphore::new(limit)))
        });
        Turns { all: Semaphore::new(AT_ONCE), of_type: limits.collect() }
    }

    async fn start_and_check(
        &self,
        created: Created,
        turns: &Turns,
        console: &Console,
    ) -> Result<(), StartError> {
        let name = &created.instance.name;
        let closed = |_: AcquireError| StartError::Cancelled;
        let _of_type = match turns.of_type.get(&name.process_type) {
            Some(turns) => Some(turns.acquire().await.map_err(closed)?),
            None => None,
        };
        let booting = turns.all.acquire().await.map_err(closed)?;
        let engine_error = |source| StartError::Engine { instance: name.clone(), source };
        let kills = oom::kills().await;
        self.engine.start(&created.instance.container).await.map_err(engine_error)?;
        if !self.rules.hold_for(&name.process_type) {
            console.headline(format!("Zero downtime checks have been skipped ({name})")).await;
            return Ok(());
        }
        console.detail(format!("Attempting pre-flight checks ({name})")).await;
        let subject = self.subject(&created);
        let trial = Trial {
            subject: &subject,
            name,
            checks: &self.rules.startup_checks(&self.release.content, &name.process_type),
            deadline: self.rules.deadline,
            window: self.rules.window,
            console,
        };
        let began = Instant::now();
        let mut checked = trial.pass().await;
        // Whoever only has to stay up keeps nobody else from booting.
        drop(booting);
        if checked.is_ok() {
            checked = trial.stay_up(began).await;
        }
        match checked {
            Ok(()) => {
                console.detail(format!("All checks successful ({name})")).await;
                Ok(())
            }
            Err(StartupError::Engine(source)) => Err(engine_error(source)),
            Err(StartupError::Unhealthy(reason)) => {
                health::show_last_lines(self.engine, self.app_name, &created.instance, console).await;
                // The engine may not know, or have forgotten when it started the container again.
                let reason = if oom::kills().await > kills { reason.for_want_of_memory() } else { reason };
                Err(StartError::Unhealthy { instance: name.clone(), reason })
            }
        }
    }

    fn subject(&self, created: &Created) -> Subject {
        Subject {
            engine: self.engine.clone(),
            container: created.instance.container.clone(),
            address: created.address,
            port: self.port,
            host: self.rules.host.clone(),
            https: self.rules.https,
            config: self.release.content.config.clone(),
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
        let options = self.options(name).await?;
        let stop_timeout = policy::stop_timeout(self.store, self.app, &name.process_type).await?;
        let base = ContainerSpec::new(container_name, self.release.content.image.clone(), labels);
        let mut spec = ContainerSpec {
            options,
            command: command(self.release, &name.process_type, &environment),
            environment,
            address: Some(address),
            restart: policy::restart(self.store, self.app).await?,
            stop_timeout: stop_timeout.unwrap_or(base.stop_timeout),
            ..base
        };
        surroundings::add_to(&mut spec, &self.release.content, self.surroundings);
        let created = self.engine.create(&spec).await;
        created.map_err(|source| StartError::Engine { instance: name.clone(), source })
    }

    async fn remove_started(&self, created: &[Created]) {
        let removals: FuturesUnordered<_> =
            created.iter().map(|created| self.engine.remove(&created.instance.container)).collect();
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
        // The shell fills in what it finds.
        Some(line @ ProcessCommand::Line(_)) => line.clone(),
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
