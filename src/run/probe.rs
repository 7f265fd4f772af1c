//! Runs an image's own `HEALTHCHECK` while an instance starts.
//!
//! The engine's first run of it comes only after its interval, by default half a minute; a deploy need not wait
//! for that.

use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::time::timeout;

use crate::docker::Engine;
use crate::docker::error::EngineError;
use crate::docker::exec::ExecSpec;
use crate::model::config_var::ConfigVars;
use crate::model::container_id::ContainerId;

/// How long one run may take.
const LIMIT: Duration = Duration::from_secs(30);

/// Runs the check's command in the container and says whether it succeeded.
pub async fn succeeds(
    engine: &Engine,
    container: &ContainerId,
    command: &[String],
) -> Result<bool, EngineError> {
    let spec =
        ExecSpec { command: command.to_vec(), environment: ConfigVars::new(), terminal: false, stdin: false };
    let (exec, mut attached) = engine.exec(container, &spec).await?;
    let ended = timeout(LIMIT, async { while attached.output.next().await.is_some() {} }).await;
    if ended.is_err() {
        return Ok(false);
    }
    Ok(engine.exec_exit_code(&exec).await? == 0)
}
