//! Paths of hosts: what `domains:add` and `domains:remove` do with `example.com/api`.

use crate::command_error::CommandError;
use crate::commands::Context;
use crate::commands::domains::{check_wildcard, others};
use crate::model::path_route::{HostPath, PathRoute};
use crate::store::apps::AppRecord;
use crate::urls;

/// Parts words into host names and paths of hosts, all of them or an error.
pub(super) fn part(words: &[String]) -> Result<(Vec<String>, Vec<HostPath>), CommandError> {
    let is_path = |word: &&String| word.contains('/') && !word.contains("://");
    let (paths, hosts): (Vec<&String>, Vec<&String>) = words.iter().partition(is_path);
    let paths = paths.into_iter().map(|word| word.parse().map_err(CommandError::user));
    Ok((hosts.into_iter().cloned().collect(), paths.collect::<Result<_, _>>()?))
}

/// Refuses what is another app's, or a part of what is: who opens one app only must not take paths of another's host.
pub(super) async fn check_free(
    context: &Context,
    record: &AppRecord,
    places: &[HostPath],
) -> Result<(), CommandError> {
    for place in places {
        let owner = context.app.store.path_owner(place.clone()).await?;
        if let Some(owner) = owner.filter(|owner| *owner != record.name) {
            return Err(if context.caller.access.includes(&owner) {
                CommandError::user(format!("{place} leads to {owner} already"))
                    .hint(format!("Remove it there first: domains:remove {owner} {place}"))
            } else {
                others(place)
            });
        }
        match urls::owner(&context.app, &place.host).await? {
            Some(owner) if owner == record.name || context.caller.access.includes(&owner) => {}
            Some(_) => return Err(others(place)),
            None => check_wildcard(context, record, &place.host).await?,
        }
    }
    Ok(())
}

/// Adds them.
pub(super) async fn add(
    context: &Context,
    record: &AppRecord,
    places: Vec<HostPath>,
    strip: bool,
) -> Result<(), CommandError> {
    let routes: Vec<PathRoute> = places.into_iter().map(|place| PathRoute { place, strip }).collect();
    context.app.store.add_path_routes(record.id, routes.clone()).await?;
    for route in routes {
        context.console().step(format!("Added {route} to {}", record.name)).await;
    }
    Ok(())
}

/// Removes them.
pub(super) async fn remove(
    context: &Context,
    record: &AppRecord,
    places: Vec<HostPath>,
) -> Result<(), CommandError> {
    context.app.store.remove_path_routes(record.id, Some(places.clone())).await?;
    for place in places {
        context.console().step(format!("Removed {place} from {}", record.name)).await;
    }
    Ok(())
}

/// Refuses to remove what is not there.
pub(super) async fn check_present(
    context: &Context,
    record: &AppRecord,
    places: &[HostPath],
) -> Result<(), CommandError> {
    let present = context.app.store.path_routes(record.id).await?;
    match places.iter().find(|place| !present.iter().any(|route| route.place == **place)) {
        Some(absent) => Err(CommandError::user(format!("{absent} is not a domain of {}", record.name))
            .hint(format!("See them: domains:report {}", record.name))),
        None => Ok(()),
    }
}
