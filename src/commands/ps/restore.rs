//! `ps:restore`.

use clap::Args;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::turns::{AtOnce, Turn, take_turns};
use crate::commands::{Command, Context, Scope, Target};
use crate::console::Console;
use crate::deploy::{self, Order, Work};
use crate::model::role::Role;
use crate::store::apps::AppRecord;

/// Starts what should run and does not, of one app or of all
#[derive(Debug, Args)]
pub struct Restore {
    #[command(flatten)]
    at_once: AtOnce,
    /// The app; all if not given
    app: Option<String>,
}

impl Command for Restore {
    const NAME: &'static str = "ps:restore";
    const SCOPE: Scope = Scope::Apps;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        self.app.as_ref().map_or(Target::Every, |app| Target::One(app.clone()))
    }

    async fn run(self, context: Context) -> CommandResult {
        if self.app.is_some()
            && let Some(record) = context.targets.iter().find(|record| record.current_release.is_none())
        {
            return Err(CommandError::not_deployed(&record.name));
        }
        let records: Vec<AppRecord> =
            context.targets.iter().filter(|record| record.current_release.is_some()).cloned().collect();
        take_turns(&context, &records, self.at_once, &Restoring).await
    }
}

struct Restoring;

impl Turn for Restoring {
    async fn on(&self, context: &Context, record: &AppRecord, console: Console) -> Result<(), CommandError> {
        let name = &record.name;
        if record.stopped {
            console.step(format!("Skipping {name}: it was stopped (ps:start {name})")).await;
            return Ok(());
        }
        let restore = context.app.store.computed_property(record.id, "restore").await?;
        if restore.as_deref() == Some("false") {
            console.step(format!("Skipping {name}: restore is false (ps:set {name} restore)")).await;
            return Ok(());
        }
        console.step(format!("Restoring {name}")).await;
        let order = context.order(record, Work::Replace, "Restore");
        Ok(deploy::run(&context.app, Order { console, ..order }).await?)
    }
}
