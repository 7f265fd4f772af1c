//! `plugin:set`.

use clap::Args;
use secrecy::SecretString;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::plugin::record;
use crate::commands::{Command, Context, Scope, Target};
use crate::formats::plugin_toml::SettingScope;
use crate::model::role::Role;

/// The longest value from standard input, in bytes.
const LIMIT: usize = 64 << 10;

/// Sets a setting of a plugin for all apps, or for one; without a value, unsets it
#[derive(Debug, Args)]
pub struct Set {
    /// For this app only
    #[arg(long = "for", value_name = "APP")]
    app: Option<String>,
    /// The plugin
    plugin: String,
    /// The setting
    key: String,
    /// Its value; `-` reads it from standard input
    #[arg(allow_hyphen_values = true)]
    value: Option<String>,
}

impl Command for Set {
    const NAME: &'static str = "plugin:set";
    const SCOPE: Scope = Scope::AppOrServer;
    const ROLE: Role = Role::Admin;

    fn target(&self) -> Target {
        self.app.as_ref().map_or(Target::Server, |app| Target::One(app.clone()))
    }

    async fn run(self, mut context: Context) -> CommandResult {
        let name = record(&context, &self.plugin).await?.name;
        let plugin = context.app.plugins.find(name.as_str()).ok_or_else(|| {
            CommandError::user(format!("{name} is not in use")).hint(format!("See why: plugin:info {name}"))
        })?;
        let settings = &plugin.manifest.settings;
        let found = settings.iter().find(|(key, _)| key.as_str() == self.key);
        let (_, setting) = found.ok_or_else(|| {
            let known: Vec<&str> = settings.keys().map(|key| key.as_str()).collect();
            CommandError::user(format!("{name} has no setting {}", self.key)).hint(format!(
                "It has: {}",
                if known.is_empty() { "none".to_owned() } else { known.join(", ") }
            ))
        })?;
        let app = context.targets.first().map(|record| record.id);
        if app.is_some() && setting.scope == SettingScope::Global {
            return Err(CommandError::user(format!("{} cannot be set for one app", self.key))
                .hint(format!("Set it for all: plugin:set {name} {}", self.key)));
        }
        let value = match self.value.as_deref() {
            Some("-") => Some(read(&mut context).await?),
            value => value.map(str::to_owned),
        };
        if value.as_deref().is_some_and(|value| value.contains('\0')) {
            return Err(CommandError::user("A setting cannot hold a NUL character"));
        }
        let what = if value.is_some() { "Set" } else { "Unset" };
        let store = &context.app.store;
        store.set_plugin_setting((&name, app), &self.key, value.map(SecretString::from)).await?;
        context.console().step(format!("{what} {} of {name}", self.key)).await;
        Ok(0)
    }
}

async fn read(context: &mut Context) -> Result<String, CommandError> {
    let bytes = context.io.read_stdin(LIMIT).await.map_err(CommandError::user)?;
    let text = String::from_utf8(bytes).map_err(|_| CommandError::user("The value is not UTF-8"))?;
    Ok(text.trim_end_matches('\n').to_owned())
}
