//! `ps:report`.

use std::collections::HashMap;

use clap::Args;
use futures_util::{FutureExt as _, StreamExt as _, stream};

use crate::command_error::CommandError;
use crate::commands::Context;
use crate::commands::property;
use crate::commands::ps::set::PROPERTIES;
use crate::commands::report::{AppReport, Rows};
use crate::deploy::retirement;
use crate::docker::facts::{ContainerFacts, RunState};
use crate::model::container_id::ContainerId;
use crate::run::crashes::History;
use crate::store::apps::AppRecord;
use crate::store::instances::InstanceRecord;

/// Containers that are asked about at the same time.
const AT_ONCE: usize = 8;

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
        let instances = context.app.store.instances(Some(record.id)).await?;
        let containers = containers(context, &instances).await?;
        let states: Vec<Status> = instances
            .iter()
            .map(|instance| Status::of(context, instance, containers.get(&instance.container)))
            .collect();
        let running = states.iter().filter(|status| status.running).count();
        let running = match running {
            0 => "false",
            some if some == states.len() => "true",
            _ => "mixed",
        };
        let mut rows = vec![
            ("deployed".to_owned(), record.current_release.is_some().to_string()),
            ("processes".to_owned(), instances.len().to_string()),
            ("can-scale".to_owned(), can_scale(context, record).await?.to_string()),
            ("running".to_owned(), running.to_owned()),
            ("stopped".to_owned(), record.stopped.to_string()),
        ];
        rows.extend(settings(context, record).await?);
        rows.extend(states.into_iter().map(|status| (status.key, status.text)));
        rows.extend(retirement::rows(&context.app, record).await?);
        Ok(rows)
    }
}

/// The containers of these instances. Only these are asked about: a list would ask about every app's.
async fn containers(
    context: &Context,
    instances: &[InstanceRecord],
) -> Result<HashMap<ContainerId, ContainerFacts>, CommandError> {
    let mut inspections = Vec::new();
    for instance in instances {
        inspections.push(context.app.engine.inspect(instance.container.as_str()).boxed());
    }
    let mut answers = stream::iter(inspections).buffer_unordered(AT_ONCE);
    let mut containers = HashMap::new();
    while let Some(answer) = answers.next().await {
        match answer {
            Ok(facts) => containers.insert(facts.id.clone(), facts),
            Err(error) if error.is_not_found() => None,
            Err(error) => return Err(error.into()),
        };
    }
    Ok(containers)
}

/// What `ps:set` has set, and what holds where it has not.
async fn settings(context: &Context, record: &AppRecord) -> Result<Rows, CommandError> {
    let limits = &context.app.settings.deploy;
    let mut rows = property::rows(&context.app.store, record.id, PROPERTIES).await?;
    let defaults = [
        ("restart-policy", "unless-stopped".to_owned()),
        ("stop-timeout-seconds", limits.stop_seconds.to_string()),
        ("drain-timeout-seconds", limits.drain_seconds.to_string()),
        ("deploy-strategy", "start-first".to_owned()),
        ("restore", true.to_string()),
        ("skip-deploy", false.to_string()),
        ("procfile-path", "Procfile".to_owned()),
    ];
    property::fill_in(&mut rows, &defaults);
    Ok(rows)
}

/// Whether `ps:scale` decides: not where app.json has a formation.
async fn can_scale(context: &Context, record: &AppRecord) -> Result<bool, CommandError> {
    let release = match record.current_release {
        Some(id) => context.app.store.release(id).await?,
        None => None,
    };
    Ok(release.is_none_or(|release| release.content.app_json.formation.is_empty()))
}

/// One instance's line.
struct Status {
    key: String,
    text: String,
    running: bool,
}

impl Status {
    fn of(context: &Context, instance: &InstanceRecord, facts: Option<&ContainerFacts>) -> Self {
        let app = &context.app;
        let (word, mut remarks) = match facts {
            None => ("missing", Vec::new()),
            Some(facts) => describe(facts, app.crashes.history(facts)),
        };
        if word == "running" && !app.wellbeing.is_ready(&instance.container) {
            remarks.insert(0, "not ready".to_owned());
        }
        remarks.push(format!("CID: {}", instance.container.short()));
        Self {
            key: format!("status-{}", instance.name),
            text: format!("{word} ({})", remarks.join(", ")),
            running: word == "running",
        }
    }
}

/// A word for what it is doing, and what else there is to know.
fn describe(facts: &ContainerFacts, history: History) -> (&'static str, Vec<String>) {
    let mut remarks = Vec::new();
    let code = |remarks: &mut Vec<String>| match history.code {
        _ if history.ended_by_that => remarks.push("oom-killed".to_owned()),
        Some(code) => remarks.push(format!("exited {code}")),
        None => {}
    };
    let word = match facts.state {
        _ if history.looping => {
            code(&mut remarks);
            "crash-looping"
        }
        RunState::Exited(_) if history.ended_by_that => "oom-killed",
        RunState::Exited(code) => {
            remarks.push(format!("exit status {code}"));
            "exited"
        }
        RunState::Restarting => {
            code(&mut remarks);
            "restarting"
        }
        RunState::Running => {
            if let Some(ago) = history.out_of_memory {
                remarks.push(format!("oom-killed {} s ago", ago.as_secs()));
            }
            "running"
        }
        RunState::Created => "created",
        RunState::Paused => "paused",
        RunState::Removing => "removing",
    };
    match history.restarts {
        0 => {}
        1 => remarks.push("1 restart".to_owned()),
        some => remarks.push(format!("{some} restarts")),
    }
    (word, remarks)
}
