//! `storage:list-entries` and `storage:info`.

use clap::Args;
use jiff::Timestamp;
use serde::Serialize;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::storage::find;
use crate::commands::table::{Format, columns, print_json};
use crate::commands::{Command, Context, Scope, Target};
use crate::model::role::Role;
use crate::store::storage::{Place, StorageRecord};

/// Lists the storage that storage:create has made, and which apps mount it
#[derive(Debug, Args)]
pub struct ListEntries {
    /// Lines, or JSON
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Shows where storage is, and which apps mount it
#[derive(Debug, Args)]
pub struct Info {
    /// Lines, or JSON
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Its name
    name: String,
}

#[derive(Debug, Serialize)]
struct Row {
    name: String,
    kind: &'static str,
    place: String,
    created_at: String,
    apps: Vec<String>,
}

impl Command for ListEntries {
    const NAME: &'static str = "storage:list-entries";
    const SCOPE: Scope = Scope::Server;
    const ROLE: Role = Role::Viewer;

    fn target(&self) -> Target {
        Target::Server
    }

    async fn run(self, context: Context) -> CommandResult {
        let mut rows = Vec::new();
        for record in context.app.store.storage().await? {
            rows.push(row(&context, record).await?);
        }
        let console = context.console();
        if self.format == Format::Json {
            print_json(console, &rows).await?;
            return Ok(0);
        }
        let head = ["NAME", "KIND", "PLACE", "APPS"].map(str::to_owned).to_vec();
        let body =
            rows.into_iter().map(|row| vec![row.name, row.kind.to_owned(), row.place, row.apps.join(" ")]);
        console.stdout(columns(&std::iter::once(head).chain(body).collect::<Vec<_>>())).await;
        Ok(0)
    }
}

impl Command for Info {
    const NAME: &'static str = "storage:info";
    const SCOPE: Scope = Scope::Server;
    const ROLE: Role = Role::Viewer;

    fn target(&self) -> Target {
        Target::Server
    }

    async fn run(self, context: Context) -> CommandResult {
        let record = find(&context, &self.name).await?;
        let row = row(&context, record).await?;
        let console = context.console();
        if self.format == Format::Json {
            print_json(console, &row).await?;
            return Ok(0);
        }
        console.headline(format!("{} storage information", row.name)).await;
        for (key, value) in [
            ("Kind", row.kind.to_owned()),
            ("Place", row.place),
            ("Created at", row.created_at),
            ("Apps", row.apps.join(" ")),
        ] {
            console.line(format!("       {:<31}{value}", format!("{key}:")).trim_end()).await;
        }
        Ok(0)
    }
}

async fn row(context: &Context, record: StorageRecord) -> Result<Row, CommandError> {
    let mounts = context.app.store.all_mounts().await?;
    let by = mounts.iter().filter(|(_, mount)| mount.place == record.place);
    let mut apps: Vec<String> = by.map(|(app, _)| app.to_string()).collect();
    apps.dedup();
    let created_at = Timestamp::from_second(record.created_at).map(|time| time.to_string());
    let kind = match record.place {
        Place::Volume(_) => "volume",
        Place::Directory { .. } => "directory",
    };
    Ok(Row {
        name: record.name.to_string(),
        kind,
        place: record.place.as_str().to_owned(),
        created_at: created_at.unwrap_or_default(),
        apps,
    })
}
