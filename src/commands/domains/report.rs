//! `domains:report`.

use clap::Args;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::report::{Rows, Wish, report_target};
use crate::commands::{Command, Context, Scope, Target};
use crate::model::hostname::Hostname;
use crate::model::role::Role;
use crate::store::apps::AppRecord;
use crate::urls;

/// Asks for what holds for all apps.
const GLOBAL: &str = "--global";

/// Reports the host names of one app, or of all
#[derive(Debug, Args)]
pub struct Report {
    /// An app or --global, a flag such as --domains-app-vhosts, --format json
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "APP|FLAG")]
    words: Vec<String>,
}

impl Command for Report {
    const NAME: &'static str = "domains:report";
    const SCOPE: Scope = Scope::Apps;
    const ROLE: Role = Role::Viewer;

    fn target(&self) -> Target {
        if self.is_global() { Target::Nothing } else { report_target(&self.words) }
    }

    async fn run(self, context: Context) -> CommandResult {
        if self.is_global() {
            let words: Vec<String> = self.words.iter().filter(|word| *word != GLOBAL).cloned().collect();
            let rows = global_rows(&context).await?;
            return Wish::parse(&words)?
                .print(context.console(), "global", "domains", rows)
                .await
                .map(|()| 0);
        }
        let wish = Wish::parse(&self.words)?;
        for record in &context.targets {
            let rows = rows(&context, record).await?;
            wish.print_app(context.console(), record, "domains", rows).await?;
        }
        Ok(0)
    }
}

impl Report {
    fn is_global(&self) -> bool {
        self.words.iter().any(|word| word == GLOBAL)
    }
}

async fn rows(context: &Context, record: &AppRecord) -> Result<Rows, CommandError> {
    let own = urls::all_hostnames(&context.app, record).await?;
    let mut rows = vec![
        ("app-enabled".to_owned(), record.vhosts_enabled.to_string()),
        ("app-vhosts".to_owned(), join(&own)),
    ];
    let unicode: Vec<String> = own.iter().filter_map(Hostname::unicode).collect();
    if !unicode.is_empty() {
        rows.push(("app-vhosts-unicode".to_owned(), unicode.join(" ")));
    }
    let paths = context.app.store.path_routes(record.id).await?;
    if !paths.is_empty() {
        let paths: Vec<String> = paths.iter().map(ToString::to_string).collect();
        rows.push(("app-paths".to_owned(), paths.join(", ")));
    }
    let added = context.app.store.added_places(record.id).await?;
    if !added.is_empty() {
        let added: Vec<String> = added.iter().map(|(place, plugin)| format!("{place} ({plugin})")).collect();
        rows.push(("app-added-by-plugins".to_owned(), added.join(", ")));
    }
    rows.extend(global_rows(context).await?);
    Ok(rows)
}

async fn global_rows(context: &Context) -> Result<Rows, CommandError> {
    let app = &context.app;
    let global = urls::global_domains(&app.store, &app.settings.domain).await?;
    Ok(vec![
        ("global-enabled".to_owned(), (!global.is_empty()).to_string()),
        ("global-vhosts".to_owned(), join(&global)),
    ])
}

fn join(names: &[Hostname]) -> String {
    names.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}
