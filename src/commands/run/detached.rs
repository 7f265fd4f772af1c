//! `run:detached`.

use clap::Args;

use crate::command_error::CommandResult;
use crate::commands::run::{DEFAULT_TTL_SECONDS, Request, create, specification};
use crate::commands::{Command, Context, Scope, Target};
use crate::model::role::Role;

/// Runs a command in a new container and does not wait for it
#[derive(Debug, Args)]
pub struct Detached {
    /// An environment variable, KEY=VALUE; may be repeated
    #[arg(short, long = "env", value_name = "KEY=VALUE")]
    env: Vec<String>,
    /// With a terminal, although nobody sits at it
    #[arg(long)]
    force_tty: bool,
    /// Seconds after which it is ended
    #[arg(long, value_name = "SECONDS", default_value_t = DEFAULT_TTL_SECONDS)]
    ttl_seconds: u64,
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
        let request = Request {
            record: context.target()?,
            words: &self.command,
            variables: &self.env,
            ttl_seconds: self.ttl_seconds,
            detached: true,
        };
        let mut spec = specification(&context, &request).await?;
        spec.terminal = self.force_tty;
        let app = context.app.clone();
        let (id, claim) = create(&context, &app, &spec, &request).await?;
        if let Err(error) = app.engine.start(&id).await {
            app.engine.remove(&id).await?;
            app.store.forget_one_off(&id).await?;
            return Err(error.into());
        }
        drop(claim);
        app.reconciler.check_one_offs();
        context.console().line(spec.name).await;
        Ok(0)
    }
}
