//! `run`.

use std::time::Duration;

use clap::Args;
use tokio::time::sleep;

use crate::command_error::CommandResult;
use crate::commands::run::stream::{Controls, Until, relay};
use crate::commands::run::{DEFAULT_TTL_SECONDS, Request, create, specification, terminal_environment};
use crate::commands::{Command, Context, Scope, Target};
use crate::docker::container::OutputLog;
use crate::model::container_id::ContainerId;
use crate::model::role::Role;

/// Between SIGTERM and SIGKILL for a process whose time is over.
const STOP: Duration = Duration::from_secs(10);

/// Runs a command in a new container of the app's current release
#[derive(Debug, Args)]
pub struct Run {
    /// An environment variable, KEY=VALUE; may be repeated
    #[arg(short, long = "env", value_name = "KEY=VALUE")]
    env: Vec<String>,
    /// No terminal, even if the client has one
    #[arg(long)]
    no_tty: bool,
    /// With a terminal, even if the client has none
    #[arg(long, conflicts_with = "no_tty")]
    force_tty: bool,
    /// Seconds after which it is ended
    #[arg(long, value_name = "SECONDS", default_value_t = DEFAULT_TTL_SECONDS)]
    ttl_seconds: u64,
    /// The app
    app: String,
    /// The command, or a process type of the Procfile; a shell if not given
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
}

impl Command for Run {
    const NAME: &'static str = "run";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Deployer;
    const TAKES_SIGNALS: bool = true;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, mut context: Context) -> CommandResult {
        let record = context.target()?.clone();
        let words = if self.command.is_empty() { vec!["/bin/sh".to_owned()] } else { self.command };
        let request = Request {
            record: &record,
            words: &words,
            variables: &self.env,
            ttl_seconds: self.ttl_seconds,
            detached: false,
        };
        let mut spec = specification(&context, &request).await?;
        if self.no_tty {
            context.io.terminal = None;
        }
        for (key, value) in terminal_environment(context.io.terminal.as_ref()) {
            // What the app itself sets wins.
            spec.environment.entry(key).or_insert(value);
        }
        spec.terminal = self.force_tty || context.io.terminal.is_some();
        spec.stdin = true;
        spec.log = OutputLog::Off;
        let app = context.app.clone();
        let (id, claim) = create(&context, &app, &spec, &request).await?;
        let running = attach_and_run(context, &id, Duration::from_secs(self.ttl_seconds));
        let result = running.await;
        // Whatever happened, nothing is left behind; what this cannot remove the reconciler does.
        if let Err(error) = app.engine.remove(&id).await {
            tracing::warn!(app = %record.name, %error, "a one-off container was not removed");
        }
        if let Err(error) = app.store.forget_one_off(&id).await {
            tracing::warn!(app = %record.name, %error, "a one-off container is still recorded");
        }
        drop(claim);
        result
    }
}

async fn attach_and_run(context: Context, id: &ContainerId, limit: Duration) -> CommandResult {
    let engine = context.app.engine.clone();
    let attached = engine.attach(id).await?;
    engine.start(id).await?;
    let console = context.io.console.clone();
    let gone = context.io.client_gone.clone();
    let controls = Controls::Container { engine: engine.clone(), id: id.clone() };
    let until = tokio::select! {
        until = relay(context.io, attached, &controls) => until?,
        () = gone.cancelled() => Until::ClientGone,
        () = sleep(limit) => Until::TimeOver,
    };
    match until {
        Until::OutputEnded => {
            let code = engine.wait(id).await?;
            Ok(u8::try_from(code).unwrap_or(1))
        }
        Until::ClientGone => Ok(1),
        Until::TimeOver => {
            engine.stop(id, STOP).await?;
            console.warn(format!("Ended after {} s (--ttl-seconds)", limit.as_secs())).await;
            Ok(124)
        }
    }
}
