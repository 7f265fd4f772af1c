//! `run:list`.

use clap::Args;
use serde::Serialize;

use crate::clock;
use crate::command_error::CommandResult;
use crate::commands::run::named::{OneOffContainer, of_app};
use crate::commands::table::{Format, columns, print_json};
use crate::commands::{Command, Context, Scope, Target};
use crate::docker::facts::RunState;
use crate::model::role::Role;

/// Lists the one-off containers of an app, also those that ended lately
#[derive(Debug, Args)]
pub struct List {
    /// The app
    app: String,
    /// Lines, or JSON
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Debug, Serialize)]
struct Row {
    name: String,
    state: String,
    exit_code: Option<i64>,
    timed_out: bool,
    command: String,
    created_at: String,
    finished_at: Option<String>,
    ttl_seconds: u64,
    detached: bool,
    started_by: String,
}

impl Command for List {
    const NAME: &'static str = "run:list";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Viewer;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let rows: Vec<Row> = of_app(&context).await?.into_iter().map(Row::of).collect();
        if self.format == Format::Json {
            print_json(context.console(), &rows).await?;
            return Ok(0);
        }
        let head = ["NAMES", "STATE", "CREATED", "TTL", "COMMAND"].map(str::to_owned).to_vec();
        let rows: Vec<Vec<String>> = std::iter::once(head).chain(rows.into_iter().map(Row::cells)).collect();
        context.console().stdout(columns(&rows)).await;
        Ok(0)
    }
}

impl Row {
    fn of(OneOffContainer { record, facts }: OneOffContainer) -> Self {
        let (state, exit_code) = match facts.state {
            RunState::Exited(code) => ("exited".to_owned(), Some(code)),
            state => (format!("{state:?}").to_lowercase(), None),
        };
        let finished_at = facts.finished_at.filter(|_| exit_code.is_some()).map(clock::format_seconds);
        Self {
            name: record.name,
            state,
            exit_code,
            timed_out: record.timed_out,
            command: record.command,
            created_at: clock::format_seconds(record.created_at),
            finished_at,
            ttl_seconds: record.ttl_seconds,
            detached: record.detached,
            started_by: record.started_by,
        }
    }

    fn cells(self) -> Vec<String> {
        let state = match self.exit_code {
            Some(code) if self.timed_out => format!("timed out ({code})"),
            Some(code) => format!("exited ({code})"),
            None => self.state,
        };
        vec![self.name, state, self.created_at, format!("{} s", self.ttl_seconds), self.command]
    }
}
