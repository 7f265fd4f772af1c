//! `storage:destroy`.

use std::path::Path;

use clap::Args;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::confirm::confirm;
use crate::commands::storage::find;
use crate::commands::{Command, Context, Scope, Target};
use crate::docker::error::EngineError;
use crate::model::role::Role;
use crate::run::directories;
use crate::store::storage::{Place, StorageRecord};

/// Destroys storage that no app mounts any more, with all that is in it
#[derive(Debug, Args)]
pub struct Destroy {
    /// Its name
    name: String,
    /// Do not ask for the storage's name
    #[arg(long)]
    force: bool,
    /// A directory of the host as well: without it only its name is forgotten
    #[arg(long)]
    destroy_host_dir: bool,
}

impl Command for Destroy {
    const NAME: &'static str = "storage:destroy";
    const SCOPE: Scope = Scope::Server;
    const ROLE: Role = Role::Admin;

    fn target(&self) -> Target {
        Target::Server
    }

    async fn run(self, mut context: Context) -> CommandResult {
        let record = find(&context, &self.name).await?;
        refuse_if_mounted(&context, &record).await?;
        if !self.force {
            self.confirm(&mut context, &record).await?;
            // Somebody may have mounted it while it was asked for.
            refuse_if_mounted(&context, &record).await?;
        }
        context.console().step(format!("Destroying storage {}", record.name)).await;
        match &record.place {
            Place::Volume(volume) => remove_volume(&context, volume).await?,
            Place::Directory { path, root } if self.destroy_host_dir => {
                let (path, root) = (path.clone(), root.clone());
                let removal = move || directories::remove(Path::new(&root), Path::new(&path));
                let removed = tokio::task::spawn_blocking(removal).await;
                removed.map_err(|error| CommandError::internal("The directory was not removed", error))??;
            }
            Place::Directory { path, .. } => {
                context.console().detail(format!("{path} stays (--destroy-host-dir removes it)")).await;
            }
        }
        context.app.store.delete_storage(&record.name).await?;
        Ok(0)
    }
}

impl Destroy {
    async fn confirm(&self, context: &mut Context, record: &StorageRecord) -> Result<(), CommandError> {
        let name = record.name.as_str();
        let lost = match &record.place {
            Place::Volume(_) => "All data in it will be lost.",
            Place::Directory { .. } if self.destroy_host_dir => {
                "The directory and all data in it will be lost."
            }
            Place::Directory { .. } => "The directory and its data stay.",
        };
        context.console().warn(lost).await;
        confirm(context, "storage", name, &format!("storage:destroy --force {name}")).await
    }
}

async fn refuse_if_mounted(context: &Context, record: &StorageRecord) -> Result<(), CommandError> {
    let mounts = context.app.store.all_mounts().await?;
    let by = mounts.iter().filter(|(_, mount)| mount.place == record.place);
    let mut apps: Vec<&str> = by.map(|(app, _)| app.as_str()).collect();
    apps.dedup();
    let Some(first) = apps.first() else { return Ok(()) };
    Err(CommandError::user(format!("Storage {} is mounted by {}", record.name, apps.join(", ")))
        .hint(format!("Unmount it first: storage:unmount {first} {}:/DIRECTORY", record.name)))
}

async fn remove_volume(context: &Context, volume: &str) -> Result<(), CommandError> {
    match context.app.engine.remove_volume(volume).await {
        Err(EngineError::Conflict(message)) => {
            Err(CommandError::user(format!("It is still in use: {message}"))
                .hint("Old instances have it until they are gone: ps:restart APP, then try again"))
        }
        removed => Ok(removed?),
    }
}
