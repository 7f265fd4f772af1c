//! `ps:set`.

use clap::Args;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::property::{self, Property, check_boolean, check_path};
use crate::commands::ps::check_process_types;
use crate::commands::{Command, Context, Scope, Target};
use crate::deploy::stop_first;
use crate::docker::container::RestartPolicy;
use crate::formats::procfile;
use crate::model::process_type::ProcessType;
use crate::model::role::Role;
use crate::run::policy;

/// The longest that an instance may take to end, in seconds: a day.
const LONGEST: u32 = 86_400;
/// The property that a process type can have of its own.
const OF_TYPES: &str = "stop-timeout-seconds";

/// What can be set of an app's processes.
pub const PROPERTIES: &[Property] = &[
    Property { key: "restart-policy", name: policy::RESTART, check: check_restart_policy },
    Property { key: OF_TYPES, name: policy::STOP_TIMEOUT, check: check_seconds },
    Property { key: "drain-timeout-seconds", name: policy::DRAIN_TIMEOUT, check: check_seconds },
    Property { key: "deploy-strategy", name: stop_first::STRATEGY, check: check_strategy },
    Property { key: "restore", name: "restore", check: check_boolean },
    Property { key: "skip-deploy", name: "skip-deploy", check: check_boolean },
    Property { key: "procfile-path", name: "procfile-path", check: check_path },
    Property { key: "start-cmd", name: "start-cmd", check: check_command },
    Property { key: "dockerfile-start-cmd", name: "dockerfile-start-cmd", check: check_command },
];

/// Sets how an app's processes run: restart-policy, stop-timeout-seconds, drain-timeout-seconds,
/// deploy-strategy (start-first or stop-first), restore, skip-deploy, procfile-path, start-cmd
#[derive(Debug, Args)]
pub struct Set {
    /// Only for this process type (stop-timeout-seconds)
    #[arg(long, value_name = "TYPE")]
    process_type: Option<String>,
    #[command(flatten)]
    arguments: property::SetArguments,
}

impl Command for Set {
    const NAME: &'static str = "ps:set";
    const SCOPE: Scope = Scope::AppOrServer;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        self.arguments.target()
    }

    async fn run(self, context: Context) -> CommandResult {
        match &self.process_type {
            None => property::set(&context, &self.arguments, PROPERTIES).await,
            Some(process_type) => {
                let process_type = process_type.parse().map_err(CommandError::user)?;
                set_of_type(&context, &self.arguments, &process_type).await
            }
        }
    }
}

async fn set_of_type(
    context: &Context,
    arguments: &property::SetArguments,
    process_type: &ProcessType,
) -> CommandResult {
    let record = context.target().map_err(|_| {
        CommandError::user("A process type belongs to one app").hint("Name the app instead of --global")
    })?;
    let (key, value) = arguments.key_and_value();
    if key != OF_TYPES {
        return Err(CommandError::user(format!("--process-type goes with {OF_TYPES} only")));
    }
    check_process_types(context, record, [process_type]).await?;
    let name = policy::stop_timeout_property(process_type);
    if value.is_empty() {
        context.app.store.set_property(Some(record.id), name, None).await?;
        context.console().headline(format!("Unsetting {key} of {process_type}")).await;
        return Ok(0);
    }
    check_seconds(&value)?;
    context.console().headline(format!("Setting {key} of {process_type} to {value}")).await;
    context.app.store.set_property(Some(record.id), name, Some(value)).await?;
    Ok(0)
}

fn check_restart_policy(value: &str) -> Result<(), CommandError> {
    match value.parse::<RestartPolicy>() {
        Ok(_) => Ok(()),
        Err(error) => Err(CommandError::user("Invalid restart-policy specified").hint(error)),
    }
}

fn check_strategy(value: &str) -> Result<(), CommandError> {
    match value {
        "start-first" | "stop-first" => Ok(()),
        _ => Err(CommandError::user(format!("{value} is no way to replace instances"))
            .hint("Write start-first, or stop-first where two instances cannot run at a time")),
    }
}

fn check_seconds(value: &str) -> Result<(), CommandError> {
    match value.parse::<u32>() {
        Ok(seconds) if seconds <= LONGEST => Ok(()),
        _ => Err(CommandError::user(format!("{value} is not a number of seconds from 0 to {LONGEST}"))),
    }
}

fn check_command(value: &str) -> Result<(), CommandError> {
    match procfile::split(value) {
        Some(words) if !words.is_empty() => Ok(()),
        _ => Err(CommandError::user("a quote or a backslash is left open in the command")),
    }
}
