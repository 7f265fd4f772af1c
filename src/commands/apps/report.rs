//! `apps:report`.

use clap::Args;

use crate::clock;
use crate::command_error::CommandError;
use crate::commands::Context;
use crate::commands::report::{AppReport, Rows};
use crate::model::release::Source;
use crate::store::apps::AppRecord;

/// Reports on one app, or on all
#[derive(Debug, Args)]
pub struct Report {
    /// An app, a flag such as --app-locked, --format json
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "APP|FLAG")]
    words: Vec<String>,
}

impl AppReport for Report {
    const NAME: &'static str = "apps:report";
    const TITLE: &'static str = "app";

    fn words(&self) -> &[String] {
        &self.words
    }

    async fn rows(context: &Context, record: &AppRecord) -> Result<Rows, CommandError> {
        rows(context, record).await
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
