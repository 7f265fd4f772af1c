//! `storage:*`: what outlives an app's containers, and where they see it.

pub mod attach;
pub mod create;
pub mod destroy;
pub mod ensure_directory;
pub mod entries;
pub mod list;
pub mod mount;
mod ownership;
pub mod unmount;

use crate::command_error::CommandError;
use crate::commands::Context;
use crate::model::mount::StorageName;
use crate::store::storage::StorageRecord;

/// The storage of that name.
async fn find(context: &Context, name: &str) -> Result<StorageRecord, CommandError> {
    let name: StorageName = name.parse().map_err(CommandError::user)?;
    let all = context.app.store.storage().await?;
    all.into_iter().find(|record| record.name == name).ok_or_else(|| {
        CommandError::user(format!("There is no storage {name}"))
            .hint(format!("Make it: storage:create {name}, or see what there is: storage:list-entries"))
    })
}
