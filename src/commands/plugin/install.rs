//! `plugin:install`.

use clap::Args;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::plugin::{blocking, reload, request, staging};
use crate::commands::{Command, Context, Scope, Target};
use crate::formats::plugin_toml::Manifest;
use crate::hooks::execution::{End, Execution};
use crate::model::engine::Engine;
use crate::model::plugin::PluginName;
use crate::model::role::Role;
use crate::plugin::{Plugin, chain, copy, folder};

/// Installs a plugin, once you have agreed to what it asks for
#[derive(Debug, Args)]
pub struct Install {
    /// The branch, tag or commit of a repository
    #[arg(long)]
    committish: Option<String>,
    /// Another name than its own
    #[arg(long)]
    name: Option<String>,
    /// Agree to what it asks for
    #[arg(long, short = 'y', alias = "yes")]
    force: bool,
    /// Do not run its `install`
    #[arg(long)]
    skip_install_trigger: bool,
    /// URL of a repository or an archive, a folder of the host, or `-` for an archive on standard input
    #[arg(allow_hyphen_values = true, default_value = "--")]
    source: String,
}

impl Command for Install {
    const NAME: &'static str = "plugin:install";
    const SCOPE: Scope = Scope::Server;
    const ROLE: Role = Role::Admin;

    fn target(&self) -> Target {
        Target::Server
    }

    async fn run(self, mut context: Context) -> CommandResult {
        let plugins = context.app.plugins.clone();
        let _change = plugins.change().await;
        let source = staging::stage(&mut context, &self.source, self.committish.as_deref()).await?;
        let result = self.put(&mut context, source).await;
        let incoming = plugins.places().incoming();
        blocking(move || copy::remove(&incoming)).await?.map_err(super::files)?;
        result
    }
}

impl Install {
    async fn put(&self, context: &mut Context, source: crate::model::plugin::PluginSource) -> CommandResult {
        let (manifest, _) = read_incoming(context).await?;
        let name = self.name.as_deref().unwrap_or(&manifest.plugin.name);
        let name: PluginName = name.parse().map_err(CommandError::user)?;
        let plugins = context.app.plugins.clone();
        if plugins.is_taken(name.as_str()) {
            return Err(CommandError::user(format!("{name} is the name of commands of Slipway itself"))
                .hint("Install it under another one: --name NAME"));
        }
        if context.app.store.plugins().await?.iter().any(|record| record.name == name) {
            return Err(CommandError::user(format!("Plugin {name} already exists")).hint(format!(
                "Update it: plugin:update {name}; or install this one under another name: --name NAME"
            )));
        }
        if !self.force {
            let what = format!("{name} {}", manifest.plugin.version);
            request::confirm(context, (&name, &what), &request::lines(&name, &manifest)).await?;
        }
        let (incoming, place) = (plugins.places().incoming(), plugins.places().installed(&name));
        blocking(move || copy::remove(&place).and_then(|()| copy::exchange(&incoming, &place)))
            .await?
            .map_err(super::files)?;
        context.app.store.put_plugin(&name, &source).await?;
        reload(context).await?;
        if !self.skip_install_trigger
            && let Err(error) = run(context, &name, "install").await
        {
            forget(context, &name).await?;
            return Err(error.hint("It is not installed"));
        }
        context.console().step(format!("Plugin {name} {} is installed", manifest.plugin.version)).await;
        Ok(0)
    }
}

/// Reads and checks what came.
pub(super) async fn read_incoming(
    context: &Context,
) -> Result<(Manifest, Option<std::sync::Arc<Engine>>), CommandError> {
    let incoming = context.app.plugins.places().incoming();
    let read = blocking(move || folder::read(&incoming)).await?;
    let read = read.map_err(|error| {
        CommandError::user(format!("This is no plugin that can be used: {}", chain(&error)))
            .hint("docs/plugins.md says what a plugin is; nothing was changed")
    })?;
    request::check(&read.0)?;
    Ok(read)
}

/// Runs one of the plugin's executables, if it has it. What it writes is shown.
pub(super) async fn run(context: &Context, name: &PluginName, executable: &str) -> Result<(), CommandError> {
    let Some(plugin) = context.app.plugins.find(name.as_str()) else { return Ok(()) };
    if !plugin.folder.join(executable).is_file() {
        return Ok(());
    }
    context.console().step(format!("Running {executable} of {name}")).await;
    let execution = of(&plugin, executable);
    let (end, last_line) = context.app.hooks.perform(&execution, context.console()).await;
    match end {
        end if end.is_good() => Ok(()),
        End::Status(_) if !last_line.is_empty() => {
            Err(CommandError::user(format!("{executable} of {name} failed: {last_line}")))
        }
        end => Err(CommandError::user(format!("{executable} of {name} {}", end.words()))),
    }
}

/// One of a plugin's executables, for no app.
pub(super) fn of<'a>(plugin: &'a Plugin, executable: &str) -> Execution<'a> {
    Execution {
        plugin,
        executable: executable.to_owned(),
        arguments: Vec::new(),
        app: None,
        is_deploying: false,
        user: None,
    }
}

/// Takes a plugin away with all that it kept.
pub(super) async fn forget(context: &Context, name: &PluginName) -> Result<(), CommandError> {
    context.app.store.remove_plugin(name).await?;
    reload(context).await?;
    let places = context.app.plugins.places();
    let folders = [places.installed(name), places.previous(name), places.data(name)];
    blocking(move || folders.iter().try_for_each(|folder| copy::remove(folder))).await?.map_err(super::files)
}
