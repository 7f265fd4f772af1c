//! `links:*`: apps that reach other apps.

pub mod add;
pub mod list;
pub mod remove;

use crate::command_error::CommandError;
use crate::commands::{Context, config};
use crate::model::config_var::ConfigKey;
use crate::store::apps::AppRecord;

/// Runs the app with its new links, unless it does not run or is not to be restarted.
async fn restart(
    context: &Context,
    key: &ConfigKey,
    set: bool,
    no_restart: bool,
) -> Result<(), CommandError> {
    if no_restart {
        context.console().detail("Takes effect with the next deploy or restart").await;
        return Ok(());
    }
    let description = if set { format!("Set {key}") } else { format!("Unset {key}") };
    config::restart(context, context.targets.clone(), &description).await
}

/// Refuses changes of config vars that are links: whoever changes one wants to change the other.
pub async fn guard<'a>(
    context: &Context,
    record: &AppRecord,
    keys: impl IntoIterator<Item = &'a ConfigKey>,
) -> Result<(), CommandError> {
    let links = context.app.store.links().await?;
    let keys: Vec<&ConfigKey> = keys.into_iter().collect();
    match links.iter().find(|link| link.app == record.id && keys.contains(&&link.key)) {
        None => Ok(()),
        Some(link) => Err(CommandError::user(format!("{} is the link to {}", link.key, link.target_name))
            .hint(format!("Remove the link first: links:remove {} {}", link.app_name, link.target_name))),
    }
}

/// Sees to those that link to an app which is about to be destroyed: they have to be let go first, or with `force`
/// lose their links.
pub async fn release(context: &Context, record: &AppRecord, force: bool) -> Result<(), CommandError> {
    let links = context.app.store.links().await?;
    let linked: Vec<_> = links.into_iter().filter(|link| link.target == record.id).collect();
    if !force && !linked.is_empty() {
        let names: Vec<&str> = linked.iter().map(|link| link.app_name.as_str()).collect();
        let hints = linked
            .iter()
            .map(|link| format!("Remove its link first: links:remove {} {}", link.app_name, record.name));
        let error = CommandError::user(format!("{} is linked to by {}", record.name, names.join(", ")));
        return Err(hints.fold(error, CommandError::hint));
    }
    for link in linked {
        context.app.store.remove_link(&link).await?;
        let lost = format!("{} loses {} with its next deploy or restart", link.app_name, link.key);
        context.console().warn(lost).await;
    }
    Ok(())
}
