//! `plugin:update`.

use clap::Args;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::plugin::install::{read_incoming, run};
use crate::commands::plugin::{blocking, files, record, reload, request, staging};
use crate::commands::{Command, Context, Scope, Target};
use crate::model::plugin::{PluginName, PluginRecord, PluginSource};
use crate::model::role::Role;
use crate::plugin::{copy, folder};

/// Updates a plugin from where it came from; asks if the new version wants more than the old one
#[derive(Debug, Args)]
pub struct Update {
    /// Back to what was there before the last update
    #[arg(long, conflicts_with_all = ["committish", "from"])]
    undo: bool,
    /// Take it from elsewhere: a URL, a folder of the host, or `-` for an archive on standard input
    #[arg(long, allow_hyphen_values = true)]
    from: Option<String>,
    /// Agree to what it asks for
    #[arg(long, short = 'y', alias = "yes")]
    force: bool,
    /// The plugin
    plugin: String,
    /// Another branch, tag or commit of its repository
    committish: Option<String>,
}

impl Command for Update {
    const NAME: &'static str = "plugin:update";
    const SCOPE: Scope = Scope::Server;
    const ROLE: Role = Role::Admin;

    fn target(&self) -> Target {
        Target::Server
    }

    async fn run(self, mut context: Context) -> CommandResult {
        let record = record(&context, &self.plugin).await?;
        let Some(known) = record.source.clone() else {
            return Err(CommandError::user(format!("{} comes with Slipway", record.name))
                .hint("It is updated with Slipway itself"));
        };
        let plugins = context.app.plugins.clone();
        let _change = plugins.change().await;
        let source = match self.undo {
            true => self.bring_back(&context, &record, known).await?,
            false => self.bring(&mut context, known).await?,
        };
        let result = self.put(&mut context, &record, source).await;
        let incoming = plugins.places().incoming();
        blocking(move || copy::remove(&incoming)).await?.map_err(files)?;
        result
    }
}

impl Update {
    async fn bring(&self, context: &mut Context, known: PluginSource) -> Result<PluginSource, CommandError> {
        let (from, committish) = match (&self.from, known) {
            (Some(from), _) => (from.clone(), self.committish.clone()),
            (None, PluginSource::Git { url, committish, .. }) => {
                (url, self.committish.clone().or(committish))
            }
            (None, PluginSource::Archive { url }) => (url, None),
            (None, PluginSource::Folder { path }) => (path, None),
            (None, PluginSource::Stdin) => {
                return Err(CommandError::user("It came as an archive on standard input").hint(format!(
                    "Give the new one there: plugin:update {} --force --from -",
                    self.plugin
                )));
            }
        };
        staging::stage(context, &from, committish.as_deref()).await
    }

    /// Makes what was there before what comes.
    async fn bring_back(
        &self,
        context: &Context,
        record: &PluginRecord,
        known: PluginSource,
    ) -> Result<PluginSource, CommandError> {
        let places = context.app.plugins.places();
        let (previous, incoming) = (places.previous(&record.name), places.incoming());
        if !previous.exists() {
            return Err(CommandError::user(format!(
                "{} was not updated since it was installed",
                record.name
            ))
            .hint("There is nothing to go back to"));
        }
        blocking(move || copy::folder(&previous, &incoming)).await?.map_err(files)?;
        Ok(known)
    }

    async fn put(&self, context: &mut Context, record: &PluginRecord, source: PluginSource) -> CommandResult {
        let (manifest, _) = read_incoming(context).await?;
        let name = &record.name;
        let places = context.app.plugins.places().clone();
        let (incoming, installed, previous) =
            (places.incoming(), places.installed(name), places.previous(name));
        let old = blocking({
            let installed = installed.clone();
            move || folder::read(&installed)
        })
        .await?;
        let asked_before = old.map(|(manifest, _)| request::lines(name, &manifest)).unwrap_or_default();
        let new: Vec<String> =
            request::lines(name, &manifest).into_iter().filter(|line| !asked_before.contains(line)).collect();
        if !self.force && !new.is_empty() {
            let what = format!("{name} {}, beyond what you have agreed to,", manifest.plugin.version);
            request::confirm(context, (name, &what), &new).await?;
        }
        // Atomic: whoever looks finds the old one or the new one.
        blocking(move || {
            copy::exchange(&incoming, &installed)?;
            copy::remove(&previous)?;
            copy::exchange(&incoming, &previous)
        })
        .await?
        .map_err(files)?;
        context.app.store.put_plugin(name, &source).await?;
        reload(context).await?;
        if let Err(error) = run(context, name, "update").await {
            undo(context, record).await?;
            return Err(error.hint("The version before is back in its place"));
        }
        context.console().step(format!("Plugin {name} is at {}", manifest.plugin.version)).await;
        if !self.undo {
            context
                .console()
                .detail(format!("Back to the version before: plugin:update {name} --undo"))
                .await;
        }
        Ok(0)
    }
}

/// Puts the version before back in its place.
async fn undo(context: &Context, record: &PluginRecord) -> Result<(), CommandError> {
    let places = context.app.plugins.places();
    let name: &PluginName = &record.name;
    let (installed, previous) = (places.installed(name), places.previous(name));
    blocking(move || copy::exchange(&previous, &installed)).await?.map_err(files)?;
    if let Some(source) = &record.source {
        context.app.store.put_plugin(name, source).await?;
    }
    reload(context).await
}
