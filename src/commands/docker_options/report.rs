//! `docker-options:report`.

use clap::Args;

use crate::command_error::CommandError;
use crate::commands::Context;
use crate::commands::docker_options::added;
use crate::commands::report::{AppReport, Rows};
use crate::model::additions::AddedOption;
use crate::model::phase::Phase;
use crate::model::process_scope::ProcessScope;
use crate::model::role::Role;
use crate::store::apps::AppRecord;
use crate::store::docker_options::StoredOption;

/// Reports the Docker options of one app, or of all; a viewer does not see values of variables and build arguments
#[derive(Debug, Args)]
pub struct Report {
    /// An app, a flag such as --docker-options-deploy, --format json
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "APP|FLAG")]
    words: Vec<String>,
}

impl AppReport for Report {
    const NAME: &'static str = "docker-options:report";
    const TITLE: &'static str = "docker-options";

    fn words(&self) -> &[String] {
        &self.words
    }

    async fn rows(context: &Context, record: &AppRecord) -> Result<Rows, CommandError> {
        let options = context.app.store.docker_options(record.id).await?;
        let secret = context.caller.role < Role::Deployer;
        let shown = |stored: &StoredOption| {
            if secret { stored.option.redacted() } else { stored.option.to_string() }
        };
        let mut rows: Rows = Vec::new();
        let mut add = |key: String, phase: Phase, scope: &ProcessScope| {
            let of_key = options.iter().filter(|stored| stored.phase == phase && stored.scope == *scope);
            rows.push((key, of_key.map(shown).collect::<Vec<_>>().join(" ")));
        };
        for phase in Phase::ALL {
            add(phase.to_string(), phase, &ProcessScope::Default);
        }
        let mut scopes: Vec<&ProcessScope> = options.iter().map(|stored| &stored.scope).collect();
        scopes.sort_unstable();
        scopes.dedup();
        for scope in scopes.into_iter().filter(|scope| **scope != ProcessScope::Default) {
            add(format!("deploy.{scope}"), Phase::Deploy, scope);
        }
        let added = added(context, record).await?;
        if !added.is_empty() {
            let shown: Vec<String> = added.iter().map(AddedOption::redacted).collect();
            rows.push(("added-by-plugins".to_owned(), shown.join(", ")));
        }
        Ok(rows)
    }
}
