//! `builds:cancel`.

use clap::Args;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::{Command, Context, Scope, Target};
use crate::model::role::Role;

/// Cancels the builds and deploys of an app that run or wait; what serves goes on serving
#[derive(Debug, Args)]
pub struct Cancel {
    /// The app
    app: String,
    /// Only this one
    build: Option<i64>,
}

impl Command for Cancel {
    const NAME: &'static str = "builds:cancel";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let record = context.target()?;
        let cancelled = context.app.running_builds.cancel(record.id, self.build);
        if cancelled.is_empty() {
            return Err(CommandError::user(format!("App {} is not currently deploying", record.name))
                .hint(format!("See its builds: builds:list {}", record.name)));
        }
        for build in cancelled {
            context.console().step(format!("Cancelling build {build}")).await;
        }
        Ok(0)
    }
}
