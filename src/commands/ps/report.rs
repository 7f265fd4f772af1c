//! `ps:report`.

use std::collections::HashMap;

use clap::Args;

use crate::command_error::CommandError;
use crate::commands::Context;
use crate::commands::report::{AppReport, Rows};
use crate::docker::facts::{ContainerFacts, ContainerFilter, RunState};
use crate::docker::labels::ContainerKind;
use crate::model::container_id::ContainerId;
use crate::store::apps::AppRecord;

/// Reports the instances of one app, or of all
#[derive(Debug, Args)]
pub struct Report {
    /// An app, a flag such as --ps-running, --format json
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "APP|FLAG")]
    words: Vec<String>,
}

impl AppReport for Report {
    const NAME: &'static str = "ps:report";
    const TITLE: &'static str = "ps";

    fn words(&self) -> &[String] {
        &self.words
    }

    async fn rows(context: &Context, record: &AppRecord) -> Result<Rows, CommandError> {
        rows(context, record).await
    }
}

async fn rows(context: &Context, record: &AppRecord) -> Result<Rows, CommandError> {
    let instances = context.app.store.instances(Some(record.id)).await?;
    // By their ids, not by the app's name: containers keep the label that they were made with.
    let filter = ContainerFilter { app: None, kind: Some(ContainerKind::Deploy) };
    let containers: HashMap<ContainerId, ContainerFacts> =
        context.app.engine.list(&filter).await?.into_iter().map(|facts| (facts.id.clone(), facts)).collect();
    let states: Vec<(String, String, bool)> = instances
        .iter()
        .map(|instance| {
            let state = containers.get(&instance.container).map(|facts| facts.state);
            let shown = format!("{} (CID: {})", describe(state), instance.container.short());
            (format!("status-{}", instance.name), shown, state == Some(RunState::Running))
        })
        .collect();
    let running = states.iter().filter(|(_, _, running)| *running).count();
    let running = match running {
        0 => "false",
        some if some == states.len() => "true",
        _ => "mixed",
    };
    let mut rows = vec![
        ("deployed".to_owned(), record.current_release.is_some().to_string()),
        ("processes".to_owned(), instances.len().to_string()),
        ("running".to_owned(), running.to_owned()),
        ("stopped".to_owned(), record.stopped.to_string()),
    ];
    rows.extend(states.into_iter().map(|(key, value, _)| (key, value)));
    Ok(rows)
}

fn describe(state: Option<RunState>) -> String {
    match state {
        None => "missing".to_owned(),
        Some(RunState::Exited(code)) => format!("exited ({code})"),
        Some(state) => format!("{state:?}").to_lowercase(),
    }
}
