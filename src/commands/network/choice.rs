//! Which networks an app may join.

use crate::command_error::CommandError;
use crate::commands::Context;
use crate::commands::dispatch::needs_all_apps;
use crate::commands::network::missing;
use crate::docker::user_network::UserNetwork;
use crate::model::role::Role;

/// The network of that name, if the caller may let an app join it.
///
/// On a network an app reaches whatever else is there, so a key for some apps cannot choose one, and one that Slipway
/// has not made (another program's database, another Slipway) needs an admin.
pub async fn check(context: &Context, name: &str) -> Result<UserNetwork, CommandError> {
    needs_all_apps(&context.caller, "Joining a network")?;
    check_name(name)?;
    let network = context.app.engine.user_network(name).await?.ok_or_else(|| missing(name))?;
    if !network.managed && context.caller.role < Role::Admin {
        return Err(CommandError::user(format!("Network {name} was not made by network:create"))
            .hint("Ask an admin to join it, or make one of your own: network:create NAME"));
    }
    Ok(network)
}

/// Refuses names that the engine does not take, and those of networks that are not for apps.
pub fn check_name(name: &str) -> Result<(), CommandError> {
    let inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    let starts_well = name.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
    if !starts_well || name.len() > 63 || !name.bytes().all(inner) {
        return Err(CommandError::user(format!("{name} is not a network's name"))
            .hint("Use letters, digits, _, . and -, at most 63, the first a letter or digit"));
    }
    // `slipway-OWNER` is the bridge of a Slipway, this one or another on the same engine.
    let reserved = matches!(name, "bridge" | "host" | "none" | "default" | "ingress" | "docker_gwbridge");
    if reserved || name.starts_with("slipway-") {
        return Err(CommandError::user(format!("The network {name} is not for apps"))
            .hint("Choose another name, for example backend"));
    }
    Ok(())
}
