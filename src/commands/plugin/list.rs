//! `plugin:list`.

use clap::Args;
use serde::Serialize;

use crate::command_error::CommandResult;
use crate::commands::table::{Format, columns, print_json};
use crate::commands::{Command, Context, Scope, Target};
use crate::model::role::Role;

/// Lists the plugins
#[derive(Debug, Args)]
pub struct List {
    /// Lines, or JSON
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// One of them.
#[derive(Debug, Serialize)]
struct Row {
    name: String,
    version: String,
    state: &'static str,
    description: String,
    /// Why it cannot be used.
    reason: Option<String>,
    /// Where it came from; nothing if it comes with Slipway.
    source: Option<String>,
}

impl Command for List {
    const NAME: &'static str = "plugin:list";
    const SCOPE: Scope = Scope::Server;
    const ROLE: Role = Role::Viewer;

    fn target(&self) -> Target {
        Target::Server
    }

    async fn run(self, context: Context) -> CommandResult {
        let (plugins, broken) = (context.app.plugins.all(), context.app.plugins.unusable());
        let records = context.app.store.plugins().await?;
        let rows: Vec<Row> = records
            .into_iter()
            .map(|record| {
                let plugin = plugins.get(&record.name).map(|plugin| &plugin.manifest.plugin);
                let reason = broken.get(&record.name).cloned();
                let state = match (record.enabled, &reason) {
                    (false, _) => "disabled",
                    (true, None) => "enabled",
                    (true, Some(_)) => "broken",
                };
                Row {
                    name: record.name.to_string(),
                    version: plugin.map(|plugin| plugin.version.clone()).unwrap_or_default(),
                    state,
                    description: plugin.map(|plugin| plugin.description.clone()).unwrap_or_default(),
                    reason,
                    source: record.source.map(|source| source.to_string()),
                }
            })
            .collect();
        if self.format == Format::Json {
            print_json(context.console(), &rows).await?;
            return Ok(0);
        }
        let cells: Vec<Vec<String>> = rows
            .into_iter()
            .map(|row| {
                let first_line = |reason: String| reason.lines().next().unwrap_or_default().to_owned();
                let what = row.reason.map_or(row.description, first_line);
                let version = if row.version.is_empty() { "-".to_owned() } else { row.version };
                vec![row.name, version, row.state.to_owned(), what]
            })
            .collect();
        context.console().stdout(columns(&cells)).await;
        Ok(0)
    }
}
