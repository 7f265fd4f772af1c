//! A process that nobody sits at and that ends by itself: a release task, a scheduled one. Its output is handed on
//! as it comes, and nothing of it is left behind.

use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::docker::Engine;
use crate::docker::container::{ContainerSpec, OutputLog};
use crate::docker::error::EngineError;
use crate::docker::output::OutputChunk;
use crate::model::container_id::ContainerId;

/// How a task ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskEnd {
    /// By itself.
    Exited {
        /// Its exit status.
        code: i64,
        /// Whether the kernel ended it for want of memory.
        out_of_memory: bool,
    },
    /// It was ended because its time was over.
    TimeOver,
    /// It was ended because it was cancelled.
    Cancelled,
}

/// Runs a container to its end, hands on what it prints, and removes it whatever happens.
pub async fn run(
    engine: &Engine,
    spec: ContainerSpec,
    limit: Duration,
    cancel: &CancellationToken,
    sink: mpsc::Sender<OutputChunk>,
) -> Result<TaskEnd, EngineError> {
    let container = engine.create(&ContainerSpec { log: OutputLog::Off, ..spec }).await?;
    let ended = cancel.run_until_cancelled(timeout(limit, to_the_end(engine, &container, sink))).await;
    let removed = engine.remove(&container).await;
    let end = match ended {
        None => TaskEnd::Cancelled,
        Some(Err(_)) => TaskEnd::TimeOver,
        Some(Ok(end)) => end?,
    };
    removed?;
    Ok(end)
}

async fn to_the_end(
    engine: &Engine,
    container: &ContainerId,
    sink: mpsc::Sender<OutputChunk>,
) -> Result<TaskEnd, EngineError> {
    let mut output = engine.attach(container).await?.output;
    engine.start(container).await?;
    while let Some(chunk) = output.next().await {
        // Whoever does not read it any more does not want it.
        sink.send(chunk?).await.ok();
    }
    let code = engine.wait(container).await?;
    let out_of_memory = engine.inspect(container.as_str()).await?.oom_killed;
    Ok(TaskEnd::Exited { code, out_of_memory })
}
