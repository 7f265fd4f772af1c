//! `docker-options:list`.

use clap::Args;
use serde::Serialize;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::table::{Format, print_json};
use crate::commands::{Command, Context, Scope, Target};
use crate::model::phase::Phase;
use crate::model::role::Role;
use crate::store::docker_options::StoredOption;

/// Lists the Docker options of an app with their values
#[derive(Debug, Args)]
pub struct List {
    /// Only this phase: build, deploy or run
    #[arg(long)]
    phase: Option<Phase>,
    /// Only this process type
    #[arg(long, value_name = "PROCESS")]
    process: Option<String>,
    /// Lines, or JSON
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// The app
    app: String,
}

#[derive(Debug, Serialize)]
struct Row {
    phase: Phase,
    process: String,
    option: String,
}

impl Command for List {
    const NAME: &'static str = "docker-options:list";
    const SCOPE: Scope = Scope::App;
    // Options may hold values of variables and of build arguments.
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let mut options = context.app.store.docker_options(context.target()?.id).await?;
        if let Some(phase) = self.phase {
            options.retain(|stored| stored.phase == phase);
        }
        if let Some(process) = &self.process {
            let scope = process.parse().map_err(CommandError::user)?;
            options.retain(|stored| stored.scope == scope);
        }
        options.sort_by_key(|stored| (stored.phase, stored.scope.clone()));
        let row = |stored: &StoredOption| Row {
            phase: stored.phase,
            process: stored.scope.to_string(),
            option: stored.option.to_string(),
        };
        let rows: Vec<Row> = options.iter().map(row).collect();
        let console = context.console();
        if self.format == Format::Json {
            print_json(console, &rows).await?;
            return Ok(0);
        }
        for row in rows {
            // With everything else fixed an option stands alone, ready to be read by a script.
            match (self.phase, &self.process) {
                (Some(_), _) => console.line(row.option).await,
                (None, _) => console.line(format!("{} {} {}", row.phase, row.process, row.option)).await,
            }
        }
        Ok(0)
    }
}
