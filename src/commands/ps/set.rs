//! `ps:set`.

use clap::Args;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::property::{self, Property, SetArguments};
use crate::commands::{Command, Context, Scope, Target};
use crate::deploy::stop_first;
use crate::model::role::Role;

/// What `ps:set` sets.
pub static PROPERTIES: &[Property] =
    &[Property { key: "deploy-strategy", name: stop_first::STRATEGY, check: check_strategy }];

/// Sets or unsets how an app's instances run: deploy-strategy (start-first or stop-first)
#[derive(Debug, Args)]
pub struct Set {
    #[command(flatten)]
    arguments: SetArguments,
}

impl Command for Set {
    const NAME: &'static str = "ps:set";
    const SCOPE: Scope = Scope::AppOrServer;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        self.arguments.target()
    }

    async fn run(self, context: Context) -> CommandResult {
        property::set(&context, &self.arguments, PROPERTIES).await
    }
}

fn check_strategy(value: &str) -> Result<(), CommandError> {
    match value {
        "start-first" | "stop-first" => Ok(()),
        _ => Err(CommandError::user(format!("{value} is no way to replace instances"))
            .hint("Write start-first, or stop-first where two instances cannot run at a time")),
    }
}
