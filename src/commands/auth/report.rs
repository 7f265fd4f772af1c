//! `auth:report`.

use clap::Args;

use crate::command_error::CommandError;
use crate::commands::Context;
use crate::commands::report::{AppReport, Rows};
use crate::commands::router::kept;
use crate::requests::kept::{PEOPLE, People};
use crate::store::apps::AppRecord;

/// Reports who may use an app, or all apps, and whether they are asked
#[derive(Debug, Args)]
pub struct Report {
    /// An app, a flag such as --auth-users, --format json
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "APP|FLAG")]
    words: Vec<String>,
}

impl AppReport for Report {
    const NAME: &'static str = "auth:report";
    const TITLE: &'static str = "auth";

    fn words(&self) -> &[String] {
        &self.words
    }

    async fn rows(context: &Context, record: &AppRecord) -> Result<Rows, CommandError> {
        let people: People = kept(context, record.id, PEOPLE).await?;
        let names: Vec<String> = people.people.into_keys().collect();
        Ok(vec![("enabled".to_owned(), people.on.to_string()), ("users".to_owned(), names.join(" "))])
    }
}
