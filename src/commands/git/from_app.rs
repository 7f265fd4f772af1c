//! `git:from-app`.

use clap::Args;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::dispatch::find_app;
use crate::commands::git::from_archive::{branch, deploy_commit};
use crate::commands::{Command, Context, Scope, Target};
use crate::model::role::Role;

/// Deploys a commit of another app: to try a branch, or to promote what was tried
#[derive(Debug, Args)]
pub struct FromApp {
    /// The app
    app: String,
    /// The app whose source it is
    source: String,
    /// A branch, a tag or a commit of it; its deploy branch if not given
    git_ref: Option<String>,
}

impl Command for FromApp {
    const NAME: &'static str = "git:from-app";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let record = context.target()?.clone();
        let source = find_app(&context.app, &context.caller, &self.source).await?;
        if source.id == record.id {
            return Err(CommandError::user(format!("{} is the same app", record.name))
                .hint(format!("To deploy it again: ps:rebuild {}", record.name)));
        }
        let wanted = match self.git_ref {
            Some(wanted) => wanted,
            None => branch(&context, &source).await?,
        };
        let repositories = &context.app.repositories;
        let copy = repositories.copy(&source.name, &record.name, &wanted);
        let copied = tokio::select! {
            copied = copy => copied.map_err(CommandError::from)?,
            () = context.io.client_gone.cancelled() => return Ok(1),
        };
        let commit = copied.ok_or_else(|| {
            CommandError::user(format!("{} has no branch, tag or commit {wanted}", source.name)).hint(
                format!("Push it there first: git push ssh://slipway@HOST:2222/{} {wanted}", source.name),
            )
        })?;
        let branch = branch(&context, &record).await?;
        context.console().step(format!("{wanted} of {} is at {}", source.name, commit.short())).await;
        deploy_commit(&context, &record, &branch, commit).await
    }
}
