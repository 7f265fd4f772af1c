//! `ENGINE:logs`.

use clap::Args;
use futures_util::StreamExt as _;

use crate::command_error::CommandResult;
use crate::commands::{Command, Context, Scope, Target};
use crate::docker::logs::LogOptions;
use crate::docker::output::StandardStream;
use crate::model::role::Role;
use crate::services::exec;

/// Shows what a service has printed
#[derive(Debug, Args)]
pub struct Logs {
    /// Go on with what is printed from now on
    #[arg(short, long)]
    tail: bool,
    /// The service
    service: String,
    /// How many of the last lines
    #[arg(default_value_t = 100)]
    num: u32,
}

impl Command for Logs {
    const NAME: &'static str = "service:logs";
    const SCOPE: Scope = Scope::Service;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::Service(self.service.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let container = exec::container(context.service()?)?;
        let options = LogOptions { follow: self.tail, tail: Some(self.num), ..LogOptions::default() };
        let mut log = context.app.engine.service_log(container, options).await?;
        let console = context.console();
        // From here on it takes the engine and the client, and no server's state.
        context.io.presence.rest();
        let gone = context.io.client_gone.clone();
        while let Some(Some(chunk)) = gone.run_until_cancelled(log.next()).await {
            let chunk = chunk?;
            match chunk.stream {
                StandardStream::Stdout => console.stdout(chunk.bytes).await,
                StandardStream::Stderr => console.stderr(chunk.bytes).await,
            }
        }
        Ok(0)
    }
}
