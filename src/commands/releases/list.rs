//! `releases` and `releases:info`.

use std::collections::BTreeMap;

use clap::Args;
use serde::Serialize;

use crate::clock;
use crate::command_error::{CommandError, CommandResult};
use crate::commands::releases::{current, find};
use crate::commands::table::{Format, columns, print_json};
use crate::commands::{Command, Context, Scope, Target};
use crate::model::process_type::ProcessType;
use crate::model::release::{ProcessCommand, Release, Source};
use crate::model::role::Role;
use crate::store::apps::AppRecord;

/// How many are listed unless asked otherwise.
const NUMBER: u32 = 15;

/// Lists the releases of an app, newest first
#[derive(Debug, Args)]
pub struct List {
    /// The app
    app: String,
    /// How many
    #[arg(short, long, default_value_t = NUMBER)]
    num: u32,
    /// Lines, or JSON
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// A release as it is shown: names of config vars, never their values.
#[derive(Debug, Serialize)]
struct Row {
    version: String,
    current: bool,
    created_at: String,
    created_by: String,
    description: String,
    image: String,
    commit: Option<String>,
    source_image: Option<String>,
    config: Vec<String>,
    processes: Vec<String>,
    scale: BTreeMap<String, u32>,
    exposed_ports: Vec<u16>,
}

impl Row {
    fn new(release: &Release, record: &AppRecord) -> Self {
        let (commit, source_image) = match &release.content.source {
            Source::Git { commit } => (Some(commit.clone()), None),
            Source::Image { reference } => (None, Some(reference.clone())),
        };
        Self {
            version: release.version.to_string(),
            current: record.current_release == Some(release.id),
            created_at: clock::format_seconds(release.created_at),
            created_by: release.created_by.clone(),
            description: release.description.clone(),
            image: release.content.image.to_string(),
            commit,
            source_image,
            config: release.content.config.keys().map(ToString::to_string).collect(),
            processes: release.content.processes.keys().map(ToString::to_string).collect(),
            scale: release.formation.iter().map(|(name, count)| (name.to_string(), *count)).collect(),
            exposed_ports: release.content.exposed_ports.clone(),
        }
    }
}

impl Command for List {
    const NAME: &'static str = "releases";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Viewer;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let record = context.target()?;
        let releases = context.app.store.releases(record.id, self.num).await?;
        let rows: Vec<Row> = releases.iter().map(|release| Row::new(release, record)).collect();
        if self.format == Format::Json {
            print_json(context.console(), &rows).await?;
            return Ok(0);
        }
        if rows.is_empty() {
            context.console().warn(CommandError::not_deployed(&record.name)).await;
            return Ok(0);
        }
        context.console().headline(format!("{} releases", record.name)).await;
        let cells = rows.into_iter().map(|row| {
            let current = if row.current { " (current)" } else { "" };
            vec![row.version, row.description + current, row.created_by, row.created_at]
        });
        context.console().stdout(columns(&cells.collect::<Vec<_>>())).await;
        Ok(0)
    }
}

/// Shows what one release consists of; values of config vars are not shown
#[derive(Debug, Args)]
pub struct Info {
    /// The app
    app: String,
    /// The release, for example v12; the current one if not given
    version: Option<String>,
    /// Lines, or JSON
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl Command for Info {
    const NAME: &'static str = "releases:info";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Viewer;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let record = context.target()?;
        let release = match &self.version {
            Some(version) => find(&context, record, version).await?,
            None => current(&context, record).await?,
        };
        let row = Row::new(&release, record);
        if self.format == Format::Json {
            print_json(context.console(), &row).await?;
            return Ok(0);
        }
        let console = context.console();
        console.headline(format!("{} {} information", record.name, row.version)).await;
        let mut lines = vec![
            vec!["Description:".to_owned(), row.description],
            vec!["Current:".to_owned(), row.current.to_string()],
            vec!["By:".to_owned(), row.created_by],
            vec!["When:".to_owned(), row.created_at],
            vec!["Image:".to_owned(), row.image],
            vec!["Commit:".to_owned(), row.commit.unwrap_or_default()],
            vec!["Source image:".to_owned(), row.source_image.unwrap_or_default()],
            vec!["Config vars:".to_owned(), row.config.join(" ")],
            vec!["Exposed ports:".to_owned(), texts(&row.exposed_ports).join(" ")],
            vec!["Scale:".to_owned(), scale(&row.scale)],
        ];
        lines.extend(release.content.processes.iter().map(|(name, command)| process(name, command)));
        console.detail(columns(&lines)).await;
        Ok(0)
    }
}

fn texts(ports: &[u16]) -> Vec<String> {
    ports.iter().map(ToString::to_string).collect()
}

fn scale(quantities: &BTreeMap<String, u32>) -> String {
    let words: Vec<String> = quantities.iter().map(|(name, count)| format!("{name}={count}")).collect();
    words.join(" ")
}

fn process(name: &ProcessType, command: &ProcessCommand) -> Vec<String> {
    vec![format!("Process {name}:"), command.to_string()]
}
