//! `storage:ensure-directory`.

use clap::Args;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::storage::ownership;
use crate::commands::{Command, Context, Scope, Target};
use crate::model::mount::StorageName;
use crate::model::role::Role;
use crate::run::directories;

/// Makes a directory of the host that apps can mount, and gives it to the user that they run as
#[derive(Debug, Args)]
pub struct EnsureDirectory {
    /// The owner: herokuish, heroku, paketo, root, false, UID or UID:GID
    #[arg(long, value_name = "OWNER", default_value = "herokuish")]
    chown: String,
    /// Its name below the storage root
    #[arg(value_name = "NAME")]
    directory: String,
}

impl Command for EnsureDirectory {
    const NAME: &'static str = "storage:ensure-directory";
    const SCOPE: Scope = Scope::Server;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::Server
    }

    async fn run(self, context: Context) -> CommandResult {
        let root = context.app.settings.storage_root();
        // The whole path will do as well, since that is what mounts are written with.
        let below = self.directory.strip_prefix(&format!("{}/", root.display())).unwrap_or(&self.directory);
        let name: StorageName = below.parse().map_err(CommandError::user)?;
        let owner = ownership::parse(&self.chown)?;
        let console = context.console();
        let path = directories::ensure(&root, name.as_str(), owner)?;
        console.step(format!("Ensuring {} exists", path.display())).await;
        if let Some((user, group)) = owner {
            console.detail(format!("Setting directory ownership to {user}:{group}")).await;
        }
        let mount = format!("Mount it: storage:mount APP {}:/DIRECTORY", path.display());
        console.detail(format!("Directory ready for mounting\n{mount}")).await;
        Ok(0)
    }
}
