//! `checks:{enable,disable,skip}`: which process types are checked.

use clap::Args;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::{Command, Context, Scope, Target};
use crate::deploy::checks::{DISABLED, SKIPPED, selection};
use crate::model::process_selection::ProcessSelection;
use crate::model::role::Role;

/// Checks new instances again, and starts them before the old ones stop
#[derive(Debug, Args)]
pub struct Enable {
    /// The app
    app: String,
    /// For example web,worker; all if not given
    #[arg(value_name = "PROCESS-TYPES")]
    process_types: Option<String>,
}

/// Stops old instances before new ones start, which are not checked: requests have to wait
#[derive(Debug, Args)]
pub struct Disable {
    /// The app
    app: String,
    /// For example web,worker; all if not given
    #[arg(value_name = "PROCESS-TYPES")]
    process_types: Option<String>,
}

/// Does not wait for new instances to be healthy before they get requests
#[derive(Debug, Args)]
pub struct Skip {
    /// The app
    app: String,
    /// For example web,worker; all if not given
    #[arg(value_name = "PROCESS-TYPES")]
    process_types: Option<String>,
}

/// What becomes of the process types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Choice {
    Enable,
    Disable,
    Skip,
}

impl Command for Enable {
    const NAME: &'static str = "checks:enable";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        choose(&context, self.process_types, Choice::Enable).await
    }
}

impl Command for Disable {
    const NAME: &'static str = "checks:disable";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        choose(&context, self.process_types, Choice::Disable).await
    }
}

impl Command for Skip {
    const NAME: &'static str = "checks:skip";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        choose(&context, self.process_types, Choice::Skip).await
    }
}

async fn choose(context: &Context, process_types: Option<String>, choice: Choice) -> CommandResult {
    let record = context.target()?;
    let chosen: ProcessSelection = match &process_types {
        Some(list) => list.parse().map_err(|error| {
            CommandError::user(error).hint(format!("For example: checks:skip {} web,worker", record.name))
        })?,
        None => ProcessSelection::All,
    };
    let (doing, list) = match choice {
        Choice::Enable => ("Enabling zero downtime", None),
        Choice::Disable => ("Disabling zero downtime", Some(DISABLED)),
        Choice::Skip => ("Skipping zero downtime", Some(SKIPPED)),
    };
    let what = match &chosen {
        ProcessSelection::All => format!("{doing} for app ({})", record.name),
        some => format!("{doing} for app's ({}) proctypes ({some})", record.name),
    };
    let store = &context.app.store;
    let mut changes = Vec::new();
    for property in [DISABLED, SKIPPED] {
        let before = selection(store, record.id, property).await?;
        let all_minus_some = before == ProcessSelection::All && chosen != ProcessSelection::All;
        if all_minus_some && list != Some(property) {
            return Err(CommandError::user(format!(
                "{property} holds for all process types of {}",
                record.name
            ))
            .hint(format!("Enable all first: checks:enable {}", record.name)));
        }
        // In one list at most: whoever skips what was disabled has it started first again.
        let after = if list == Some(property) { before.with(&chosen) } else { before.without(&chosen) };
        changes.push((property, Some(after).filter(|after| !after.is_empty())));
    }
    context.console().step(what).await;
    for (property, after) in changes {
        store.set_property(Some(record.id), property, after.map(|after| after.to_string())).await?;
    }
    if choice == Choice::Disable {
        let warning =
            "From the next deploy on, old instances stop before new ones start: requests have to wait";
        context.console().warn(warning).await;
    }
    Ok(0)
}
