//! `links:remove`.

use clap::Args;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::{Command, Context, Scope, Target, links};
use crate::model::role::Role;

/// Takes a link back, and its config var with it
#[derive(Debug, Args)]
pub struct Remove {
    /// Do not restart the app
    #[arg(long)]
    no_restart: bool,
    /// The app that reaches
    app: String,
    /// The app that is reached
    other: String,
}

impl Command for Remove {
    const NAME: &'static str = "links:remove";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let record = context.target()?.clone();
        let all = context.app.store.links().await?;
        let own: Vec<_> = all.into_iter().filter(|link| link.app == record.id).collect();
        // By the link alone: whoever may change the app may have it reach less.
        let Some(link) = own.iter().find(|link| link.target_name.as_str() == self.other) else {
            let names: Vec<&str> = own.iter().map(|link| link.target_name.as_str()).collect();
            let known = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            return Err(CommandError::user(format!("{} is not linked to {}", record.name, self.other))
                .hint(format!("Its links: {known}")));
        };
        context.console().step(format!("Removing the link of {} to {}", record.name, self.other)).await;
        context.app.store.remove_link(link).await?;
        links::restart(&context, &link.key, false, self.no_restart).await?;
        context.app.reconciler.check_containers();
        Ok(0)
    }
}
