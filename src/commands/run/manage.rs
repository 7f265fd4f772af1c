//! `run:list`, `run:logs`, `run:stop`: the one-off containers of an app.

use std::time::Duration;

use clap::Args;
use futures_util::StreamExt as _;
use serde::Serialize;

use crate::clock;
use crate::command_error::{CommandError, CommandResult};
use crate::commands::logs::stopping;
use crate::commands::table::{Format, columns, print_json};
use crate::commands::{Command, Context, Scope, Target};
use crate::docker::facts::{ContainerFacts, ContainerFilter, RunState};
use crate::docker::labels::ContainerKind;
use crate::docker::logs::LogOptions;
use crate::docker::output::StandardStream;
use crate::model::role::Role;

/// How long a one-off process has between SIGTERM and SIGKILL.
const STOP: Duration = Duration::from_secs(10);

/// Lists the one-off containers of an app
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
    created_at: String,
}

impl Command for List {
    const NAME: &'static str = "run:list";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Viewer;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let rows: Vec<Row> = containers(&context).await?.iter().map(row).collect();
        if self.format == Format::Json {
            print_json(context.console(), &rows).await?;
            return Ok(0);
        }
        let head = ["NAMES", "STATE", "CREATED"].map(str::to_owned).to_vec();
        let rows = rows.into_iter().map(|row| vec![row.name, row.state, row.created_at]);
        context.console().stdout(columns(&std::iter::once(head).chain(rows).collect::<Vec<_>>())).await;
        Ok(0)
    }
}

fn row(facts: &ContainerFacts) -> Row {
    let state = match facts.state {
        RunState::Exited(code) => format!("exited ({code})"),
        state => format!("{state:?}").to_lowercase(),
    };
    Row { name: facts.name.clone(), state, created_at: clock::format_seconds(facts.created_at) }
}

async fn containers(context: &Context) -> Result<Vec<ContainerFacts>, CommandError> {
    let app = Some(context.target()?.name.clone());
    Ok(context.app.engine.list(&ContainerFilter { app, kind: Some(ContainerKind::Run) }).await?)
}

/// The one-off container of that name, or all of them.
async fn named(context: &Context, name: Option<&String>) -> Result<Vec<ContainerFacts>, CommandError> {
    let mut found = containers(context).await?;
    if let Some(name) = name {
        found.retain(|container| container.name == *name);
        if found.is_empty() {
            return Err(CommandError::user(format!("There is no one-off container {name}"))
                .hint(format!("See them: run:list {}", context.target()?.name)));
        }
    }
    Ok(found)
}

/// Stops and removes one-off containers of an app
#[derive(Debug, Args)]
pub struct Stop {
    /// The app
    app: String,
    /// Only this one
    container: Option<String>,
}

impl Command for Stop {
    const NAME: &'static str = "run:stop";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let found = named(&context, self.container.as_ref()).await?;
        if found.is_empty() {
            let name = &context.target()?.name;
            context.console().step(format!("App {name} has no one-off containers")).await;
        }
        for container in found {
            context.console().step(format!("Stopping {}", container.name)).await;
            context.app.engine.stop(&container.id, STOP).await?;
            context.app.engine.remove(&container.id).await?;
        }
        Ok(0)
    }
}

/// Prints the output of detached one-off containers
#[derive(Debug, Args)]
pub struct Logs {
    /// Follow the output until the client ends
    #[arg(short, long)]
    tail: bool,
    /// Lines of each container
    #[arg(short, long, default_value_t = 100)]
    num: u32,
    /// The app
    app: String,
    /// Only this one
    container: Option<String>,
}

impl Command for Logs {
    const NAME: &'static str = "run:logs";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Viewer;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        for container in named(&context, self.container.as_ref()).await? {
            let options = LogOptions { follow: self.tail, tail: Some(self.num), ..LogOptions::default() };
            let mut chunks = context.app.engine.logs(&container.id, options).await?;
            loop {
                let chunk = tokio::select! {
                    chunk = chunks.next() => chunk,
                    () = context.io.client_gone.cancelled() => return Ok(0),
                    () = context.app.shutdown.cancelled(), if self.tail => return Err(stopping()),
                };
                let Some(chunk) = chunk else { break };
                let chunk = chunk?;
                match chunk.stream {
                    StandardStream::Stdout => context.console().stdout(chunk.bytes).await,
                    StandardStream::Stderr => context.console().stderr(chunk.bytes).await,
                }
            }
        }
        Ok(0)
    }
}
