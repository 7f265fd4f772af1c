//! `ENGINE:events`.

use clap::Args;
use serde::Serialize;

use crate::clock;
use crate::command_error::CommandResult;
use crate::commands::table::{Format, columns, print_json};
use crate::commands::{Command, Context, Scope, Target};
use crate::model::role::Role;

/// Shows what happened to a service, the latest last
#[derive(Debug, Args)]
pub struct Events {
    /// Lines, or JSON
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// The service
    service: String,
}

#[derive(Debug, Serialize)]
struct Row {
    at: String,
    who: String,
    what: String,
}

impl Command for Events {
    const NAME: &'static str = "service:events";
    const SCOPE: Scope = Scope::Server;
    const ROLE: Role = Role::Viewer;

    fn target(&self) -> Target {
        Target::Service(self.service.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let service = context.service()?;
        let events = context.app.store.service_events(service.record.id).await?;
        let row = |event: crate::store::services::ServiceEvent| Row {
            at: clock::format_seconds(event.at),
            who: event.who,
            what: event.what,
        };
        let rows: Vec<Row> = events.into_iter().map(row).collect();
        if self.format == Format::Json {
            print_json(context.console(), &rows).await?;
            return Ok(0);
        }
        let cells: Vec<_> = rows.into_iter().map(|row| vec![row.at, row.who, row.what]).collect();
        context.console().stdout(columns(&cells)).await;
        Ok(0)
    }
}
