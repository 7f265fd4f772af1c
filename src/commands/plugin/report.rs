//! `plugin:report`.

use clap::Args;

use crate::clock;
use crate::command_error::CommandResult;
use crate::commands::plugin::record;
use crate::commands::table::{Format, columns, print_json};
use crate::commands::{Command, Context, Scope, Target};
use crate::model::role::Role;

/// Lists the last runs of a plugin's executables: when, for how long, and how they ended
#[derive(Debug, Args)]
pub struct Report {
    /// Lines, or JSON
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// How many
    #[arg(short, default_value_t = 20)]
    number: usize,
    /// The plugin
    plugin: String,
}

impl Command for Report {
    const NAME: &'static str = "plugin:report";
    const SCOPE: Scope = Scope::Server;
    const ROLE: Role = Role::Viewer;

    fn target(&self) -> Target {
        Target::Server
    }

    async fn run(self, context: Context) -> CommandResult {
        let record = record(&context, &self.plugin).await?;
        let mut runs = context.app.store.plugin_runs(&record.name).await?;
        runs.truncate(self.number);
        if self.format == Format::Json {
            print_json(context.console(), &runs).await?;
            return Ok(0);
        }
        let rows: Vec<Vec<String>> = runs
            .into_iter()
            .map(|run| {
                vec![
                    clock::format_seconds(run.started_at),
                    run.executable,
                    run.app.unwrap_or_else(|| "-".to_owned()),
                    format!("{} ms", run.duration_ms),
                    run.result,
                    run.detail,
                ]
            })
            .collect();
        if rows.is_empty() {
            context.console().step(format!("Nothing of {} has been run", record.name)).await;
        }
        context.console().stdout(columns(&rows)).await;
        Ok(0)
    }
}
