//! `plugin:{trigger,test}`.

use std::sync::Arc;

use clap::Args;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::dispatch::find_app;
use crate::commands::plugin::{record, subcommand};
use crate::commands::{Command, Context, Scope, Target};
use crate::hooks::execution::Execution;
use crate::model::app_name::AppName;
use crate::model::hook::Hook;
use crate::model::plugin::PluginName;
use crate::model::role::Role;
use crate::plugin::Plugin;

/// Runs a hook of a plugin as if something had happened: for those who write plugins
#[derive(Debug, Args)]
pub struct Trigger {
    /// The app that it is run for; it has to be there
    #[arg(long = "for", value_name = "APP")]
    app: Option<String>,
    /// The plugin
    plugin: String,
    /// The hook
    hook: String,
    /// Its arguments; what it is told as JSON is taken from standard input
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// Runs a plugin's own test
#[derive(Debug, Args)]
pub struct Test {
    /// The plugin
    plugin: String,
}

impl Command for Trigger {
    const NAME: &'static str = "plugin:trigger";
    const SCOPE: Scope = Scope::Server;
    const ROLE: Role = Role::Admin;

    fn target(&self) -> Target {
        Target::Server
    }

    async fn run(self, context: Context) -> CommandResult {
        let plugin = usable(&context, &self.plugin).await?;
        let hook: Hook = self.hook.parse().map_err(CommandError::user)?;
        if !plugin.manifest.hooks.contains_key(&hook) {
            let known: Vec<&str> = plugin.manifest.hooks.keys().map(|hook| hook.as_str()).collect();
            return Err(CommandError::user(format!("{} has no hook {hook}", plugin.name)).hint(format!(
                "It has: {}",
                if known.is_empty() { "none".to_owned() } else { known.join(", ") }
            )));
        }
        let app = match &self.app {
            Some(name) => Some(find_app(&context.app, &context.caller, name).await?.name),
            None => None,
        };
        let (executable, arguments) = (format!("hooks/{hook}"), self.arguments);
        run(context, &plugin, executable, (app, arguments)).await
    }
}

impl Command for Test {
    const NAME: &'static str = "plugin:test";
    const SCOPE: Scope = Scope::Server;
    const ROLE: Role = Role::Admin;

    fn target(&self) -> Target {
        Target::Server
    }

    async fn run(self, context: Context) -> CommandResult {
        let plugin = usable(&context, &self.plugin).await?;
        if !plugin.folder.join("test").is_file() {
            return Err(CommandError::user(format!("{} has no test", plugin.name))
                .hint("A plugin's test is an executable of that name in its folder"));
        }
        run(context, &plugin, "test".to_owned(), (None, Vec::new())).await
    }
}

async fn usable(context: &Context, name: &str) -> Result<Arc<Plugin>, CommandError> {
    let name: PluginName = record(context, name).await?.name;
    context.app.plugins.find(name.as_str()).ok_or_else(|| {
        CommandError::user(format!("{name} is not in use")).hint(format!("See why: plugin:info {name}"))
    })
}

async fn run(
    context: Context,
    plugin: &Plugin,
    executable: String,
    (app, arguments): (Option<AppName>, Vec<String>),
) -> CommandResult {
    let user = Some(context.caller.name.clone());
    let execution = Execution { plugin, executable, arguments, app, is_deploying: false, user };
    subcommand::execute(&context.app.clone(), &execution, context.io).await
}
