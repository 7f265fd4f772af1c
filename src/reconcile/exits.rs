//! What the engine's news say of instances that end by themselves: crash loops and want of memory, told once each.

use std::sync::Arc;

use crate::app::App;
use crate::docker::events::{ContainerChange, ContainerEvent};
use crate::docker::labels::ContainerKind;
use crate::docker::oom;
use crate::reconcile::instance_log;

/// With SIGKILL, as a shell counts it. The kernel's way where memory is short, and an engine's.
const KILLED: i64 = 137;

/// Reads the news.
#[derive(Debug, Default)]
pub struct Exits {
    /// How many processes of the host have been ended for want of memory up to the last piece of news.
    kills: Option<u64>,
}

impl Exits {
    /// Begins with what there was before.
    pub async fn new() -> Self {
        Self { kills: oom::kills().await }
    }

    /// Takes note of one piece of news.
    pub async fn note(&mut self, app: &Arc<App>, event: &ContainerEvent) {
        let kills = oom::kills().await;
        let more_kills = kills > self.kills;
        self.kills = kills;
        if event.labels.kind != ContainerKind::Deploy {
            return;
        }
        // What the routes go by: a container that ended, or was started again, does not listen for a while.
        match event.change {
            ContainerChange::Started => app.readiness.note_start(&event.id),
            ContainerChange::Died(_) => app.readiness.note_death(&event.id),
            _ => {}
        }
        match event.change {
            ContainerChange::Started => app.crashes.started(&event.id),
            ContainerChange::Destroyed => app.crashes.forget(&event.id),
            ContainerChange::Died(_)
                if app.retiring.contains(&event.id) || app.readiness.is_leaving(&event.id) => {}
            ContainerChange::Died(code) => {
                ended(app, event, code).await;
                if code == KILLED && more_kills {
                    out_of_memory(app, event).await;
                }
            }
            ContainerChange::OutOfMemory => out_of_memory(app, event).await,
            ContainerChange::Health(_) => {}
        }
    }
}

async fn ended(app: &Arc<App>, event: &ContainerEvent, exit_code: i64) {
    let Some(exits) = app.crashes.ended(&event.id, exit_code) else { return };
    let instance = event.labels.instance.as_ref().map(tracing::field::display);
    tracing::error!(
        app = %event.labels.app, instance, exit_code, exits,
        "an instance is crash-looping: look at what it printed with `logs`"
    );
    tell(app, event, &format!("crash-looping: ended {exits} times lately, with status {exit_code} last"))
        .await;
}

async fn out_of_memory(app: &Arc<App>, event: &ContainerEvent) {
    if !app.crashes.out_of_memory(&event.id) {
        return;
    }
    let instance = event.labels.instance.as_ref().map(tracing::field::display);
    tracing::error!(
        app = %event.labels.app, instance,
        "an instance ran out of memory and was oom-killed: give it more with `resource:limit --memory`"
    );
    tell(app, event, "oom-killed: it ran out of memory").await;
}

/// In the app's own log, for those who look there.
async fn tell(app: &Arc<App>, event: &ContainerEvent, what: &str) {
    if let Err(error) = instance_log::say(app, event, what).await {
        tracing::warn!(app = %event.labels.app, %error, "news of an instance do not reach its app's log");
    }
}
