//! `buildpacks:detect`.

use clap::Args;
use serde::Serialize;

use crate::build::buildpacks::ask::{self, Answers};
use crate::build::buildpacks::plan::Whence;
use crate::build::{self, BuildOrder, BuildStageError};
use crate::command_error::{CommandError, CommandResult};
use crate::commands::git::from_archive::branch;
use crate::commands::table::{Format, columns, print_json};
use crate::commands::{Command, Context, Scope, Target};
use crate::console::Console;
use crate::deploy::error::DeployError;
use crate::deploy::prepare;
use crate::git::tree::Snapshot;
use crate::model::buildpack::Builder;
use crate::model::role::Role;
use crate::store::apps::AppRecord;

/// Shows what each buildpack looks for in an app's source and finds, and what would build it. Nothing is built
#[derive(Debug, Args)]
pub struct Detect {
    /// A branch, a tag or a commit that was pushed; the deploy branch if not given
    #[arg(long, value_name = "BRANCH")]
    branch: Option<String>,
    /// Lines, or JSON
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// The app
    app: String,
}

#[derive(Debug, Serialize)]
struct Document<'a> {
    commit: &'a str,
    /// `dockerfile` or `buildpacks`.
    builder: String,
    /// Why these are asked.
    chosen: &'static str,
    /// Those that would build it, if buildpacks do.
    buildpacks: Vec<&'a str>,
    candidates: Vec<Row<'a>>,
}

#[derive(Debug, Serialize)]
struct Row<'a> {
    name: &'a str,
    fits: bool,
    said: &'a str,
}

impl Command for Detect {
    const NAME: &'static str = "buildpacks:detect";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let record = context.target()?.clone();
        let reference = match self.branch {
            Some(reference) => reference,
            None => branch(&context, &record).await?,
        };
        let repositories = &context.app.repositories;
        let commit = repositories.resolve(&record.name, &reference).await?.ok_or_else(|| {
            CommandError::user(format!("There is no {reference} in the repository of {}", record.name)).hint(
                format!(
                    "Push it first, or name what was pushed: --branch BRANCH (git push slipway {reference})"
                ),
            )
        })?;
        let snapshot = Snapshot::open(repositories, &record.name, commit.object(), None).await?;
        // Where programs read the answer, progress must not come between.
        let console = context.console().quieted(self.format == Format::Json);
        console.step(format!("Looking at {reference} ({}) of {}", commit.short(), record.name)).await;
        let (builder, answers) = ask(&context, &record, &snapshot, &console).await?;
        let builder = match builder {
            Builder::Auto => Builder::Dockerfile,
            chosen => chosen,
        };
        if self.format == Format::Json {
            let document = Document {
                commit: commit.as_str(),
                builder: builder.to_string(),
                chosen: whence(&answers),
                buildpacks: if answers.refused() { Vec::new() } else { answers.builders() },
                candidates: rows(&answers),
            };
            print_json(&console, &document).await?;
            return Ok(0);
        }
        let cells = rows(&answers).into_iter().map(|Row { name, fits, said }| {
            vec![name.to_owned(), if fits { "yes" } else { "no" }.to_owned(), said.to_owned()]
        });
        console.headline(format!("Buildpacks {}", whence(&answers))).await;
        console.detail(columns(&cells.collect::<Vec<_>>())).await;
        console.step(verdict(&record, builder, &answers)).await;
        Ok(0)
    }
}

async fn ask(
    context: &Context,
    record: &AppRecord,
    snapshot: &Snapshot,
    console: &Console,
) -> Result<(Builder, Answers), CommandError> {
    let app = &context.app;
    let config = app.store.merged_config(record.id).await?;
    let surroundings = app.surroundings.current().await;
    let order = BuildOrder {
        engine: &app.engine,
        submodules: &app.submodules,
        app_name: &record.name,
        image_repository: prepare::image_repository(&app.engine, &record.name),
        image_tag: format!("detect-{:08x}", rand::random::<u32>()),
        options: prepare::build_options(&app.store, record.id).await?,
        config: &config,
        console,
        limits: prepare::build_limits(app),
        surroundings: &surroundings,
        cache_volume: None,
        previous: None,
        hints: &app.build_hints,
        tested: None,
        cancel: &context.io.client_gone,
    };
    let asking = async {
        let builder = build::choose(&order, snapshot).await.map_err(BuildStageError::from)?;
        Ok((builder, ask::ask(&order, snapshot).await?))
    };
    let asked = order.cancel.run_until_cancelled(asking).await;
    let asked = asked.unwrap_or_else(|| Err(DeployError::Cancelled));
    asked.map_err(CommandError::from)
}

fn rows(answers: &Answers) -> Vec<Row<'_>> {
    answers.candidates.iter().map(|one| Row { name: &one.name, fits: one.fits, said: &one.said }).collect()
}

fn whence(answers: &Answers) -> &'static str {
    match answers.whence {
        Whence::Settings => "chosen by buildpacks:set",
        Whence::Variable => "chosen by the config var BUILDPACK_URL",
        Whence::List => "chosen in .buildpacks",
        Whence::AppJson => "chosen in app.json",
        Whence::Nobody => "in the order in which they are asked",
    }
}

fn verdict(record: &AppRecord, builder: Builder, answers: &Answers) -> String {
    let name = &record.name;
    if builder != Builder::Buildpacks {
        return format!(
            "{name} is built by its Dockerfile (by buildpacks: builder:set {name} selected buildpacks)"
        );
    }
    let builders = answers.builders().join(", ");
    match (answers.refused(), answers.whence) {
        (false, _) => format!("{name} is built by: {builders}"),
        (true, Whence::Nobody) => {
            format!("Nothing fits: add what one of them looks for, or choose one: buildpacks:add {name} NAME")
        }
        (true, _) => format!("A push of {name} is refused: the first of {builders} does not fit"),
    }
}
