//! `drains:list`.

use clap::Args;
use serde::Serialize;
use tokio::task::spawn_blocking;

use crate::clock;
use crate::command_error::{CommandError, CommandResult};
use crate::commands::table::{Format, columns, print_json};
use crate::commands::{Command, Context, Scope, Target};
use crate::logs::segments::Place;
use crate::model::role::Role;
use crate::store::drains::DrainRecord;

/// Lists the drains of an app: how they do, how many lines they are behind, how many were dropped
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
    id: i64,
    url: String,
    state: &'static str,
    error: Option<String>,
    behind: u64,
    dropped: u64,
    created_at: String,
}

impl Command for List {
    const NAME: &'static str = "drains:list";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Viewer;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let record = context.target()?;
        let reader = context.app.logs.reader(record.id);
        let end = spawn_blocking(move || reader.end()).await.unwrap_or_else(|error| Err(error.into()));
        let end = end.map_err(|error| CommandError::internal("The app's log cannot be read", error))?;
        let drains = context.app.store.drains(Some(record.id)).await?;
        let rows: Vec<Row> = drains.into_iter().map(|drain| row(&context, drain, end)).collect();
        if self.format == Format::Json {
            print_json(context.console(), &rows).await?;
            return Ok(0);
        }
        context.console().headline(format!("{} drains", record.name)).await;
        if rows.is_empty() {
            return Ok(0);
        }
        let header = ["NUMBER", "URL", "BEHIND", "DROPPED", "STATE"].map(str::to_owned).to_vec();
        let cells = rows.into_iter().map(|row| {
            let state =
                row.error.map_or_else(|| row.state.to_owned(), |error| format!("{}: {error}", row.state));
            vec![row.id.to_string(), row.url, row.behind.to_string(), row.dropped.to_string(), state]
        });
        let rows: Vec<Vec<String>> = std::iter::once(header).chain(cells).collect();
        context.console().stdout(columns(&rows)).await;
        Ok(0)
    }
}

fn row(context: &Context, drain: DrainRecord, end: Place) -> Row {
    let error = context.app.drains.trouble(drain.id);
    let progress = context.app.drains.progress(&drain);
    Row {
        id: drain.id,
        url: drain.url.to_string(),
        state: if error.is_some() { "down" } else { "up" },
        error,
        behind: end.line.saturating_sub(progress.line),
        dropped: progress.dropped,
        created_at: clock::format_seconds(drain.created_at),
    }
}
