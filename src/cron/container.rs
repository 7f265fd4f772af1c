//! The container of one run: the image and the config vars of the app's current release.

use crate::app::App;
use crate::docker::container::ContainerSpec;
use crate::docker::error::EngineError;
use crate::docker::labels::ContainerKind;
use crate::model::config_var::ConfigVars;
use crate::model::container_id::ContainerId;
use crate::model::process_type::ProcessType;
use crate::model::release::Release;
use crate::run::one_off::OneOff;
use crate::run::options::OptionsError;
use crate::store::StoreError;
use crate::store::cron::CronRun;
use crate::urls;

/// Why a run could not begin.
#[derive(Debug, thiserror::Error)]
pub enum BeginError {
    /// The app was destroyed, or its run is not recorded any more.
    #[error("the app is gone")]
    Gone,
    /// The database cannot be asked.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What the app's settings say cannot be had.
    #[error(transparent)]
    Options(#[from] OptionsError),
    /// The engine refused.
    #[error("its container cannot be started")]
    Engine(#[from] EngineError),
}

/// Makes and starts the container of a run that is recorded, and records it.
pub async fn start(app: &App, run: &CronRun) -> Result<ContainerId, BeginError> {
    // Turns end with the semaphore, which is never closed.
    let _turn = app.cron_runs.starts.acquire().await.map_err(|_| BeginError::Gone)?;
    let spec = specification(app, run).await?;
    let container = app.engine.create(&spec).await?;
    let started = record_and_start(app, run, &container).await;
    if started.is_err()
        && let Err(error) = app.engine.remove(&container).await
    {
        tracing::warn!(%container, %error, "the container of a scheduled task that did not start is left");
    }
    started.map(|()| container)
}

async fn record_and_start(app: &App, run: &CronRun, container: &ContainerId) -> Result<(), BeginError> {
    if !app.store.set_cron_container(run.id, container).await? {
        return Err(BeginError::Gone);
    }
    Ok(app.engine.start(container).await?)
}

async fn specification(app: &App, run: &CronRun) -> Result<ContainerSpec, BeginError> {
    let record = app.store.app_by_id(run.app).await?.ok_or(BeginError::Gone)?;
    let release = match record.current_release {
        Some(id) => app.store.release(id).await?,
        None => None,
    };
    let release = release.ok_or(BeginError::Gone)?;
    let surroundings = app.surroundings.current().await;
    let one_off = OneOff {
        kind: ContainerKind::Cron,
        app: record.id,
        app_name: &record.name,
        port: urls::web_port(&app.store.ports(record.id).await?, &release.content),
        dyno: dyno(run.id),
        words: words(&run.command, &release),
        variables: ConfigVars::new(),
        release: &release,
        surroundings: &surroundings,
    };
    let spec = one_off.specification(&app.store).await?;
    Ok(ContainerSpec { cron_task: Some(run.task.clone()), ..spec })
}

/// A run's `DYNO`, and the end of its container's name.
pub fn dyno(run: i64) -> String {
    format!("cron.{run}")
}

/// The run whose container has that name.
pub fn run_of(container_name: &str) -> Option<i64> {
    container_name.rsplit_once(".cron.")?.1.parse().ok()
}

/// A process type and what is added to its command; anything else is for a shell of the image.
fn words(command: &str, release: &Release) -> Vec<String> {
    let split = shlex::split(command).unwrap_or_default();
    let named: Option<ProcessType> = split.first().and_then(|word| word.parse().ok());
    if named.is_some_and(|name| release.content.processes.contains_key(&name)) {
        split
    } else {
        ["/bin/sh", "-c", command].map(str::to_owned).to_vec()
    }
}
