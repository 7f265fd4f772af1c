//! `maintenance:report`.

use clap::Args;

use crate::command_error::CommandError;
use crate::commands::Context;
use crate::commands::report::{AppReport, Rows};
use crate::requests::kept::{Closure, MAINTENANCE, MAINTENANCE_PAGE};
use crate::requests::policy::read;
use crate::requests::values::show_networks;
use crate::store::apps::AppRecord;

/// Reports whether one app, or each, is in maintenance
#[derive(Debug, Args)]
pub struct Report {
    /// An app, a flag such as --maintenance-enabled, --format json
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "APP|FLAG")]
    words: Vec<String>,
}

impl AppReport for Report {
    const NAME: &'static str = "maintenance:report";
    const TITLE: &'static str = "maintenance";

    fn words(&self) -> &[String] {
        &self.words
    }

    /// The secret of the bypass is not among them: a viewer may see the report, and not the app.
    async fn rows(context: &Context, record: &AppRecord) -> Result<Rows, CommandError> {
        let own = context.app.store.request_properties(Some(record.id)).await?;
        let closure: Closure = read(&own, MAINTENANCE);
        let retry_after = closure.retry_after.map(|seconds| format!("{seconds}s")).unwrap_or_default();
        Ok(vec![
            ("enabled".to_owned(), closure.on.to_string()),
            ("retry-after".to_owned(), retry_after),
            ("allow".to_owned(), show_networks(&closure.allow)),
            ("bypass".to_owned(), closure.bypass.is_some().to_string()),
            (
                "page".to_owned(),
                own.get(MAINTENANCE_PAGE).map_or_else(String::new, |page| format!("{} bytes", page.len())),
            ),
        ])
    }
}
