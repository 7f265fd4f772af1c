//! `resource:report`.

use std::collections::BTreeSet;

use clap::Args;

use crate::command_error::CommandError;
use crate::commands::Context;
use crate::commands::report::{AppReport, Rows};
use crate::model::process_scope::ProcessScope;
use crate::model::resource::{Bound, Resource};
use crate::store::apps::AppRecord;

/// Reports the resource limits and reservations of one app, or of all
#[derive(Debug, Args)]
pub struct Report {
    /// An app, a flag such as --resource-web.limit.memory, --format json
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "APP|FLAG")]
    words: Vec<String>,
}

impl AppReport for Report {
    const NAME: &'static str = "resource:report";
    const TITLE: &'static str = "resource";

    fn words(&self) -> &[String] {
        &self.words
    }

    async fn rows(context: &Context, record: &AppRecord) -> Result<Rows, CommandError> {
        let store = &context.app.store;
        let resources = store.resources(record.id).await?;
        let mut scopes: BTreeSet<ProcessScope> = resources.keys().cloned().collect();
        scopes.insert(ProcessScope::Default);
        if let Some(id) = record.current_release {
            let release = store.release(id).await?;
            let types = release.map(|release| release.content.processes).unwrap_or_default();
            scopes.extend(types.into_keys().map(ProcessScope::Only));
        }
        let mut rows = Rows::new();
        for scope in scopes {
            for (bound, resource) in settable() {
                let amount = resources.get(&scope).and_then(|amounts| amounts.get(&(bound, resource)));
                rows.push((format!("{scope}.{bound}.{resource}"), amount.cloned().unwrap_or_default()));
            }
        }
        Ok(rows)
    }
}

fn settable() -> impl Iterator<Item = (Bound, Resource)> {
    let limits = Resource::ALL.into_iter().map(|resource| (Bound::Limit, resource));
    let reservable = Resource::ALL.into_iter().filter(|resource| resource.is_reservable());
    limits.chain(reservable.map(|resource| (Bound::Reserve, resource)))
}
