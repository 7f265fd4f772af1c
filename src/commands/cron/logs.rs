//! `cron:logs`.

use std::io;

use clap::Args;
use futures_util::StreamExt as _;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::cron::numbered;
use crate::commands::logs::{server_stops, stopping};
use crate::commands::{Command, Context, Scope, Target};
use crate::cron::history;
use crate::docker::logs::LogOptions;
use crate::docker::output::StandardStream;
use crate::model::container_id::ContainerId;
use crate::model::cron::CronStatus;
use crate::model::role::Role;

/// Prints what a run of a scheduled task printed, or has printed up to now
#[derive(Debug, Args)]
pub struct Logs {
    /// Follow the output of a run that goes on until it ends
    #[arg(short, long)]
    tail: bool,
    /// The app
    app: String,
    /// The run's number, see `cron:history`
    run: String,
}

impl Command for Logs {
    const NAME: &'static str = "cron:logs";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Viewer;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let run = numbered(&context, &self.run).await?;
        if let (CronStatus::Running, Some(container)) = (run.status, &run.container) {
            if self.tail {
                context.io.presence.rest();
            }
            let print = self.print_running(&context, container);
            tokio::select! {
                result = print => result?,
                () = context.io.client_gone.cancelled() => {}
                () = server_stops(&context.app), if self.tail => return Err(stopping()),
            }
            return Ok(0);
        }
        match tokio::fs::read(history::path(&context.app.settings.root, run.id)).await {
            Ok(bytes) => context.console().stdout(bytes).await,
            // It never began.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                return Err(CommandError::internal("The output of that run cannot be read", error));
            }
        }
        if let Some(note) = run.note {
            context.console().warn(format!("{}: {note}", run.status)).await;
        }
        Ok(0)
    }
}

impl Logs {
    async fn print_running(&self, context: &Context, container: &ContainerId) -> Result<(), CommandError> {
        let options = LogOptions { follow: self.tail, ..LogOptions::default() };
        let mut chunks = context.app.engine.logs(container, options).await?;
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk?;
            match chunk.stream {
                StandardStream::Stdout => context.console().stdout(chunk.bytes).await,
                StandardStream::Stderr => context.console().stderr(chunk.bytes).await,
            }
        }
        Ok(())
    }
}
