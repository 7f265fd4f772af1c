//! What a plugin asks for, shown to whoever may say yes.

use crate::command_error::CommandError;
use crate::commands::{Context, confirm, registry};
use crate::formats::plugin_toml::{Apps, Manifest};
use crate::model::hook::contract::{Addition, Kind, contract};
use crate::model::plugin::PluginName;

/// Refuses a manifest that asks for commands that do not exist.
pub(super) fn check(manifest: &Manifest) -> Result<(), CommandError> {
    for command in &manifest.permissions.commands {
        let known = registry::find(command).filter(|entry| !entry.hidden);
        match known {
            Some(entry) if entry.name == command => {}
            Some(entry) => {
                return Err(CommandError::user(format!(
                    "permissions.commands: {command} is another name of a command"
                ))
                .hint(format!("Write {}", entry.name)));
            }
            // A command of another plugin, which may come later.
            None if command.contains(':') && !registry::is_namespace(registry::namespace(command)) => {}
            None => {
                return Err(CommandError::user(format!("permissions.commands: {command} is not a command"))
                    .hint("See docs/commands.md for those that there are"));
            }
        }
    }
    Ok(())
}

/// What it asks for, a line each.
pub(super) fn lines(name: &PluginName, manifest: &Manifest) -> Vec<String> {
    let mut lines = Vec::new();
    for hook in manifest.hooks.keys() {
        let contract = contract(*hook);
        let may = match contract.kind {
            Kind::Watches => "is told when",
            Kind::Vetoes => "may say no when",
            Kind::Takes => "may take or refuse it when",
            Kind::Adds(Addition::BuildArguments) => "may say no and add build arguments when",
            Kind::Adds(Addition::ReleaseParts) => "may say no and add config vars when",
            Kind::Adds(Addition::Findings) => "adds lines when",
        };
        lines.push(format!("hook {hook}: {may} {}", contract.when));
    }
    for (subcommand, facts) in &manifest.subcommands {
        lines.push(format!("command {name}:{subcommand}: {} (role {})", facts.summary, facts.role));
    }
    let permissions = &manifest.permissions;
    if !permissions.commands.is_empty() {
        let apps = match permissions.apps {
            Apps::Event => "on the app that it is run for",
            Apps::All => "on ALL apps and the server",
        };
        lines.push(format!("may run, {apps}: {}", permissions.commands.join(", ")));
    }
    if permissions.container_options {
        lines.push("may add Docker options to containers".to_owned());
    }
    if permissions.routes {
        lines.push("may lead host names and paths to apps".to_owned());
    }
    if permissions.network {
        lines.push("may use the network".to_owned());
    }
    lines
}

/// Shows what it asks for, and asks whether it may.
pub(super) async fn confirm(
    context: &mut Context,
    (name, what): (&PluginName, &str),
    lines: &[String],
) -> Result<(), CommandError> {
    let console = context.io.console.clone();
    console.step(format!("{what} asks for")).await;
    match lines.is_empty() {
        true => console.detail("nothing").await,
        false => console.detail(lines.join("\n")).await,
    }
    confirm::agree(
        context,
        &format!("To let it, type \"{name}\""),
        name.as_str(),
        "Type the plugin's name, or use --force",
    )
    .await
}
