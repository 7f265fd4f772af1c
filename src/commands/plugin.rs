//! `plugin:*`: which plugins there are, where they come from, what they may do.

pub mod info;
pub mod install;
pub mod list;
pub mod new;
pub mod report;
mod request;
pub mod set;
mod staging;
pub mod subcommand;
pub mod trigger;
pub mod uninstall;
pub mod update;

use crate::command_error::CommandError;
use crate::commands::Context;
use crate::model::plugin::{PluginName, PluginRecord};

/// What is recorded of the plugin of that name.
async fn record(context: &Context, name: &str) -> Result<PluginRecord, CommandError> {
    let missing = || {
        CommandError::user(format!("Plugin {name} does not exist"))
            .hint("See those that there are: plugin:list")
    };
    let name: PluginName = name.parse().map_err(|_| missing())?;
    let records = context.app.store.plugins().await?;
    records.into_iter().find(|record| record.name == name).ok_or_else(missing)
}

/// Reads all plugins anew, as they are recorded.
async fn reload(context: &Context) -> Result<(), CommandError> {
    let records = context.app.store.plugins().await?;
    let plugins = context.app.plugins.clone();
    blocking(move || plugins.reload(&records)).await
}

/// Files of plugins could not be written.
fn files(error: std::io::Error) -> CommandError {
    CommandError::internal("The files of plugins cannot be changed", error)
}

/// Does something with files, on a thread that may wait for them.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, CommandError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| CommandError::internal("The files of plugins cannot be worked on", error))
}
