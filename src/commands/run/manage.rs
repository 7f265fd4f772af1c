//! `run:stop`, `run:retire`: the ends of one-off containers.

use std::time::Duration;

use clap::Args;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::run::named::{OneOffContainer, Which, of_app};
use crate::commands::{Command, Context, Scope, Target};
use crate::docker::facts::RunState;
use crate::model::role::Role;

/// How long a one-off process has between SIGTERM and SIGKILL.
const STOP: Duration = Duration::from_secs(10);

/// Stops and removes one-off containers of an app
#[derive(Debug, Args)]
pub struct Stop {
    #[command(flatten)]
    which: Which,
}

impl Command for Stop {
    const NAME: &'static str = "run:stop";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        self.which.target()
    }

    async fn run(self, context: Context) -> CommandResult {
        let found = self.which.find(&context).await?;
        if found.is_empty() {
            let name = &context.target()?.name;
            context.console().step(format!("App {name} has no one-off containers")).await;
        }
        for container in found {
            context.console().step(format!("Stopping {}", container.record.name)).await;
            context.app.engine.stop(&container.facts.id, STOP).await?;
            remove(&context, &container).await?;
        }
        Ok(0)
    }
}

/// Removes one-off containers that have ended, of one app or of all, without waiting for their time
#[derive(Debug, Args)]
pub struct Retire {
    /// The app
    app: Option<String>,
}

impl Command for Retire {
    const NAME: &'static str = "run:retire";
    const SCOPE: Scope = Scope::Apps;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        self.app.clone().map_or(Target::Every, Target::One)
    }

    async fn run(self, mut context: Context) -> CommandResult {
        for record in std::mem::take(&mut context.targets) {
            context.targets = vec![record];
            let found = of_app(&context).await?;
            for container in found.iter().filter(|found| matches!(found.facts.state, RunState::Exited(_))) {
                context.console().step(format!("Removing {}", container.record.name)).await;
                remove(&context, container).await?;
            }
        }
        Ok(0)
    }
}

async fn remove(context: &Context, container: &OneOffContainer) -> Result<(), CommandError> {
    context.app.engine.remove(&container.facts.id).await?;
    context.app.store.forget_one_off(&container.record.container).await?;
    Ok(())
}
