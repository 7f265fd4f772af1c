//! `resource:{limit,reserve,limit-clear,reserve-clear,report}`: what containers may use, and what is set aside.

mod change;
pub mod clear;
pub mod report;
pub mod set;

use crate::command_error::CommandError;
use crate::commands::Context;
use crate::model::process_scope::ProcessScope;
use crate::model::resource::Bound;
use crate::store::apps::AppRecord;
use crate::store::docker_options::StoredOption;
use crate::store::resources::Resources;

/// Process types that no Procfile has to name: what one-off and scheduled processes run under.
const OF_SLIPWAY: [&str; 3] = ["cron", "release", "run"];

/// Reads `--process-type`; without one it is the default for all.
fn scope(process_type: Option<&String>) -> Result<ProcessScope, CommandError> {
    if process_type.is_some_and(|name| name == "build") {
        return Err(CommandError::user("Builds have limits of their own, which are the server's").hint(
            "Set build-memory-bytes, build-cpu-weight and build-pids in slipway.toml, section [deploy]",
        ));
    }
    process_type.map_or(Ok(ProcessScope::Default), |name| name.parse().map_err(CommandError::user))
}

/// How messages name what is set, and for what.
fn subject(bound: Bound, record: &AppRecord, scope: &ProcessScope) -> String {
    let plural = match bound {
        Bound::Limit => "limits",
        Bound::Reserve => "reservations",
    };
    match scope {
        ProcessScope::Default => format!("resource {plural} for {}", record.name),
        ProcessScope::Only(process_type) => format!("resource {plural} for {} ({process_type})", record.name),
    }
}

/// Refuses docker options and amounts that the engine would not take together, or not on this host.
pub async fn limits_fit(
    context: &Context,
    docker_options: &[StoredOption],
    resources: &Resources,
) -> Result<(), CommandError> {
    change::check_host(context, &change::compose_all(docker_options, resources)?).await
}

/// Warns of a process type that the app does not have: a slip, or one that comes with the next deploy.
pub async fn warn_of_unknown(
    context: &Context,
    record: &AppRecord,
    scope: &ProcessScope,
) -> Result<(), CommandError> {
    let ProcessScope::Only(process_type) = scope else { return Ok(()) };
    let Some(id) = record.current_release else { return Ok(()) };
    let release = context.app.store.release(id).await?;
    let known = release.is_none_or(|release| release.content.processes.contains_key(process_type));
    if !known && !OF_SLIPWAY.contains(&process_type.as_str()) {
        let warning = format!("{} has no process type {process_type} now", record.name);
        context.console().warn(warning).await;
    }
    Ok(())
}

/// Says when it takes effect, if something runs that does not have it.
pub async fn tell_when(context: &Context, record: &AppRecord) {
    if record.current_release.is_some() && !record.stopped {
        let next = format!("Takes effect with the next deploy, or now: ps:restart {}", record.name);
        context.console().detail(next).await;
    }
}
