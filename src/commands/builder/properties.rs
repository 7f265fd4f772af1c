//! `builder:set`, `builder-dockerfile:set` and their reports.

use clap::Args;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::property::{self, Property, check_path};
use crate::commands::report::{AppReport, Rows};
use crate::commands::{Command, Context, Scope, Target};
use crate::deploy::prepare;
use crate::docker::labels;
use crate::model::buildpack::Builder;
use crate::model::release::Source;
use crate::model::role::Role;
use crate::store::apps::AppRecord;

const BUILDER: &[Property] = &[
    Property { key: "selected", name: prepare::BUILDER, check: check_builder },
    Property { key: "build-dir", name: "build-dir", check: check_path },
];
const DOCKERFILE: &[Property] = &[
    Property { key: "dockerfile-path", name: "dockerfile-path", check: check_path },
    Property { key: "target", name: "dockerfile-target", check: check_stage },
];

/// Sets a property of how an app is built: selected (dockerfile or buildpacks), build-dir
#[derive(Debug, Args)]
pub struct Set {
    #[command(flatten)]
    arguments: property::SetArguments,
}

/// Sets a property of Dockerfile builds: dockerfile-path, target
#[derive(Debug, Args)]
pub struct SetDockerfile {
    #[command(flatten)]
    arguments: property::SetArguments,
}

/// Reports how one app is built, or all
#[derive(Debug, Args)]
pub struct Report {
    /// An app, a flag, --format json
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "APP|FLAG")]
    words: Vec<String>,
}

/// Reports the Dockerfile settings of one app, or of all
#[derive(Debug, Args)]
pub struct ReportDockerfile {
    /// An app, a flag, --format json
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "APP|FLAG")]
    words: Vec<String>,
}

impl Command for Set {
    const NAME: &'static str = "builder:set";
    const SCOPE: Scope = Scope::AppOrServer;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        self.arguments.target()
    }

    async fn run(self, context: Context) -> CommandResult {
        property::set(&context, &self.arguments, BUILDER).await
    }
}

impl Command for SetDockerfile {
    const NAME: &'static str = "builder-dockerfile:set";
    const SCOPE: Scope = Scope::AppOrServer;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        self.arguments.target()
    }

    async fn run(self, context: Context) -> CommandResult {
        property::set(&context, &self.arguments, DOCKERFILE).await
    }
}

impl AppReport for Report {
    const NAME: &'static str = "builder:report";
    const TITLE: &'static str = "builder";

    fn words(&self) -> &[String] {
        &self.words
    }

    async fn rows(context: &Context, record: &AppRecord) -> Result<Rows, CommandError> {
        let mut rows = property::rows(&context.app.store, record.id, BUILDER).await?;
        let (builder, buildpacks) = last_build(context, record).await?;
        rows.push(("detected".to_owned(), builder));
        rows.push(("detected-buildpacks".to_owned(), buildpacks));
        Ok(rows)
    }
}

impl AppReport for ReportDockerfile {
    const NAME: &'static str = "builder-dockerfile:report";
    const TITLE: &'static str = "builder-dockerfile";

    fn words(&self) -> &[String] {
        &self.words
    }

    async fn rows(context: &Context, record: &AppRecord) -> Result<Rows, CommandError> {
        Ok(property::rows(&context.app.store, record.id, DOCKERFILE).await?)
    }
}

/// What built the release that the app has, and by which buildpacks.
async fn last_build(context: &Context, record: &AppRecord) -> Result<(String, String), CommandError> {
    let release = match record.current_release {
        Some(id) => context.app.store.release(id).await?,
        None => None,
    };
    let Some(release) = release else { return Ok(Default::default()) };
    if matches!(release.content.source, Source::Image { .. }) {
        return Ok(("image".to_owned(), String::new()));
    }
    let facts = context.app.engine.image_facts(&release.content.image.0).await?;
    let labels = facts.map(|facts| facts.labels).unwrap_or_default();
    let buildpacks = labels.get(labels::BUILDPACKS).cloned().unwrap_or_default();
    let builder = labels.get(labels::BUILDER).cloned();
    Ok((builder.unwrap_or_else(|| Builder::Dockerfile.to_string()), buildpacks.replace(' ', ",")))
}

fn check_builder(value: &str) -> Result<(), CommandError> {
    value.parse::<Builder>().map(drop).map_err(CommandError::user)
}

fn check_stage(value: &str) -> Result<(), CommandError> {
    if value.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c)) {
        return Ok(());
    }
    Err(CommandError::user(format!("{value} is not the name of a build stage")))
}
