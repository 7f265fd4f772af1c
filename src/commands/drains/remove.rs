//! `drains:remove`.

use clap::Args;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::{Command, Context, Scope, Target};
use crate::hooks::Scene;
use crate::model::hook::Hook;
use crate::model::hook::event::Event;
use crate::model::role::Role;

/// Ends the sending of an app's log to a drain
#[derive(Debug, Args)]
pub struct Remove {
    /// The app
    app: String,
    /// Its number in drains:list, or its URL
    #[arg(value_name = "NUMBER|URL")]
    drain: String,
}

impl Command for Remove {
    const NAME: &'static str = "drains:remove";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let record = context.target()?;
        let drains = context.app.store.drains(Some(record.id)).await?;
        let found = drains
            .into_iter()
            .find(|drain| drain.id.to_string() == self.drain || drain.url.expose() == self.drain);
        // What was typed is not repeated: it may be a URL with a password.
        let unknown = || {
            CommandError::user(format!("{} has no such drain", record.name))
                .hint(format!("See them: drains:list {}", record.name))
        };
        let drain = found.ok_or_else(unknown)?;
        context.app.store.remove_drain(drain.id).await?;
        context.app.drains.changed();
        let event = || Event::PostDrainsUpdate {
            app: record.name.clone(),
            by: context.caller.name.clone(),
            action: "remove".to_owned(),
        };
        context.app.hooks.tell(Hook::PostDrainsUpdate, Scene::command(context.console()), event).await;
        context.console().step(format!("Removed drain {} of {}: {}", drain.id, record.name, drain.url)).await;
        Ok(0)
    }
}
