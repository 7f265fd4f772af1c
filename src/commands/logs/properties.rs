//! `logs:set` and `logs:report`.

use clap::Args;
use tokio::task::spawn_blocking;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::property::{self, Property};
use crate::commands::report::{AppReport, Rows};
use crate::commands::{Command, Context, Scope, Target};
use crate::logs::limits::{DEFAULT_MAX_AGE, DEFAULT_MAX_SIZE, MAX_AGE, MAX_SIZE, parse_age, parse_size};
use crate::model::role::Role;
use crate::store::apps::AppRecord;

const PROPERTIES: &[Property] = &[
    Property { key: "max-size", name: MAX_SIZE, check: check_size },
    Property { key: "max-age", name: MAX_AGE, check: check_age },
];

/// Sets how much of an app's log is kept: max-size (for example 50m) or max-age (for example 14d)
#[derive(Debug, Args)]
pub struct Set {
    #[command(flatten)]
    arguments: property::SetArguments,
}

impl Command for Set {
    const NAME: &'static str = "logs:set";
    const SCOPE: Scope = Scope::AppOrServer;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        self.arguments.target()
    }

    async fn run(self, context: Context) -> CommandResult {
        let status = property::set(&context, &self.arguments, PROPERTIES).await?;
        context.app.logs.reload_limits().await?;
        Ok(status)
    }
}

/// Reports how much of the log of one app, or of all, is kept
#[derive(Debug, Args)]
pub struct Report {
    /// An app, a flag such as --logs-max-size, --format json
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "APP|FLAG")]
    words: Vec<String>,
}

impl AppReport for Report {
    const NAME: &'static str = "logs:report";
    const TITLE: &'static str = "logs";

    fn words(&self) -> &[String] {
        &self.words
    }

    async fn rows(context: &Context, record: &AppRecord) -> Result<Rows, CommandError> {
        let mut rows = property::rows(&context.app.store, record.id, PROPERTIES).await?;
        let defaults = [("max-size", DEFAULT_MAX_SIZE.to_owned()), ("max-age", DEFAULT_MAX_AGE.to_owned())];
        property::fill_in(&mut rows, &defaults);
        let reader = context.app.logs.reader(record.id);
        let extent = spawn_blocking(move || reader.extent()).await.unwrap_or_else(|error| Err(error.into()));
        let extent = extent.map_err(|error| CommandError::internal("The app's log cannot be read", error))?;
        rows.push(("size".to_owned(), extent.bytes.to_string()));
        rows.push(("oldest-line".to_owned(), extent.oldest.unwrap_or_default()));
        let drains = context.app.store.drains(Some(record.id)).await?;
        rows.push(("drains".to_owned(), drains.len().to_string()));
        Ok(rows)
    }
}

fn check_size(value: &str) -> Result<(), CommandError> {
    parse_size(value).map(|_| ()).map_err(CommandError::user)
}

fn check_age(value: &str) -> Result<(), CommandError> {
    parse_age(value).map(|_| ()).map_err(CommandError::user)
}
