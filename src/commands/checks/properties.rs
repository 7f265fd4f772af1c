//! `checks:set` and `checks:report`.

use clap::Args;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::property::{self, Property};
use crate::commands::report::{AppReport, Rows};
use crate::commands::{Command, Context, Scope, Target};
use crate::deploy::checks::{DISABLED, SKIPPED, WINDOW, selection};
use crate::model::role::Role;
use crate::run::policy::DRAIN_TIMEOUT;
use crate::store::apps::AppRecord;

/// The longest time to retire or to stay up, in seconds: a day.
const LONGEST: u64 = 86_400;

const PROPERTIES: &[Property] = &[
    Property { key: "stability-window-ms", name: WINDOW, check: check_milliseconds },
    Property { key: "wait-to-retire", name: DRAIN_TIMEOUT, check: check_seconds },
];

/// Sets how instances come and go: stability-window-ms, wait-to-retire
#[derive(Debug, Args)]
pub struct Set {
    #[command(flatten)]
    arguments: property::SetArguments,
}

/// Reports the checks of one app, or of all
#[derive(Debug, Args)]
pub struct Report {
    /// An app, a flag such as --checks-disabled-list, --format json
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "APP|FLAG")]
    words: Vec<String>,
}

impl Command for Set {
    const NAME: &'static str = "checks:set";
    const SCOPE: Scope = Scope::AppOrServer;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        self.arguments.target()
    }

    async fn run(self, context: Context) -> CommandResult {
        property::set(&context, &self.arguments, PROPERTIES).await
    }
}

impl AppReport for Report {
    const NAME: &'static str = "checks:report";
    const TITLE: &'static str = "checks";

    fn words(&self) -> &[String] {
        &self.words
    }

    async fn rows(context: &Context, record: &AppRecord) -> Result<Rows, CommandError> {
        let store = &context.app.store;
        let mut rows = Rows::new();
        for (key, property) in [("disabled-list", DISABLED), ("skipped-list", SKIPPED)] {
            rows.push((key.to_owned(), selection(store, record.id, property).await?.to_string()));
        }
        rows.extend(property::rows(store, record.id, PROPERTIES).await?);
        let limits = &context.app.settings.deploy;
        let defaults = [
            ("wait-to-retire", limits.drain_seconds.to_string()),
            ("stability-window-ms", limits.stability_window_ms.to_string()),
        ];
        property::fill_in(&mut rows, &defaults);
        Ok(rows)
    }
}

fn check_seconds(value: &str) -> Result<(), CommandError> {
    check_number(value, LONGEST, "seconds", "wait-to-retire 30")
}

fn check_milliseconds(value: &str) -> Result<(), CommandError> {
    check_number(value, LONGEST * 1000, "milliseconds", "stability-window-ms 300")
}

fn check_number(value: &str, most: u64, unit: &str, example: &str) -> Result<(), CommandError> {
    if value.parse::<u64>().is_ok_and(|number| number <= most) {
        return Ok(());
    }
    Err(CommandError::user(format!("{value} is not a number of {unit} from 0 to {most}"))
        .hint(format!("For example: checks:set APP {example}")))
}
