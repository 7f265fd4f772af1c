//! `cron:set` and `cron:report`.

use clap::Args;
use jiff::tz::TimeZone;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::property::{self, Property};
use crate::commands::report::{AppReport, Rows};
use crate::commands::{Command, Context, Scope, Target};
use crate::cron::tasks::{DEFAULT_TTL_SECONDS, MAINTENANCE, TIME_ZONE, TTL_SECONDS};
use crate::model::role::Role;
use crate::store::apps::AppRecord;

const CRON: &[Property] = &[
    Property { key: "maintenance", name: MAINTENANCE, check: property::check_boolean },
    Property { key: "timezone", name: TIME_ZONE, check: check_time_zone },
    Property { key: "ttl-seconds", name: TTL_SECONDS, check: check_seconds },
];

/// Sets a property of scheduled tasks: maintenance, timezone, ttl-seconds
#[derive(Debug, Args)]
pub struct Set {
    #[command(flatten)]
    arguments: property::SetArguments,
}

impl Command for Set {
    const NAME: &'static str = "cron:set";
    const SCOPE: Scope = Scope::AppOrServer;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        self.arguments.target()
    }

    async fn run(self, context: Context) -> CommandResult {
        let status = property::set(&context, &self.arguments, CRON).await?;
        context.app.reconciler.check_cron();
        Ok(status)
    }
}

/// Reports how the scheduled tasks of one app are run, or of all
#[derive(Debug, Args)]
pub struct Report {
    /// An app, a flag such as --cron-task-count, --format json
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "APP|FLAG")]
    words: Vec<String>,
}

impl AppReport for Report {
    const NAME: &'static str = "cron:report";
    const TITLE: &'static str = "cron";

    fn words(&self) -> &[String] {
        &self.words
    }

    async fn rows(context: &Context, record: &AppRecord) -> Result<Rows, CommandError> {
        let mut rows = property::rows(&context.app.store, record.id, CRON).await?;
        let host_zone = TimeZone::system().iana_name().unwrap_or("the host's").to_owned();
        let defaults = [
            ("maintenance", false.to_string()),
            ("timezone", host_zone),
            ("ttl-seconds", DEFAULT_TTL_SECONDS.to_string()),
        ];
        property::fill_in(&mut rows, &defaults);
        let apps = context.app.store.cron_apps().await?;
        let count = apps.iter().find(|app| app.id == record.id).map_or(0, |app| app.entries.len());
        rows.push(("task-count".to_owned(), count.to_string()));
        Ok(rows)
    }
}

fn check_time_zone(value: &str) -> Result<(), CommandError> {
    TimeZone::get(value).map(|_| ()).map_err(|_| {
        CommandError::user(format!("{value} is not a time zone"))
            .hint("Write a name of the IANA database, for example Europe/Berlin or UTC")
    })
}

fn check_seconds(value: &str) -> Result<(), CommandError> {
    match value.parse::<u32>() {
        Ok(seconds) if seconds > 0 => Ok(()),
        _ => Err(CommandError::user("ttl-seconds must be a positive integer")
            .hint(format!("Write the longest time that a task may take, for example {DEFAULT_TTL_SECONDS}"))),
    }
}
