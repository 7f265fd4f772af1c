//! `domains:*`: the host names of an app, and the global domains.

pub mod change;
pub mod global;
mod paths;
pub mod report;

use std::fmt::Display;

use crate::command_error::CommandError;
use crate::commands::Context;
use crate::hooks::Scene;
use crate::model::app_name::AppName;
use crate::model::hook::Hook;
use crate::model::hook::event::Event;
use crate::model::hostname::{Hostname, HostnameError};
use crate::requests::policy::{Values, draft_of};
use crate::store::apps::AppRecord;
use crate::urls;

/// Tells plugins that domains were changed, those of the command's app or the global ones.
async fn changed(context: &Context, action: &str, domains: &[String]) {
    let event = || Event::PostDomainsUpdate {
        app: context.targets.first().map(|record| record.name.clone()),
        by: context.caller.name.clone(),
        action: action.to_owned(),
        domains: domains.to_vec(),
    };
    context.app.hooks.tell(Hook::PostDomainsUpdate, Scene::command(context.console()), event).await;
}

/// Reads host names, all of them or an error.
fn parse(words: &[String]) -> Result<Vec<Hostname>, CommandError> {
    words.iter().map(|word| word.parse().map_err(|error| unusable(word, error))).collect()
}

/// Says what was most likely meant by a word that is no host name.
fn unusable(word: &str, error: HostnameError) -> CommandError {
    let host = word.split_once("://").map_or(word, |(_, rest)| rest);
    let host = host.split(['/', ':']).next().unwrap_or_default();
    CommandError::user(error).hint(match host.parse::<Hostname>() {
        Ok(host) if host.as_str() != word => {
            format!("Write the host name alone, without scheme, port and path: {host}")
        }
        _ => "Write a host name such as www.example.com, or *.example.com for all hosts one label below it"
            .to_owned(),
    })
}

/// Refuses host names that lead to another app already, and names that app.
async fn check_free(context: &Context, record: &AppRecord, names: &[Hostname]) -> Result<(), CommandError> {
    for name in names {
        let owner = urls::owner(&context.app, name).await?;
        if owner.as_ref() == Some(&record.name) {
            continue;
        }
        if let Some(owner) = owner {
            return Err(if context.caller.access.includes(&owner) {
                CommandError::user(format!("{name} leads to {owner} already"))
                    .hint(format!("Remove it there first: domains:remove {owner} {name}"))
            } else {
                others(name)
            });
        }
        check_wildcard(context, record, name).await?;
    }
    Ok(())
}

/// Refuses a host that leads to another app by its wildcard, unless the key opens that app, too: a host of its own
/// wins over the wildcard. An app's default names are its own in any case.
async fn check_wildcard(context: &Context, record: &AppRecord, name: &Hostname) -> Result<(), CommandError> {
    let Some(wildcard) = name.wildcard() else { return Ok(()) };
    let owner = context.app.store.domain_owner(&wildcard).await?.filter(|owner| *owner != record.name);
    if owner.is_none_or(|owner| context.caller.access.includes(&owner))
        || urls::default_names(&context.app, record).await?.contains(name)
    {
        return Ok(());
    }
    Err(others(name))
}

/// What a person is told of an app that does not exist for them.
fn others(place: impl Display) -> CommandError {
    CommandError::user(format!("{place} leads to another app already"))
        .hint("Ask whoever runs the host: your key does not open that app")
}

/// Warns of default names that an app does not get because they were added to another one.
pub async fn warn_of_taken(context: &Context, record: &AppRecord) -> Result<(), CommandError> {
    if !record.default_domain {
        return Ok(());
    }
    for name in urls::default_names(&context.app, record).await? {
        let owner = context.app.store.domain_owner(&name).await?;
        if let Some(owner) = owner.filter(|owner| *owner != record.name) {
            let shown = if context.caller.access.includes(&owner) { owner.as_str() } else { "another app" };
            let app = &record.name;
            context.console().warn(format!("{name} leads to {shown}, not to {app}")).await;
            context.console().warn(format!("Give {app} another host name: domains:add {app} HOST")).await;
        }
    }
    Ok(())
}

/// Says so where an app's canonical host is none of its names any more: requests are not sent there then.
pub async fn warn_of_lost_canonical_host(context: &Context, app: &AppName) -> Result<(), CommandError> {
    let store = &context.app.store;
    let Some(record) = store.app(app).await? else { return Ok(()) };
    let own = store.request_properties(Some(record.id)).await?;
    let Some(canonical) = draft_of(&own, &Values::new()).policy.redirects.canonical_host else {
        return Ok(());
    };
    let names = urls::all_hostnames(&context.app, &record).await?;
    if !names.iter().any(|name| name.covers(canonical.as_str())) {
        let console = context.console();
        console.warn(format!("{canonical} is not a domain of {app}: its canonical-host has no effect")).await;
        console.warn(format!("Set another one: router:set {app} canonical-host HOST")).await;
    }
    Ok(())
}

/// Refuses to remove what a plugin adds to the app's release; gives all that plugins do.
async fn check_own(
    context: &Context,
    record: &AppRecord,
    unwanted: &[String],
) -> Result<Vec<String>, CommandError> {
    let added = context.app.store.added_places(record.id).await?;
    match added.iter().find(|(place, _)| unwanted.contains(place)) {
        Some((place, plugin)) => Err(CommandError::user(format!("{place} is added by the plugin {plugin}"))
            .hint(format!(
                "It goes with the plugin: plugin:disable {plugin}, then ps:restart {}",
                record.name
            ))),
        None => Ok(added.into_iter().map(|(place, _)| place).collect()),
    }
}

/// Says what stays of an app's host names and paths whatever a person removes.
async fn tell_of_plugins(context: &Context, record: &AppRecord) -> Result<(), CommandError> {
    for (place, plugin) in context.app.store.added_places(record.id).await? {
        context.console().detail(format!("{place} stays: the plugin {plugin} adds it")).await;
    }
    Ok(())
}
