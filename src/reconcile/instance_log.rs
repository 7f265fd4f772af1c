//! Has each container's output followed, and says in the app's log what happened to its instances.
//!
//! Follows the engine's events by itself: whoever keeps the routes right must not wait for a log.

use std::sync::Arc;

use futures_util::StreamExt as _;
use tokio::time::sleep;

use crate::app::App;
use crate::docker::error::EngineError;
use crate::docker::events::{ContainerChange, ContainerEvent};
use crate::docker::facts::ContainerFilter;
use crate::docker::labels::ContainerKind;
use crate::logs::FollowError;
use crate::reconcile::BACK_OFF;
use crate::store::StoreError;
use crate::store::apps::AppId;

/// Follows the engine's events until the server stops. That the engine is away is told by those who need it more.
pub async fn watch(app: &Arc<App>) {
    loop {
        let ended = tokio::select! {
            ended = follow_events(app) => ended,
            () = app.shutdown.cancelled() => return,
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "no news of containers for the logs");
        }
        tokio::select! {
            () = sleep(BACK_OFF) => {}
            () = app.shutdown.cancelled() => return,
        }
    }
}

async fn follow_events(app: &Arc<App>) -> Result<(), FollowError> {
    let mut events = std::pin::pin!(app.engine.events().await?);
    let containers = app.engine.list(&ContainerFilter::default()).await?;
    for container in &containers {
        app.logs.follow(&app.engine, &container.id, &container.labels, &container.name).await?;
    }
    app.logs.present(containers.into_iter().map(|container| container.id).collect()).await;
    while let Some(event) = events.next().await {
        note(app, &event?).await?;
    }
    Ok(())
}

async fn note(app: &Arc<App>, event: &ContainerEvent) -> Result<(), FollowError> {
    match event.change {
        ContainerChange::Started => {
            let followed = app.logs.follow(&app.engine, &event.id, &event.labels, &event.name).await;
            // It may be gone already; its last lines were taken before.
            if !matches!(&followed, Err(FollowError::Engine(EngineError::NotFound(_)))) {
                followed?;
            }
            let release = event.labels.release.map(|release| format!(" ({release})")).unwrap_or_default();
            say(app, event, &format!("started{release}")).await?;
        }
        ContainerChange::Died(code) => {
            let wanted = app.retiring.contains(&event.id) || app.readiness.is_leaving(&event.id);
            let what = if wanted { format!("stopped (exit status {code})") } else { died(code) };
            say(app, event, &what).await?;
        }
        ContainerChange::Destroyed => app.logs.gone(&event.id).await,
        // Crash loops and want of memory are told by `exits`, which knows more of them.
        ContainerChange::OutOfMemory | ContainerChange::Health(_) => {}
    }
    Ok(())
}

/// What an exit status means. Above 128 it is a signal's number (POSIX.1-2017, section 2.8.2 of the shell).
fn died(code: i64) -> String {
    let signal = match code {
        129 => " (SIGHUP)",
        130 => " (SIGINT)",
        134 => " (SIGABRT)",
        137 => " (SIGKILL)",
        139 => " (SIGSEGV)",
        143 => " (SIGTERM)",
        _ => "",
    };
    format!("exited with status {code}{signal}")
}

/// Says something about an instance, behind all that it has printed before. One-off processes end as they should.
pub async fn say(app: &Arc<App>, event: &ContainerEvent, what: &str) -> Result<(), StoreError> {
    let Some(instance) = event.labels.instance.as_ref() else { return Ok(()) };
    if event.labels.kind != ContainerKind::Deploy {
        return Ok(());
    }
    let Some(owner) = owner(app, event).await? else { return Ok(()) };
    app.logs.catch_up(owner).await;
    app.logs.platform_line(owner, &instance.to_string(), what).await;
    Ok(())
}

async fn owner(app: &Arc<App>, event: &ContainerEvent) -> Result<Option<AppId>, StoreError> {
    app.logs.owner(&event.id, &event.labels).await
}
