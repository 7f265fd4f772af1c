//! `git:sync`.

use clap::Args;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::git::from_archive::{branch, deploy_commit};
use crate::commands::{Command, Context, Scope, Target};
use crate::git::fetch::RemoteUrl;
use crate::model::role::Role;

/// Fetches an app's source from another git server; deploys it with --build
#[derive(Debug, Args)]
pub struct Sync {
    /// Deploy what was fetched
    #[arg(long)]
    build: bool,
    /// Deploy what was fetched if it is not what was fetched before
    #[arg(long, conflicts_with = "build")]
    build_if_changes: bool,
    /// The app
    app: String,
    /// https://…, ssh://… or user@host:path
    repository: String,
    /// A branch, a tag or a commit; what the other side's HEAD is if not given
    git_ref: Option<String>,
}

impl Command for Sync {
    const NAME: &'static str = "git:sync";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let record = context.target()?.clone();
        let url: RemoteUrl = self.repository.parse().map_err(CommandError::user)?;
        context.console().step(format!("Fetching {url}")).await;
        let repositories = &context.app.repositories;
        let fetch = repositories.fetch(&record.name, &url, self.git_ref.as_deref());
        let commit = tokio::select! {
            fetched = fetch => fetched.map_err(CommandError::user)?,
            () = context.io.client_gone.cancelled() => return Ok(1),
        };
        let branch = branch(&context, &record).await?;
        let before = repositories.resolve(&record.name, &branch).await?;
        context.console().detail(format!("{branch} is at {}", commit.short())).await;
        let changed = before.as_ref() != Some(&commit);
        if self.build || (self.build_if_changes && changed) {
            return deploy_commit(&context, &record, &branch, commit).await;
        }
        if self.build_if_changes {
            context.console().step("Nothing has changed, nothing is deployed").await;
        }
        repositories.update_ref(&record.name, &branch, &commit).await?;
        Ok(0)
    }
}
