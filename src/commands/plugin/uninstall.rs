//! `plugin:{uninstall,enable,disable}`.

use clap::Args;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::plugin::{install, record, reload};
use crate::commands::{Command, Context, Scope, Target, confirm};
use crate::model::role::Role;

/// Removes a plugin with its settings and all that it kept
#[derive(Debug, Args)]
pub struct Uninstall {
    /// Do not ask
    #[arg(long, alias = "yes")]
    force: bool,
    /// The plugin
    plugin: String,
}

/// Uses a plugin again that was switched off
#[derive(Debug, Args)]
pub struct Enable {
    /// The plugin
    plugin: String,
}

/// Switches a plugin off: its hooks and commands are as if it were not there, and what it kept stays
#[derive(Debug, Args)]
pub struct Disable {
    /// The plugin
    plugin: String,
}

impl Command for Uninstall {
    const NAME: &'static str = "plugin:uninstall";
    const SCOPE: Scope = Scope::Server;
    const ROLE: Role = Role::Admin;

    fn target(&self) -> Target {
        Target::Server
    }

    async fn run(self, mut context: Context) -> CommandResult {
        let name = record(&context, &self.plugin).await?;
        if name.source.is_none() {
            return Err(CommandError::user(format!("{} comes with Slipway", name.name))
                .hint(format!("Switch it off instead: plugin:disable {}", name.name)));
        }
        let name = name.name;
        if !self.force {
            let instead = format!("plugin:uninstall --force {name}");
            confirm::confirm(&mut context, "plugin", name.as_str(), &instead).await?;
        }
        let plugins = context.app.plugins.clone();
        let _change = plugins.change().await;
        if let Err(error) = install::run(&context, &name, "uninstall").await {
            context.console().warn(error.lines()).await;
        }
        install::forget(&context, &name).await?;
        context.console().step(format!("Plugin {name} is gone")).await;
        Ok(0)
    }
}

impl Command for Enable {
    const NAME: &'static str = "plugin:enable";
    const SCOPE: Scope = Scope::Server;
    const ROLE: Role = Role::Admin;

    fn target(&self) -> Target {
        Target::Server
    }

    async fn run(self, context: Context) -> CommandResult {
        switch(&context, &self.plugin, true).await
    }
}

impl Command for Disable {
    const NAME: &'static str = "plugin:disable";
    const SCOPE: Scope = Scope::Server;
    const ROLE: Role = Role::Admin;

    fn target(&self) -> Target {
        Target::Server
    }

    async fn run(self, context: Context) -> CommandResult {
        switch(&context, &self.plugin, false).await
    }
}

async fn switch(context: &Context, plugin: &str, enabled: bool) -> CommandResult {
    let name = record(context, plugin).await?.name;
    let _change = context.app.plugins.change().await;
    context.app.store.enable_plugin(&name, enabled).await?;
    reload(context).await?;
    if let Some(reason) = context.app.plugins.unusable().get(&name) {
        return Err(CommandError::user(format!("{name} cannot be used: {reason}"))
            .hint(format!("Mend it: plugin:update {name}")));
    }
    let what = if enabled { "enabled" } else { "disabled" };
    context.console().step(format!("Plugin {name} is {what}")).await;
    Ok(0)
}
