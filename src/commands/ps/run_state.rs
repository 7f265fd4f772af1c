//! `ps:{start,stop,restart,rebuild}`.

use clap::Args;

use crate::build::BuildSource;
use crate::command_error::{CommandError, CommandResult};
use crate::commands::ps::check_process_types;
use crate::commands::turns::Turns;
use crate::commands::{Command, Context, Scope, Target};
use crate::deploy::{self, Work, destroy};
use crate::git::tree::Snapshot;
use crate::model::process_type::ProcessType;
use crate::model::release::Source;
use crate::model::role::Role;
use crate::store::apps::AppRecord;

/// Starts an app that was stopped
#[derive(Debug, Args)]
pub struct Start {
    /// Every app that you may act on
    #[arg(long, conflicts_with = "app")]
    all: bool,
    /// The app
    #[arg(required_unless_present = "all")]
    app: Option<String>,
}

/// Stops an app until it is started or deployed again
#[derive(Debug, Args)]
pub struct Stop {
    /// Every app that you may act on
    #[arg(long, conflicts_with = "app")]
    all: bool,
    /// The app
    #[arg(required_unless_present = "all")]
    app: Option<String>,
}

/// Replaces the instances of an app by new ones of the same release
#[derive(Debug, Args)]
pub struct Restart {
    /// Every app that you may act on
    #[arg(long, conflicts_with = "app")]
    all: bool,
    /// The app
    #[arg(required_unless_present = "all")]
    app: Option<String>,
    /// Only this process type
    process: Option<String>,
}

/// Builds and deploys an app's source again
#[derive(Debug, Args)]
pub struct Rebuild {
    /// Every app that you may act on
    #[arg(long, conflicts_with = "app")]
    all: bool,
    /// The app
    #[arg(required_unless_present = "all")]
    app: Option<String>,
}

fn target(app: Option<&String>) -> Target {
    app.map_or(Target::Every, |app| Target::One(app.clone()))
}

/// The named app, or with `--all` those that have been deployed.
fn deployed(context: &Context, all: bool) -> Result<Vec<AppRecord>, CommandError> {
    if !all && let Some(record) = context.targets.iter().find(|record| record.current_release.is_none()) {
        return Err(CommandError::not_deployed(&record.name));
    }
    Ok(context.targets.iter().filter(|record| record.current_release.is_some()).cloned().collect())
}

impl Command for Start {
    const NAME: &'static str = "ps:start";
    const SCOPE: Scope = Scope::Apps;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        target(self.app.as_ref())
    }

    async fn run(self, context: Context) -> CommandResult {
        let records = deployed(&context, self.all)?;
        let mut turns = Turns::new(context.console(), records.len());
        for record in records {
            if !record.stopped {
                context.console().step(format!("App {} already running", record.name)).await;
                continue;
            }
            context.console().step(format!("Starting {}", record.name)).await;
            let result =
                deploy::run(&context.app, context.order(&record, Work::Restart(None), "Start")).await;
            turns.note(&record.name, result.map_err(CommandError::from)).await?;
        }
        turns.finish()
    }
}

impl Command for Stop {
    const NAME: &'static str = "ps:stop";
    const SCOPE: Scope = Scope::Apps;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        target(self.app.as_ref())
    }

    async fn run(self, context: Context) -> CommandResult {
        let records = deployed(&context, self.all)?;
        let mut turns = Turns::new(context.console(), records.len());
        for record in records {
            if record.stopped {
                context.console().step(format!("App {} already stopped", record.name)).await;
                continue;
            }
            context.console().step(format!("Stopping {}", record.name)).await;
            let result = destroy::stop(&context.app, &record, context.console()).await;
            turns.note(&record.name, result).await?;
        }
        turns.finish()
    }
}

impl Command for Restart {
    const NAME: &'static str = "ps:restart";
    const SCOPE: Scope = Scope::Apps;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        target(self.app.as_ref())
    }

    async fn run(self, context: Context) -> CommandResult {
        let only: Option<ProcessType> =
            self.process.map(|name| name.parse()).transpose().map_err(CommandError::user)?;
        let mut records = deployed(&context, self.all)?;
        records.retain(|record| !self.all || !record.stopped);
        let mut turns = Turns::new(context.console(), records.len());
        for record in records {
            let result = restart(&context, &record, only.as_ref()).await;
            turns.note(&record.name, result).await?;
        }
        turns.finish()
    }
}

impl Command for Rebuild {
    const NAME: &'static str = "ps:rebuild";
    const SCOPE: Scope = Scope::Apps;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        target(self.app.as_ref())
    }

    async fn run(self, context: Context) -> CommandResult {
        let records = deployed(&context, self.all)?;
        let mut turns = Turns::new(context.console(), records.len());
        for record in records {
            let result = rebuild(&context, &record).await;
            turns.note(&record.name, result).await?;
        }
        turns.finish()
    }
}

async fn restart(
    context: &Context,
    record: &AppRecord,
    only: Option<&ProcessType>,
) -> Result<(), CommandError> {
    check_process_types(context, record, only).await?;
    context.console().step(format!("Restarting {}", record.name)).await;
    let order = context.order(record, Work::Restart(only.cloned()), "Restart");
    Ok(deploy::run(&context.app, order).await?)
}

async fn rebuild(context: &Context, record: &AppRecord) -> Result<(), CommandError> {
    context.console().step(format!("Rebuilding {}", record.name)).await;
    let source = source(context, record).await?;
    Ok(deploy::run(&context.app, context.order(record, Work::Build(source), "Rebuild")).await?)
}

/// What the current release was made from: its image, or the newest commit of the deploy branch.
async fn source(context: &Context, record: &AppRecord) -> Result<BuildSource, CommandError> {
    let app = &context.app;
    let release = match record.current_release {
        Some(id) => app.store.release(id).await?,
        None => None,
    };
    if let Some(Source::Image { reference }) = release.map(|release| release.content.source) {
        return Ok(BuildSource::Image { reference });
    }
    let branch = app.store.computed_property(record.id, "deploy-branch").await?;
    let branch = branch.unwrap_or_else(|| "main".to_owned());
    let missing = || {
        CommandError::user(format!(
            "Cannot build from '{branch}' as there are no commits stored at that branch."
        ))
        .hint(format!("Push it: git push slipway {branch}"))
    };
    let commit = app.repositories.resolve(&record.name, &branch).await?.ok_or_else(missing)?;
    let snapshot = Snapshot::open(&app.repositories, &record.name, commit.object(), None).await?;
    Ok(BuildSource::Commit(snapshot))
}
