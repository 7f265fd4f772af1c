//! `storage:list` and `storage:report`.

use clap::Args;
use serde::Serialize;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::report::{AppReport, Rows};
use crate::commands::table::{Format, print_json};
use crate::commands::{Command, Context, Scope, Target};
use crate::model::phase::Phase;
use crate::model::process_scope::ProcessScope;
use crate::model::role::Role;
use crate::store::apps::AppRecord;
use crate::store::storage::MountRecord;

/// Lists what an app has mounted
#[derive(Debug, Args)]
pub struct List {
    /// Lines, or JSON
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// The app
    app: String,
}

/// Reports the mounts of one app, or of all
#[derive(Debug, Args)]
pub struct Report {
    /// An app, a flag such as --storage-deploy-mounts, --format json
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "APP|FLAG")]
    words: Vec<String>,
}

/// A mount in Dokku's words, and then in ours.
#[derive(Debug, Serialize)]
struct Row {
    host_path: String,
    container_path: String,
    volume_options: &'static str,
    process_type: String,
    phases: Vec<Phase>,
    exclusive: bool,
}

impl Command for List {
    const NAME: &'static str = "storage:list";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Viewer;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let record = context.target()?;
        let mounts = context.app.store.mounts(record.id).await?;
        let console = context.console();
        if self.format == Format::Json {
            let row = |mount: &MountRecord| Row {
                host_path: mount.source.to_string(),
                container_path: mount.target.to_string(),
                volume_options: if mount.read_only { "ro" } else { "" },
                process_type: mount.scope.to_string(),
                phases: mount.phases.clone(),
                exclusive: mount.exclusive,
            };
            print_json(console, &mounts.iter().map(row).collect::<Vec<_>>()).await?;
            return Ok(0);
        }
        console.step(format!("{} volume bind-mounts:", record.name)).await;
        for mount in &mounts {
            console.line(format!("       {}{}", shown(mount), remarks(mount))).await;
        }
        Ok(0)
    }
}

impl AppReport for Report {
    const NAME: &'static str = "storage:report";
    const TITLE: &'static str = "storage";

    fn words(&self) -> &[String] {
        &self.words
    }

    async fn rows(context: &Context, record: &AppRecord) -> Result<Rows, CommandError> {
        let mounts = context.app.store.mounts(record.id).await?;
        let row = |phase: Phase| {
            let of_phase = mounts.iter().filter(|mount| mount.phases.contains(&phase));
            (format!("{phase}-mounts"), of_phase.map(shown).collect::<Vec<_>>().join(" "))
        };
        Ok(Phase::ALL.map(row).to_vec())
    }
}

/// As it was typed.
fn shown(mount: &MountRecord) -> String {
    let options = if mount.read_only { ":ro" } else { "" };
    format!("{}:{}{options}", mount.source, mount.target)
}

/// What is not as usual about it.
fn remarks(mount: &MountRecord) -> String {
    let mut remarks = Vec::new();
    if let ProcessScope::Only(process_type) = &mount.scope {
        remarks.push(format!("{process_type} only"));
    }
    match mount.phases.as_slice() {
        [Phase::Deploy] => remarks.push("instances only".to_owned()),
        [Phase::Run] => remarks.push("one-off processes only".to_owned()),
        _ => {}
    }
    if mount.exclusive {
        remarks.push("one instance at a time".to_owned());
    }
    if remarks.is_empty() { String::new() } else { format!(" ({})", remarks.join(", ")) }
}
