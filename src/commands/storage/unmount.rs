//! `storage:unmount`.

use clap::Args;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::storage::mount;
use crate::commands::{Command, Context, Scope, Target, resource};
use crate::model::role::Role;
use crate::store::storage::MountRecord;

/// Takes storage away from an app's containers; what is in it stays
#[derive(Debug, Args)]
pub struct Unmount {
    /// Only for this process type
    #[arg(long, value_name = "PROCESS")]
    process_type: Option<String>,
    /// The directory in the container, if it does not stand behind the colon
    #[arg(long, value_name = "DIRECTORY")]
    container_dir: Option<String>,
    /// The app
    app: String,
    /// As it was mounted
    #[arg(value_name = "SOURCE:DIRECTORY")]
    mount: String,
}

impl Command for Unmount {
    const NAME: &'static str = "storage:unmount";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let record = context.target()?;
        let text = mount::text(&self.mount, self.container_dir.as_deref(), None)?;
        let scope = match &self.process_type {
            Some(name) => Some(name.parse().map_err(CommandError::user)?),
            None => None,
        };
        let is_meant = |mount: &MountRecord| {
            mount.source == text.source
                && mount.target == text.target
                && scope.as_ref().is_none_or(|scope| mount.scope == *scope)
        };
        let mut mounts = context.app.store.mounts(record.id).await?;
        mounts.retain(is_meant);
        if mounts.is_empty() {
            return Err(CommandError::user("Mount path does not exist.")
                .hint(format!("See them: storage:list {}", record.name)));
        }
        for mount in mounts {
            let shown = format!("Unmounting {} from {} of {}", mount.source, mount.target, record.name);
            context.app.store.remove_mount(record.id, mount).await?;
            context.console().step(shown).await;
        }
        resource::tell_when(&context, record).await;
        Ok(0)
    }
}
