//! `apps:report`.

use clap::Args;

use crate::clock;
use crate::command_error::{CommandError, CommandResult};
use crate::commands::report::{Rows, Wish};
use crate::commands::{Command, Context, Scope, Target};
use crate::model::release::Source;
use crate::model::role::Role;
use crate::store::apps::AppRecord;

/// Reports on one app, or on all
#[derive(Debug, Args)]
pub struct Report {
    /// An app, a flag such as --app-locked, --format json
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "APP|FLAG")]
    words: Vec<String>,
}

impl Command for Report {
    const NAME: &'static str = "apps:report";
    const SCOPE: Scope = Scope::Apps;
    const ROLE: Role = Role::Viewer;

    fn target(&self) -> Target {
        report_target(&self.words)
    }

    async fn run(self, context: Context) -> CommandResult {
        let wish = Wish::parse(&self.words)?;
        for record in &context.targets {
            let rows = rows(&context, record).await?;
            wish.print(context.console(), &record.name, "app", rows).await?;
        }
        Ok(0)
    }
}

/// The app that the words behind a report name, else all. Words that make no sense are refused later.
pub fn report_target(words: &[String]) -> Target {
    match Wish::parse(words) {
        Ok(Wish { app: Some(app), .. }) => Target::One(app),
        _ => Target::Every,
    }
}

async fn rows(context: &Context, record: &AppRecord) -> Result<Rows, CommandError> {
    let release = match record.current_release {
        Some(id) => context.app.store.release(id).await?,
        None => None,
    };
    let (source, metadata) = match release.as_ref().map(|release| &release.content.source) {
        Some(Source::Git { commit }) => ("git", commit.clone()),
        Some(Source::Image { reference }) => ("docker-image", reference.clone()),
        None => ("", String::new()),
    };
    let release = release.map(|release| release.version.to_string()).unwrap_or_default();
    Ok(vec![
        ("created-at".to_owned(), clock::format_seconds(record.created_at)),
        ("deploy-source".to_owned(), source.to_owned()),
        ("deploy-source-metadata".to_owned(), metadata),
        ("dir".to_owned(), context.app.repositories.path(&record.name).display().to_string()),
        ("locked".to_owned(), record.locked.to_string()),
        ("release".to_owned(), release),
    ])
}
