//! `ssh-keys:remove`.

use clap::Args;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::{Command, Context, Scope, Target};
use crate::model::role::Role;

/// Removes a key; it opens nothing any more, also on connections that are open
#[derive(Debug, Args)]
pub struct Remove {
    /// Name the key by its fingerprint
    #[arg(long, conflicts_with = "name")]
    fingerprint: Option<String>,
    /// The key's name
    #[arg(required_unless_present = "fingerprint")]
    name: Option<String>,
}

impl Command for Remove {
    const NAME: &'static str = "ssh-keys:remove";
    const SCOPE: Scope = Scope::Server;
    const ROLE: Role = Role::Admin;

    fn target(&self) -> Target {
        Target::Nothing
    }

    async fn run(self, context: Context) -> CommandResult {
        let which = self.fingerprint.or(self.name).ok_or_else(|| CommandError::user("Name a key"))?;
        if context.app.store.remove_key(&which).await? {
            context.console().step(format!("Removed the key {which}")).await;
        } else {
            context.console().warn(format!("There is no key {which}")).await;
        }
        Ok(0)
    }
}
