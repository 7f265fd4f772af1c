//! `ps:{start,stop,restart,rebuild}`: the same to one app, or to all that the caller may act on.

use clap::Args;

use crate::build::BuildSource;
use crate::command_error::{CommandError, CommandResult};
use crate::commands::ps::check_process_types;
use crate::commands::turns::{AtOnce, Turn, take_turns};
use crate::commands::{Command, Context, Scope, Target};
use crate::console::Console;
use crate::deploy::hooks::before_start;
use crate::deploy::{self, Work, destroy};
use crate::git::tree::Snapshot;
use crate::hooks::Scene;
use crate::model::hook::Hook;
use crate::model::hook::event::Event;
use crate::model::process_type::ProcessType;
use crate::model::release::Source;
use crate::model::role::Role;
use crate::store::apps::AppRecord;

/// Which apps.
#[derive(Clone, Debug, Args)]
struct Apps {
    /// Every app that you may act on
    #[arg(long, conflicts_with = "app")]
    all: bool,
    #[command(flatten)]
    at_once: AtOnce,
    /// The app
    #[arg(required_unless_present = "all")]
    app: Option<String>,
}

/// Starts an app that was stopped
#[derive(Debug, Args)]
pub struct Start {
    #[command(flatten)]
    apps: Apps,
}

/// Stops an app until it is started or deployed again
#[derive(Debug, Args)]
pub struct Stop {
    #[command(flatten)]
    apps: Apps,
}

/// Replaces the instances of an app by new ones of the same release
#[derive(Debug, Args)]
pub struct Restart {
    #[command(flatten)]
    apps: Apps,
    /// Only this process type
    process: Option<String>,
}

/// Builds and deploys an app's source again
#[derive(Debug, Args)]
pub struct Rebuild {
    #[command(flatten)]
    apps: Apps,
}

impl Apps {
    fn target(&self) -> Target {
        self.app.as_ref().map_or(Target::Every, |app| Target::One(app.clone()))
    }

    /// The named app, or with `--all` those that have been deployed.
    fn deployed(&self, context: &Context) -> Result<Vec<AppRecord>, CommandError> {
        if !self.all
            && let Some(record) = context.targets.iter().find(|app| app.current_release.is_none())
        {
            return Err(CommandError::not_deployed(&record.name));
        }
        Ok(context.targets.iter().filter(|record| record.current_release.is_some()).cloned().collect())
    }
}

impl Command for Start {
    const NAME: &'static str = "ps:start";
    const SCOPE: Scope = Scope::Apps;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        self.apps.target()
    }

    async fn run(self, context: Context) -> CommandResult {
        let records = self.apps.deployed(&context)?;
        take_turns(&context, &records, self.apps.at_once, &Starting).await
    }
}

impl Command for Stop {
    const NAME: &'static str = "ps:stop";
    const SCOPE: Scope = Scope::Apps;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        self.apps.target()
    }

    async fn run(self, context: Context) -> CommandResult {
        let records = self.apps.deployed(&context)?;
        take_turns(&context, &records, self.apps.at_once, &Stopping).await
    }
}

impl Command for Restart {
    const NAME: &'static str = "ps:restart";
    const SCOPE: Scope = Scope::Apps;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        self.apps.target()
    }

    async fn run(self, context: Context) -> CommandResult {
        let only: Option<ProcessType> =
            self.process.as_ref().map(|name| name.parse()).transpose().map_err(CommandError::user)?;
        let mut records = self.apps.deployed(&context)?;
        records.retain(|record| !self.apps.all || !record.stopped);
        take_turns(&context, &records, self.apps.at_once, &Restarting { only }).await
    }
}

impl Command for Rebuild {
    const NAME: &'static str = "ps:rebuild";
    const SCOPE: Scope = Scope::Apps;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        self.apps.target()
    }

    async fn run(self, context: Context) -> CommandResult {
        // An app of which nothing but its commits is here can be built, too: see `skip-deploy`.
        let mut records = context.targets.clone();
        records.retain(|record| !self.apps.all || record.current_release.is_some());
        take_turns(&context, &records, self.apps.at_once, &Rebuilding).await
    }
}

struct Starting;
struct Stopping;
struct Rebuilding;
struct Restarting {
    only: Option<ProcessType>,
}

impl Turn for Starting {
    async fn on(&self, context: &Context, record: &AppRecord, console: Console) -> Result<(), CommandError> {
        if !record.stopped {
            console.step(format!("App {} already running", record.name)).await;
            return Ok(());
        }
        console.step(format!("Starting {}", record.name)).await;
        let order = deploy::Order { console, ..context.order(record, Work::Restart(None), "Start") };
        before_start(&context.app, record, &order).await?;
        Ok(deploy::run(&context.app, order).await?)
    }
}

impl Turn for Stopping {
    async fn on(&self, context: &Context, record: &AppRecord, console: Console) -> Result<(), CommandError> {
        if record.stopped {
            console.step(format!("App {} already stopped", record.name)).await;
            return Ok(());
        }
        console.step(format!("Stopping {}", record.name)).await;
        destroy::stop(&context.app, record, &console).await?;
        let event = || Event::PostStop { app: record.name.clone(), by: context.caller.name.clone() };
        context.app.hooks.tell(Hook::PostStop, Scene::command(&console), event).await;
        Ok(())
    }
}

impl Turn for Restarting {
    async fn on(&self, context: &Context, record: &AppRecord, console: Console) -> Result<(), CommandError> {
        check_process_types(context, record, self.only.as_ref()).await?;
        console.step(format!("Restarting {}", record.name)).await;
        let order = context.order(record, Work::Restart(self.only.clone()), "Restart");
        let order = deploy::Order { console, ..order };
        before_start(&context.app, record, &order).await?;
        Ok(deploy::run(&context.app, order).await?)
    }
}

impl Turn for Rebuilding {
    async fn on(&self, context: &Context, record: &AppRecord, console: Console) -> Result<(), CommandError> {
        let source = source(context, record, record.current_release).await?;
        console.step(format!("Rebuilding {}", record.name)).await;
        let order = context.order(record, Work::Build(source), "Rebuild");
        let order = deploy::Order { console, ..order };
        before_start(&context.app, record, &order).await?;
        Ok(deploy::run(&context.app, order).await?)
    }
}

/// What a release was made from: its image, or the newest commit of the app's deploy branch.
pub async fn source(
    context: &Context,
    record: &AppRecord,
    release: Option<i64>,
) -> Result<BuildSource, CommandError> {
    let app = &context.app;
    let release = match release {
        Some(id) => app.store.release(id).await?,
        None => None,
    };
    if let Some(Source::Image { reference }) = release.as_ref().map(|release| &release.content.source) {
        return Ok(BuildSource::Image { reference: reference.clone() });
    }
    let branch = app.store.computed_property(record.id, "deploy-branch").await?;
    let branch = branch.unwrap_or_else(|| "main".to_owned());
    let missing = || {
        if release.is_none() {
            return CommandError::not_deployed(&record.name);
        }
        CommandError::user(format!(
            "Cannot build from '{branch}' as there are no commits stored at that branch."
        ))
        .hint(format!("Push it: git push slipway {branch}"))
    };
    let commit = app.repositories.resolve(&record.name, &branch).await?.ok_or_else(missing)?;
    let snapshot = Snapshot::open(&app.repositories, &record.name, commit.object(), None).await?;
    Ok(BuildSource::Commit(snapshot))
}
