//! `links:list` and `links:report`.

use clap::Args;
use serde::Serialize;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::report::{AppReport, Rows};
use crate::commands::table::{Format, columns, print_json};
use crate::commands::{Command, Context, Scope, Target};
use crate::model::role::Role;
use crate::store::apps::AppRecord;

/// Lists the links of an app, or of all
#[derive(Debug, Args)]
pub struct List {
    /// Lines, or JSON
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// The app
    app: Option<String>,
}

#[derive(Debug, Serialize)]
struct Row {
    app: String,
    linked_to: String,
    config_var: String,
}

impl Command for List {
    const NAME: &'static str = "links:list";
    const SCOPE: Scope = Scope::Apps;
    const ROLE: Role = Role::Viewer;

    fn target(&self) -> Target {
        self.app.clone().map_or(Target::Every, Target::One)
    }

    async fn run(self, context: Context) -> CommandResult {
        let links = context.app.store.links().await?;
        let shown = links.iter().filter(|link| context.targets.iter().any(|record| record.id == link.app));
        let rows: Vec<Row> = shown
            .map(|link| Row {
                app: link.app_name.to_string(),
                linked_to: link.target_name.to_string(),
                config_var: link.key.to_string(),
            })
            .collect();
        if self.format == Format::Json {
            print_json(context.console(), &rows).await?;
            return Ok(0);
        }
        context.console().headline("App links").await;
        let cells = rows.into_iter().map(|row| vec![row.app, row.linked_to, row.config_var]);
        let head = ["APP", "LINKED TO", "CONFIG VAR"].map(str::to_owned).to_vec();
        let lines: Vec<_> = std::iter::once(head).chain(cells).collect();
        context.console().stdout(columns(&lines)).await;
        Ok(0)
    }
}

/// Reports what an app is linked to, and what is linked to it
#[derive(Debug, Args)]
pub struct Report {
    /// An app, a flag such as --links-linked-to, --format json
    #[arg(value_name = "APP] [FLAG", trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<String>,
}

impl AppReport for Report {
    const NAME: &'static str = "links:report";
    const TITLE: &'static str = "links";

    fn words(&self) -> &[String] {
        &self.words
    }

    async fn rows(context: &Context, record: &AppRecord) -> Result<Rows, CommandError> {
        let store = &context.app.store;
        let links = store.links().await?;
        let may_see = |name| context.caller.access.includes(name);
        let to: Vec<&str> =
            links.iter().filter(|link| link.app == record.id).map(|link| link.target_name.as_str()).collect();
        let from: Vec<&str> = links
            .iter()
            .filter(|link| link.target == record.id && may_see(&link.app_name))
            .map(|link| link.app_name.as_str())
            .collect();
        let host = store.link_target(record.id).await?.map(|target| target.host).unwrap_or_default();
        Ok(vec![
            ("linked-to".to_owned(), to.join(" ")),
            ("linked-from".to_owned(), from.join(" ")),
            ("internal-host".to_owned(), host),
        ])
    }
}
