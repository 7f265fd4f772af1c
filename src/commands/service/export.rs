//! `ENGINE:export`.

use clap::Args;
use futures_util::StreamExt as _;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::{Command, Context, Scope, Target};
use crate::model::role::Role;
use crate::services::dump;
use crate::services::program::unless_gone;

/// Writes a dump of all that a service holds to standard output
#[derive(Debug, Args)]
pub struct Export {
    /// Write it to a terminal as well
    #[arg(short, long)]
    force: bool,
    /// The service
    service: String,
}

impl Command for Export {
    const NAME: &'static str = "service:export";
    const SCOPE: Scope = Scope::Service;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::Service(self.service.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let service = context.service()?;
        if context.io.terminal.is_some() && !self.force {
            let (engine, name) = (&service.record.engine, &service.record.name);
            return Err(CommandError::user("A dump is not for a terminal")
                .hint(format!("Write it to a file: {engine}:export {name} > {name}.dump")));
        }
        let dump = dump::begin(&context.app, service).await?;
        let mut dump = unless_gone(dump, context.io.client_gone.clone());
        while let Some(chunk) = dump.next().await {
            let chunk = chunk.map_err(|error| {
                CommandError::user(format!("The dump of {service} broke off: {error}"))
                    .hint("What was written is not whole")
            })?;
            context.console().stdout(chunk).await;
        }
        Ok(0)
    }
}
