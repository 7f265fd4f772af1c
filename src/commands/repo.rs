//! `repo:purge-cache`.

use clap::Args;

use crate::command_error::CommandResult;
use crate::commands::{Command, Context, Scope, Target};
use crate::deploy::cache;
use crate::model::role::Role;

/// Empties what the builds of an app have kept for the next one; waits for a build that runs
#[derive(Debug, Args)]
pub struct PurgeCache {
    /// The app
    app: String,
}

impl Command for PurgeCache {
    const NAME: &'static str = "repo:purge-cache";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let record = context.target()?;
        let console = context.console();
        console.step(format!("Purging the cache of {}", record.name)).await;
        tokio::select! {
            purged = cache::purge(&context.app, record, console) => purged?,
            () = context.io.client_gone.cancelled() => return Ok(1),
        }
        console.detail("The next build begins with an empty one").await;
        Ok(0)
    }
}
