//! `cron:suspend` and `cron:resume`.

use clap::Args;

use crate::clock;
use crate::command_error::CommandResult;
use crate::commands::cron::task;
use crate::commands::{Command, Context, Scope, Target};
use crate::model::role::Role;

/// Leaves a scheduled task out until it is resumed, also through deploys
#[derive(Debug, Args)]
pub struct Suspend {
    /// The app
    app: String,
    /// The task's id, see `cron:list`
    id: String,
}

/// Has a suspended task run again when it is due; what was due meanwhile is not made up for
#[derive(Debug, Args)]
pub struct Resume {
    /// The app
    app: String,
    /// The task's id, see `cron:list`
    id: String,
}

impl Command for Suspend {
    const NAME: &'static str = "cron:suspend";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        set(&context, &self.id, true).await
    }
}

impl Command for Resume {
    const NAME: &'static str = "cron:resume";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        set(&context, &self.id, false).await
    }
}

async fn set(context: &Context, id: &str, suspended: bool) -> CommandResult {
    let task = task(context, id).await?;
    context.app.store.set_cron_suspended(task.app, &task.id, suspended, clock::unix_seconds()).await?;
    context.app.reconciler.check_cron();
    let done = if suspended { "suspended" } else { "resumed" };
    context.console().step(format!("Task {} is {done}: {}", task.id, task.entry.command)).await;
    if !suspended && task.entry.maintenance {
        context.console().warn("It is left out all the same: app.json says \"maintenance\": true").await;
    }
    Ok(0)
}
