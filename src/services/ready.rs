//! Waiting until a service serves its clients.

use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::time::{Instant, sleep};

use crate::app::App;
use crate::command_error::CommandError;
use crate::console::Console;
use crate::docker::logs::LogOptions;
use crate::model::container_id::ContainerId;
use crate::services::{Service, exec};

/// How long a service may take. Some initialise gigabytes the first time.
const LIMIT: Duration = Duration::from_secs(300);
/// How often it is asked.
const INTERVAL: Duration = Duration::from_millis(200);
/// How long one question may take.
const ANSWER: Duration = Duration::from_secs(20);
/// After how many ends of its process it is given up: the engine starts it again each time.
const ENDS: u32 = 3;
/// How many lines of its log are shown of one that does not become ready.
const LINES: u32 = 20;

/// Waits until the service is ready, or fails with the end of its log before it.
pub async fn wait(app: &App, service: &Service, console: &Console) -> Result<(), CommandError> {
    let container = exec::container(service)?;
    console.step("Waiting for container to be ready").await;
    let deadline = Instant::now() + LIMIT;
    let mut ends = 0;
    loop {
        let facts = app.engine.service_container(container).await?;
        let Some(facts) = facts else { return Err(failed(service, "its container is gone")) };
        if facts.running {
            if is_ready(app, service, container).await {
                return Ok(());
            }
        } else {
            ends += 1;
        }
        if ends >= ENDS {
            show_log(app, container, console).await;
            let code = facts.exit_code.unwrap_or_default();
            let memory = if facts.oom_killed { ", for want of memory" } else { "" };
            return Err(failed(service, &format!("it ended with status {code}{memory}")));
        }
        if Instant::now() > deadline {
            show_log(app, container, console).await;
            return Err(failed(service, &format!("it was not ready within {} s", LIMIT.as_secs())));
        }
        sleep(INTERVAL).await;
    }
}

/// Whether the engine's own check says that clients are served. One that cannot be asked is not ready.
pub async fn is_ready(app: &App, service: &Service, container: &ContainerId) -> bool {
    let asked = exec::run_within(app, container, &service.engine.ready, &service.values(), ANSWER).await;
    matches!(asked, Ok(ran) if ran.code == 0)
}

fn failed(service: &Service, why: &str) -> CommandError {
    CommandError::user(format!("{service} does not run: {why}"))
        .hint("The end of its log is above; what it needs may be more memory, or other --config-options")
}

async fn show_log(app: &App, container: &ContainerId, console: &Console) {
    let options = LogOptions { tail: Some(LINES), ..LogOptions::default() };
    let Ok(mut log) = app.engine.service_log(container, options).await else { return };
    let mut text = Vec::new();
    while let Some(Ok(chunk)) = log.next().await {
        text.extend_from_slice(&chunk.bytes);
    }
    console.detail(String::from_utf8_lossy(&text)).await;
}
