//! `network:create`.

use clap::Args;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::network::choice;
use crate::commands::{Command, Context, Scope, Target};
use crate::docker::error::EngineError;
use crate::model::role::Role;

/// Makes a network that apps can join: network:set APP attach-post-create NETWORK
#[derive(Debug, Args)]
pub struct Create {
    /// Its name
    network: String,
}

impl Command for Create {
    const NAME: &'static str = "network:create";
    const SCOPE: Scope = Scope::Server;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::Server
    }

    async fn run(self, context: Context) -> CommandResult {
        choice::check_name(&self.network)?;
        let exists = || {
            CommandError::user(format!("Network {} already exists", self.network))
                .hint("Choose another name, or see what it is: network:info NETWORK")
        };
        if context.app.engine.user_network(&self.network).await?.is_some() {
            return Err(exists());
        }
        context.console().step(format!("Creating network {}", self.network)).await;
        match context.app.engine.create_user_network(&self.network).await {
            Err(EngineError::Conflict(_)) => Err(exists()),
            made => Ok(made.map(|()| 0)?),
        }
    }
}
