//! A process whose changes to the file system become part of the image that is about to be released.
//!
//! It runs beside a process that only waits, so that its environment, which holds secrets, is its own: what a
//! container was made with becomes part of an image that is made of it.

use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::docker::Engine;
use crate::docker::commit::{ImageName, ImageStart};
use crate::docker::container::{ContainerSpec, OutputLog};
use crate::docker::error::EngineError;
use crate::docker::exec::ExecSpec;
use crate::docker::image::ImageFacts;
use crate::docker::output::OutputChunk;
use crate::model::config_var::ConfigVars;
use crate::model::container_id::ContainerId;
use crate::model::release::{ImageId, ProcessCommand};
use crate::run::task::TaskEnd;

/// Waits for ever: nobody writes to its input, and nobody ends that.
const WAITING: [&str; 3] = ["/bin/sh", "-c", "read -r end"];

/// What is run, and what the image is called that comes of it.
#[derive(Debug)]
pub struct Predeploy<'a> {
    /// The container: name, image, labels, options. Its command and environment are not used.
    pub container: ContainerSpec,
    /// Arguments for the image's entry point, if it has one.
    pub words: Vec<String>,
    /// The environment of the process.
    pub environment: ConfigVars,
    /// The image as the engine knows it.
    pub image: &'a ImageFacts,
    /// The new image's name.
    pub repository: String,
    /// The new image's tag.
    pub tag: String,
    /// How long it may take.
    pub limit: Duration,
}

/// Runs it, hands on what it prints, and makes the image if it ends with status 0. The container is removed.
pub async fn run(
    engine: &Engine,
    order: Predeploy<'_>,
    cancel: &CancellationToken,
    sink: mpsc::Sender<OutputChunk>,
) -> Result<(TaskEnd, Option<ImageId>), EngineError> {
    let spec = ContainerSpec {
        command: ProcessCommand::Image,
        entrypoint: Some(WAITING.map(str::to_owned).to_vec()),
        environment: ConfigVars::new(),
        stdin: true,
        log: OutputLog::Off,
        ..order.container.clone()
    };
    let container = engine.create(&spec).await?;
    let result = run_in(engine, &container, &order, cancel, sink).await;
    let removed = engine.remove(&container).await;
    let result = result?;
    removed?;
    Ok(result)
}

async fn run_in(
    engine: &Engine,
    container: &ContainerId,
    order: &Predeploy<'_>,
    cancel: &CancellationToken,
    sink: mpsc::Sender<OutputChunk>,
) -> Result<(TaskEnd, Option<ImageId>), EngineError> {
    engine.start(container).await?;
    let running = timeout(order.limit, to_the_end(engine, container, order, sink));
    let end = match cancel.run_until_cancelled(running).await {
        None => TaskEnd::Cancelled,
        Some(Err(_)) => TaskEnd::TimeOver,
        Some(Ok(end)) => end?,
    };
    if !matches!(end, TaskEnd::Exited { code: 0, .. }) {
        return Ok((end, None));
    }
    let start = ImageStart { entrypoint: &order.image.entrypoint, command: &order.image.command };
    let name = ImageName { repository: &order.repository, tag: &order.tag };
    let commit = engine.commit(container, Some(name), start);
    Ok((end, Some(commit.await?)))
}

async fn to_the_end(
    engine: &Engine,
    container: &ContainerId,
    order: &Predeploy<'_>,
    sink: mpsc::Sender<OutputChunk>,
) -> Result<TaskEnd, EngineError> {
    let command = order.image.entrypoint.iter().chain(&order.words).cloned().collect();
    let spec = ExecSpec { command, environment: order.environment.clone(), terminal: false, stdin: false };
    let (exec, mut attached) = engine.exec(container, &spec).await?;
    while let Some(chunk) = attached.output.next().await {
        // Whoever does not read it any more does not want it.
        sink.send(chunk?).await.ok();
    }
    let code = engine.exec_exit_code(&exec).await?;
    let out_of_memory = code != 0 && engine.inspect(container.as_str()).await?.oom_killed;
    Ok(TaskEnd::Exited { code, out_of_memory })
}
