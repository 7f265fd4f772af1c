//! `builds:list` and `builds:info`.

use clap::Args;
use serde::Serialize;

use crate::clock;
use crate::command_error::{CommandError, CommandResult};
use crate::commands::table::{Format, columns, print_json};
use crate::commands::{Command, Context, Scope, Target};
use crate::model::build::{Build, BuildKind, BuildStatus};
use crate::model::role::Role;

/// How many are looked at.
const LIMIT: u32 = 1000;

/// Lists the builds and deploys of one app, or of all, newest first
#[derive(Debug, Args)]
pub struct List {
    /// The app
    app: Option<String>,
    /// Only `build` or only `deploy`
    #[arg(long)]
    kind: Option<BuildKind>,
    /// Only `queued`, `running`, `succeeded`, `failed` or `canceled`
    #[arg(long)]
    status: Option<BuildStatus>,
    /// Lines, or JSON
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl Command for List {
    const NAME: &'static str = "builds:list";
    const SCOPE: Scope = Scope::Apps;
    const ROLE: Role = Role::Viewer;

    fn target(&self) -> Target {
        self.app.clone().map_or(Target::Every, Target::One)
    }

    async fn run(self, context: Context) -> CommandResult {
        let mut builds = Vec::new();
        for record in &context.targets {
            builds.extend(context.app.store.builds(Some(record.id), LIMIT).await?);
        }
        builds.retain(|build| {
            self.kind.is_none_or(|kind| kind == build.kind)
                && self.status.is_none_or(|status| status == build.status)
        });
        builds.sort_by_key(|build| std::cmp::Reverse(build.id));
        if self.format == Format::Json {
            print_json(context.console(), &builds.iter().map(Row::new).collect::<Vec<_>>()).await?;
            return Ok(0);
        }
        let head = ["ID", "App", "Kind", "Status", "Source", "By", "Started"].map(str::to_owned).to_vec();
        let rows: Vec<Vec<String>> = std::iter::once(head).chain(builds.iter().map(cells)).collect();
        context.console().stdout(columns(&rows)).await;
        Ok(0)
    }
}

/// A build as programs read it: times as everywhere else.
#[derive(Debug, Serialize)]
struct Row<'a> {
    #[serde(flatten)]
    build: &'a Build,
    started_at: String,
    finished_at: Option<String>,
}

impl<'a> Row<'a> {
    fn new(build: &'a Build) -> Self {
        Self {
            build,
            started_at: clock::format_seconds(build.started_at),
            finished_at: build.finished_at.map(clock::format_seconds),
        }
    }
}

fn cells(build: &Build) -> Vec<String> {
    let source = build.source.get(..12).filter(|_| build.source.len() == 40).unwrap_or(&build.source);
    vec![
        build.id.to_string(),
        build.app.clone(),
        build.kind.to_string(),
        build.status.to_string(),
        source.to_owned(),
        build.started_by.clone(),
        clock::format_seconds(build.started_at),
    ]
}

/// Shows one build or deploy
#[derive(Debug, Args)]
pub struct Info {
    /// The app
    app: String,
    /// Its number
    build: i64,
    /// Lines, or JSON
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl Command for Info {
    const NAME: &'static str = "builds:info";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Viewer;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let build = find(&context, self.build).await?;
        if self.format == Format::Json {
            print_json(context.console(), &Row::new(&build)).await?;
            return Ok(0);
        }
        let finished = build.finished_at.map(clock::format_seconds).unwrap_or_default();
        let rows = [
            ("ID:", build.id.to_string()),
            ("Kind:", build.kind.to_string()),
            ("Status:", build.status.to_string()),
            ("Source:", build.source),
            ("By:", build.started_by),
            ("Started:", clock::format_seconds(build.started_at)),
            ("Finished:", finished),
        ];
        let rows: Vec<Vec<String>> =
            rows.into_iter().map(|(key, value)| vec![key.to_owned(), value]).collect();
        context.console().headline(format!("{} build information", build.app)).await;
        context.console().detail(columns(&rows)).await;
        Ok(0)
    }
}

/// The app's build of that number.
pub async fn find(context: &Context, build: i64) -> Result<Build, CommandError> {
    let record = context.target()?;
    let builds = context.app.store.builds(Some(record.id), LIMIT).await?;
    builds.into_iter().find(|found| found.id == build).ok_or_else(|| {
        CommandError::user(format!("{} has no build {build}", record.name))
            .hint(format!("See them: builds:list {}", record.name))
    })
}
