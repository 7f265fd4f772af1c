//! `cleanup`.

use clap::Args;
use serde::Serialize;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::table::{Format, columns, print_json};
use crate::commands::{Command, Context, Scope, Target};
use crate::model::byte_size::ByteSize;
use crate::model::role::Role;
use crate::upkeep::garbage::{self, Search};
use crate::upkeep::leftover::Leftover;

/// Removes what nobody needs, of one app or of all: images of old releases, ended one-off containers, old build
/// outputs, stack images and caches of apps that are gone, abandoned files, build cache beyond its quota
#[derive(Debug, Args)]
pub struct Cleanup {
    /// The app; without one, everything
    app: Option<String>,
    /// Only show what would go
    #[arg(long)]
    dry_run: bool,
    /// Lines, or JSON
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// A leftover as programs read it.
#[derive(Debug, Serialize)]
struct Row {
    kind: &'static str,
    name: String,
    app: Option<String>,
    bytes: u64,
    removed: bool,
}

impl Command for Cleanup {
    const NAME: &'static str = "cleanup";
    const SCOPE: Scope = Scope::AppOrServer;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        self.app.clone().map_or(Target::Server, Target::One)
    }

    async fn run(self, context: Context) -> CommandResult {
        let app = &context.app;
        let console = context.console();
        let quiet = self.format == Format::Json;
        if !quiet {
            console.step("Looking for what nobody needs").await;
        }
        let usage = app.engine.disk_usage().await?;
        let record = if self.app.is_some() { Some(context.target()?) } else { None };
        let search = Search { app: record, at_once: true, usage: Some(&usage) };
        let found = garbage::find(app, search).await?;
        let (mut rows, mut failed) = (Vec::new(), 0);
        for leftover in &found {
            if leftover.takes_long() && !quiet && !self.dry_run {
                console.step(format!("Removing {leftover}; the engine may need minutes for it")).await;
            }
            let removed = if self.dry_run { Ok(false) } else { leftover.remove(app).await };
            if let Err(error) = &removed {
                let what = format!("{leftover} was not removed: {}", error.lines());
                console.stderr(format!(" !     {what}\n")).await;
                failed += 1;
            }
            rows.push(row(leftover, removed));
        }
        if quiet {
            print_json(console, &rows).await?;
        } else {
            self.show(&context, &rows).await;
        }
        match failed {
            0 => Ok(0),
            some => {
                Err(CommandError::user(format!("{some} of {} leftovers could not be removed", found.len()))
                    .hint("Why stands above; run it again when that is mended"))
            }
        }
    }
}

fn row(leftover: &Leftover, removed: Result<bool, CommandError>) -> Row {
    Row {
        kind: leftover.kind(),
        name: leftover.to_string(),
        app: leftover.app.as_ref().map(ToString::to_string),
        bytes: leftover.bytes,
        removed: removed.unwrap_or(false),
    }
}

impl Cleanup {
    async fn show(&self, context: &Context, rows: &[Row]) {
        let console = context.console();
        let shown: Vec<&Row> = rows.iter().filter(|row| self.dry_run || row.removed).collect();
        let cells = shown.iter().map(|row| {
            let size = if row.bytes == 0 { String::new() } else { ByteSize(row.bytes).to_string() };
            vec![row.app.clone().unwrap_or_else(|| "-".to_owned()), row.name.clone(), size]
        });
        let cells: Vec<Vec<String>> = cells.collect();
        if !cells.is_empty() {
            console.detail(columns(&cells)).await;
        }
        let freed = ByteSize(shown.iter().map(|row| row.bytes).sum());
        let summary = match (shown.is_empty(), self.dry_run) {
            (true, _) => "There is nothing to clean up".to_owned(),
            (false, true) => format!("{freed} would come free; nothing was removed (--dry-run)"),
            (false, false) => format!("{freed} came free"),
        };
        console.step(summary).await;
    }
}
