//! `apps:rename`.

use clap::Args;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::domains::{warn_of_lost_canonical_host, warn_of_taken};
use crate::commands::{Command, Context, Scope, Target};
use crate::deploy::Work;
use crate::deploy::destroy;
use crate::hooks::Scene;
use crate::model::app_name::AppName;
use crate::model::hook::Hook;
use crate::model::hook::event::Event;
use crate::model::role::Role;
use crate::store::apps::AppRecord;

/// Gives an app another name; its containers are replaced under the new one
#[derive(Debug, Args)]
pub struct Rename {
    /// The app
    old_app: String,
    /// Its new name
    new_app: String,
}

impl Command for Rename {
    const NAME: &'static str = "apps:rename";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Admin;

    fn target(&self) -> Target {
        Target::One(self.old_app.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let record = context.target()?.clone();
        let name: AppName = self.new_app.parse().map_err(CommandError::user)?;
        if context.app.store.app(&name).await?.is_some() {
            return Err(CommandError::user("Name is already taken").hint("Choose another one"));
        }
        context.console().step(format!("Renaming {} to {name}", record.name)).await;
        let restart =
            context.order(&record, Work::Restart(None), &format!("Rename {} to {name}", record.name));
        destroy::rename(&context.app, &record, &name, restart).await?;
        let event = || Event::PostAppRename {
            app: name.clone(),
            old: record.name.clone(),
            by: context.caller.name.clone(),
        };
        context.app.hooks.tell(Hook::PostAppRename, Scene::command(context.console()), event).await;
        warn_of_lost_canonical_host(&context, &name).await?;
        warn_of_taken(&context, &AppRecord { name, ..record }).await?;
        Ok(0)
    }
}
