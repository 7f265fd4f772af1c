//! `apps:lock`, `apps:unlock`, `apps:locked`: a person's own lock against deploys.

use clap::Args;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::{Command, Context, Scope, Target};
use crate::model::role::Role;

/// Refuses deploys of an app until apps:unlock
#[derive(Debug, Args)]
pub struct Lock {
    /// The app
    app: String,
}

impl Command for Lock {
    const NAME: &'static str = "apps:lock";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        context.app.store.set_locked(context.target()?.id, true).await?;
        context.console().step("Deploy lock created").await;
        Ok(0)
    }
}

/// Allows deploys of an app again
#[derive(Debug, Args)]
pub struct Unlock {
    /// The app
    app: String,
}

impl Command for Unlock {
    const NAME: &'static str = "apps:unlock";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        context.app.store.set_locked(context.target()?.id, false).await?;
        context.console().step("Deploy lock removed").await;
        Ok(0)
    }
}

/// Says by its exit status whether deploys of an app are refused
#[derive(Debug, Args)]
pub struct Locked {
    /// The app
    app: String,
}

impl Command for Locked {
    const NAME: &'static str = "apps:locked";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Viewer;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        if !context.target()?.locked {
            return Err(CommandError::user("Deploy lock does not exist"));
        }
        context.console().line("Deploy lock exists").await;
        Ok(0)
    }
}
