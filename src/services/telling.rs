//! What plugins are told of backups and restores.

use crate::app::App;
use crate::command_error::CommandError;
use crate::console::Console;
use crate::hooks::Scene;
use crate::model::hook::Hook;
use crate::model::hook::event::Event;
use crate::services::Service;

/// What was done, or was to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// A backup.
    Backup,
    /// A restore, an import, a clone.
    Restore,
}

/// Tells plugins how it went; `good` says it where it went well.
pub async fn tell<T>(
    app: &App,
    service: &Service,
    deed: Deed,
    (result, good): (&Result<T, CommandError>, &str),
    console: &Console,
) {
    let (engine, name) = (service.record.engine.to_string(), service.record.name.to_string());
    let (succeeded, outcome) = match result {
        Ok(_) => (true, good.to_owned()),
        Err(error) => (false, error.lines().lines().next().unwrap_or_default().to_owned()),
    };
    let scene = Scene::command(console);
    match deed {
        Deed::Backup => {
            let event = || Event::PostBackup { engine, service: name, succeeded, outcome };
            app.hooks.tell(Hook::PostBackup, scene, event).await;
        }
        Deed::Restore => {
            let event = || Event::PostRestore { engine, service: name, succeeded, outcome };
            app.hooks.tell(Hook::PostRestore, scene, event).await;
        }
    }
}
