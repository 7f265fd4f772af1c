//! `run:detached`.

use clap::Args;

use crate::command_error::CommandResult;
use crate::commands::run::specification;
use crate::commands::{Command, Context, Scope, Target};
use crate::docker::container::OutputLog;
use crate::model::role::Role;

/// Runs a command in a new container and does not wait for it
#[derive(Debug, Args)]
pub struct Detached {
    /// An environment variable, KEY=VALUE; may be repeated
    #[arg(short, long = "env", value_name = "KEY=VALUE")]
    env: Vec<String>,
    /// The app
    app: String,
    /// The command, or a process type of the Procfile
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
}

impl Command for Detached {
    const NAME: &'static str = "run:detached";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let record = context.target()?.clone();
        let mut spec = specification(&context, &record, &self.command, &self.env).await?;
        spec.log = OutputLog::Rotated;
        let engine = &context.app.engine;
        let id = engine.create(&spec).await?;
        if let Err(error) = engine.start(&id).await {
            engine.remove(&id).await?;
            return Err(error.into());
        }
        context.console().line(spec.name).await;
        Ok(0)
    }
}
