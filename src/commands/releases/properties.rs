//! `releases:set` and `releases:report`.

use clap::Args;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::property::{Property, SetArguments, rows, set};
use crate::commands::report::{AppReport, Rows};
use crate::commands::{Command, Context, Scope, Target};
use crate::deploy::retention;
use crate::model::role::Role;
use crate::store::apps::AppRecord;

/// More releases than this would fill any disk.
const MOST: u32 = 1000;

static PROPERTIES: &[Property] =
    &[Property { key: "retention", name: retention::PROPERTY, check: check_retention }];

/// Sets how many releases of an app are kept with their images: `retention`
#[derive(Debug, Args)]
pub struct Set {
    #[command(flatten)]
    arguments: SetArguments,
}

impl Command for Set {
    const NAME: &'static str = "releases:set";
    const SCOPE: Scope = Scope::AppOrServer;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        self.arguments.target()
    }

    async fn run(self, context: Context) -> CommandResult {
        set(&context, &self.arguments, PROPERTIES).await
    }
}

/// Reports how many releases of one app, or of all, are kept
#[derive(Debug, Args)]
pub struct Report {
    /// An app, a flag such as --releases-retention, --format json
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "APP|FLAG")]
    words: Vec<String>,
}

impl AppReport for Report {
    const NAME: &'static str = "releases:report";
    const TITLE: &'static str = "releases";

    fn words(&self) -> &[String] {
        &self.words
    }

    async fn rows(context: &Context, record: &AppRecord) -> Result<Rows, CommandError> {
        let mut rows = rows(&context.app.store, record.id, PROPERTIES).await?;
        let holds = retention::of(&context.app, record.id).await?.to_string();
        rows.iter_mut().filter(|(key, _)| key == "computed-retention").for_each(|(_, value)| {
            value.clone_from(&holds);
        });
        let known = context.app.store.release_versions(record.id).await?;
        rows.push(("count".to_owned(), known.len().to_string()));
        rows.push(("newest".to_owned(), known.last().map(ToString::to_string).unwrap_or_default()));
        rows.push(("oldest".to_owned(), known.first().map(ToString::to_string).unwrap_or_default()));
        Ok(rows)
    }
}

fn check_retention(value: &str) -> Result<(), CommandError> {
    match value.parse::<u32>() {
        Ok(number) if (1..=MOST).contains(&number) => Ok(()),
        _ => Err(CommandError::user(format!("{value} is no number of releases to keep"))
            .hint(format!("Write a number from 1 to {MOST}, for example 20"))),
    }
}
