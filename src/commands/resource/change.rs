//! Changing an app's amounts: all of it, or nothing.

use crate::command_error::CommandError;
use crate::commands::Context;
use crate::commands::docker_options::added;
use crate::model::container_options::Limits;
use crate::model::process_scope::ProcessScope;
use crate::run::options::{self, Phase};
use crate::store::apps::AppRecord;
use crate::store::docker_options::StoredOption;
use crate::store::resources::Resources;

/// Records the amounts once they are known to fit together, with one another and with the docker options.
pub async fn record(context: &Context, record: &AppRecord, resources: Resources) -> Result<(), CommandError> {
    let store = &context.app.store;
    let mut options = store.docker_options(record.id).await?;
    // With what plugins added it has to fit, too: an instance that is lost would not come back.
    options.extend(added(context, record).await?.iter().map(StoredOption::from));
    let all = compose_all(&options, &resources)?;
    check_host(context, &all).await?;
    Ok(store.set_resources(record.id, resources).await?)
}

/// The limits of every kind of container for which something was set.
pub fn compose_all(
    docker_options: &[StoredOption],
    resources: &Resources,
) -> Result<Vec<Limits>, CommandError> {
    let mut scopes: Vec<&ProcessScope> = resources.keys().collect();
    scopes.extend(docker_options.iter().map(|stored| &stored.scope));
    let default = ProcessScope::Default;
    scopes.push(&default);
    let mut all = Vec::new();
    for scope in scopes {
        let process_type = match scope {
            ProcessScope::Default => None,
            ProcessScope::Only(process_type) => Some(process_type),
        };
        for phase in [Phase::Deploy, Phase::Run] {
            let chain = options::scopes(process_type, phase);
            let made = options::compose(docker_options, resources, &chain, phase);
            all.push(made.map_err(CommandError::from)?.limits);
        }
    }
    Ok(all)
}

/// Refuses more processors than there are, which the engine would refuse at the next deploy; warns of more memory.
pub async fn check_host(context: &Context, all: &[Limits]) -> Result<(), CommandError> {
    let Some(cpus) = all.iter().filter_map(|limits| limits.nano_cpus).max() else {
        return warn_of_memory(context, all).await;
    };
    let host = context.app.engine.host().await?;
    if cpus > host.cpus.saturating_mul(1_000_000_000) {
        return Err(CommandError::user(format!("The host has {} processors, fewer than that", host.cpus))
            .hint(format!("Set at most {}", host.cpus)));
    }
    warn_of_memory(context, all).await
}

async fn warn_of_memory(context: &Context, all: &[Limits]) -> Result<(), CommandError> {
    let memory = |limits: &Limits| limits.memory.max(limits.reserved_memory);
    let Some(memory) = all.iter().filter_map(memory).max() else { return Ok(()) };
    let host = context.app.engine.host().await?;
    if memory > host.memory {
        let has = host.memory >> 20;
        let warning = format!("The host has {has} MiB of memory, less than that: the limit is never reached");
        context.console().warn(warning).await;
    }
    Ok(())
}
