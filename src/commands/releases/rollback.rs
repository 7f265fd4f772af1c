//! `releases:rollback`.

use clap::Args;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::releases::{current, find};
use crate::commands::{Command, Context, Scope, Target};
use crate::deploy::{self, Work};
use crate::model::release::Release;
use crate::model::role::Role;
use crate::store::apps::AppRecord;

/// Runs an older release again, without a build: a new release with its image and its config vars
#[derive(Debug, Args)]
pub struct Rollback {
    /// The app
    app: String,
    /// The release, for example v12; the one before the current one if not given
    version: Option<String>,
    /// With today's config vars instead of those of that release
    #[arg(long)]
    keep_config: bool,
}

impl Command for Rollback {
    const NAME: &'static str = "releases:rollback";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let record = context.target()?.clone();
        let to = match &self.version {
            Some(version) => find(&context, &record, version).await?,
            None => previous(&context, &record).await?,
        };
        if context.app.engine.image_facts(&to.content.image.0).await?.is_none() {
            return Err(CommandError::user(format!(
                "The image of {} is not on this host any more",
                to.version
            ))
            .hint("Push the commit again, or roll back to another release"));
        }
        let description = format!("Rollback to {}", to.version);
        context.console().step(format!("Rolling {} back to {}", record.name, to.version)).await;
        let work = Work::Rollback { to: Box::new(to), keep_config: self.keep_config };
        deploy::run(&context.app, context.order(&record, work, &description)).await?;
        Ok(0)
    }
}

async fn previous(context: &Context, record: &AppRecord) -> Result<Release, CommandError> {
    let current = current(context, record).await?;
    let versions = context.app.store.release_versions(record.id).await?;
    let older = versions.into_iter().rev().find(|version| *version < current.version);
    let none = || {
        CommandError::user(format!("{} has no release before the current one", record.name))
            .hint(format!("See them: releases {}", record.name))
    };
    let older = older.ok_or_else(none)?;
    context.app.store.release_by_version(record.id, older).await?.ok_or_else(none)
}
