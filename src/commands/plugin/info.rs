//! `plugin:info`.

use clap::Args;
use secrecy::ExposeSecret;

use crate::clock;
use crate::command_error::CommandResult;
use crate::commands::plugin::{record, request};
use crate::commands::table::columns;
use crate::commands::{Command, Context, Scope, Target};
use crate::model::role::Role;

/// Shows what a plugin is, what it may do, and what is set of it
#[derive(Debug, Args)]
pub struct Info {
    /// The plugin
    plugin: String,
}

impl Command for Info {
    const NAME: &'static str = "plugin:info";
    const SCOPE: Scope = Scope::Server;
    const ROLE: Role = Role::Viewer;

    fn target(&self) -> Target {
        Target::Server
    }

    async fn run(self, context: Context) -> CommandResult {
        let record = record(&context, &self.plugin).await?;
        let console = context.console();
        let row = |name: &str, value: String| vec![format!("       {name}:"), value];
        let source = record.source.as_ref().map_or("comes with Slipway".to_owned(), ToString::to_string);
        let broken = context.app.plugins.unusable().remove(&record.name);
        let state = match (record.enabled, &broken) {
            (false, _) => "disabled".to_owned(),
            (true, None) => "enabled".to_owned(),
            (true, Some(reason)) => format!("broken: {reason}"),
        };
        let mut rows = vec![
            row("State", state),
            row("Source", source),
            row("Installed", clock::format_seconds(record.installed_at)),
            row("User", record.user.to_string()),
        ];
        console.headline(format!("Plugin {}", record.name)).await;
        let Some(plugin) = context.app.plugins.find(record.name.as_str()) else {
            console.stdout(columns(&rows)).await;
            return Ok(0);
        };
        let facts = &plugin.manifest.plugin;
        rows.insert(0, row("Version", facts.version.clone()));
        rows.insert(1, row("Description", facts.description.clone()));
        console.stdout(columns(&rows)).await;
        for line in request::lines(&plugin.name, &plugin.manifest) {
            console.detail(line).await;
        }
        let set = context.app.store.plugin_settings(&plugin.name, None).await?;
        for (key, setting) in &plugin.manifest.settings {
            let value = set.iter().find(|(name, _)| name == key.as_str());
            let shown = match value {
                Some(_) if setting.secret => "(set, secret)".to_owned(),
                Some((_, value)) => value.expose_secret().to_owned(),
                None => setting
                    .default
                    .as_ref()
                    .map_or("(not set)".to_owned(), |text| format!("{text} (default)")),
            };
            console.detail(format!("setting {key}: {shown}: {}", setting.description)).await;
        }
        Ok(0)
    }
}
