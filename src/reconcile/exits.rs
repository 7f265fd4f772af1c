//! What the engine's news say of instances that end by themselves: crash loops and want of memory, told once each.

use std::sync::Arc;

use crate::app::App;
use crate::docker::events::{ContainerChange, ContainerEvent};
use crate::docker::labels::ContainerKind;

/// Takes note of one piece of news.
pub fn note(app: &Arc<App>, event: &ContainerEvent) {
    if event.labels.kind != ContainerKind::Deploy {
        return;
    }
    // What the routes go by: a container that ended, or was started again, does not listen for a while.
    match event.change {
        ContainerChange::Started => app.readiness.note_start(&event.id),
        ContainerChange::Died(_) => app.readiness.note_death(&event.id),
        _ => {}
    }
    let name = &event.labels.app;
    let instance = event.labels.instance.as_ref().map(tracing::field::display);
    match event.change {
        ContainerChange::Started => app.crashes.started(&event.id),
        ContainerChange::Destroyed => app.crashes.forget(&event.id),
        ContainerChange::Died(_)
            if app.retiring.contains(&event.id) || app.readiness.is_leaving(&event.id) => {}
        ContainerChange::Died(exit_code) => {
            if let Some(exits) = app.crashes.ended(&event.id, exit_code) {
                tracing::error!(
                    app = %name, instance, exit_code, exits,
                    "an instance is crash-looping: look at what it printed with `logs`"
                );
            }
        }
        ContainerChange::OutOfMemory => {
            if app.crashes.out_of_memory(&event.id) {
                tracing::error!(
                    app = %name, instance,
                    "an instance ran out of memory and was oom-killed: give it more with `resource:limit --memory`"
                );
            }
        }
        ContainerChange::Health(_) => {}
    }
}
