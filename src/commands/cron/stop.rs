//! `cron:stop`.

use clap::Args;

use crate::app::cron_runs::Ending;
use crate::command_error::{CommandError, CommandResult};
use crate::commands::cron::numbered;
use crate::commands::{Command, Context, Scope, Target};
use crate::model::cron::CronStatus;
use crate::model::role::Role;

/// Ends a run of a scheduled task: SIGTERM, and SIGKILL after ten seconds
#[derive(Debug, Args)]
pub struct Stop {
    /// The app
    app: String,
    /// The run's number, see `cron:history`
    run: String,
}

impl Command for Stop {
    const NAME: &'static str = "cron:stop";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let run = numbered(&context, &self.run).await?;
        if run.status != CronStatus::Running {
            return Err(CommandError::user(format!("Run {} has ended: {}", run.id, run.status)));
        }
        context.console().step(format!("Stopping run {} of task {}", run.id, run.task)).await;
        context.app.cron_runs.end(run.id, Ending::Stopped).await;
        Ok(0)
    }
}
