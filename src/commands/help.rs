//! `help`, the greeting of a bare `ssh HOST`, and the error for a command that does not exist.

use clap::Args;

use crate::app::App;
use crate::command_error::{CommandError, CommandResult};
use crate::commands::dispatch::{authorize, find};
use crate::commands::plugin::subcommand;
use crate::commands::registry::{self, COMMANDS, SERVICE};
use crate::commands::table::columns;
use crate::commands::{Command, Context, Entry, Scope, Target};
use crate::console::Console;
use crate::model::role::{AppAccess, Caller, Role};
use crate::plugin::Plugin;

/// Lists the commands, or those of one namespace
#[derive(Debug, Args)]
pub struct Help {
    /// A namespace (`apps`) or a command (`apps:create`)
    topic: Option<String>,
}

impl Command for Help {
    const NAME: &'static str = "help";
    const SCOPE: Scope = Scope::Anyone;
    const ROLE: Role = Role::Viewer;

    fn target(&self) -> Target {
        Target::Nothing
    }

    async fn run(self, context: Context) -> CommandResult {
        let console = context.console();
        match self.topic {
            None => all(&context.app, &context.caller, console).await,
            Some(name) => topic(&context.app, &name, &context.caller, console).await,
        }
    }
}

/// Lists the commands of a namespace, or says all about one command.
pub async fn topic(app: &App, name: &str, caller: &Caller, console: &Console) -> CommandResult {
    if !registry::is_namespace(name) {
        if let Some(plugin) = app.plugins.find(name).filter(|plugin| plugin.engine.is_some()) {
            return engine(&plugin, caller, console).await;
        }
        let (entry, plugin) = find(app, name);
        let entry = entry.ok_or_else(|| unknown_command(name))?;
        console.stdout(entry.parser_of(plugin.as_deref()).render_help().to_string()).await;
        return Ok(0);
    }
    // `logs` is a command, and the namespace of `logs:set`.
    if let Some(entry) = registry::find(name).filter(|entry| entry.name == name && open(entry, caller)) {
        console.stdout(format!("{}\nThere are also:\n", entry.parser().render_help())).await;
    }
    namespace(name, caller, console).await
}

/// Says who the caller is and what they may do: the answer to a bare `ssh HOST`.
pub async fn greet(app: &App, caller: &Caller, console: &Console) -> CommandResult {
    let apps = match &caller.access {
        AppAccess::All => "all apps".to_owned(),
        AppAccess::Only(names) => names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    };
    console.line(format!("Hello {}. Your role is {}, for {apps}.", caller.name, caller.role)).await;
    console.line("Slipway gives no shell: write a command behind the host's name.").await;
    console.line("").await;
    all(app, caller, console).await
}

async fn all(app: &App, caller: &Caller, console: &Console) -> CommandResult {
    print(COMMANDS.iter().filter(|entry| open(entry, caller)), None, console).await;
    engines(app, console).await;
    subcommand::print_all(app, caller, console).await;
    console.line("Write COMMAND --help for the arguments of one.").await;
    Ok(0)
}

/// Lists the plugins whose engines people get services of, if there are any.
async fn engines(app: &App, console: &Console) {
    let plugins = app.plugins.all();
    let rows: Vec<Vec<String>> = plugins
        .values()
        .filter_map(|plugin| {
            let title = &plugin.engine.as_ref()?.service.title;
            Some(vec![format!("    {}:help", plugin.name), format!("Services of {title}")])
        })
        .collect();
    if !rows.is_empty() {
        console.line("Services, of which each engine has the same commands:").await;
        console.stdout(columns(&rows)).await;
    }
}

/// Lists the commands of a plugin with an engine.
pub async fn engine(plugin: &Plugin, caller: &Caller, console: &Console) -> CommandResult {
    let listed = SERVICE.iter().filter(|entry| open(entry, caller));
    print(listed, Some(plugin), console).await;
    Ok(0)
}

/// Lists the commands of one namespace.
pub async fn namespace(namespace: &str, caller: &Caller, console: &Console) -> CommandResult {
    let listed: Vec<&Entry> = COMMANDS
        .iter()
        .filter(|entry| open(entry, caller) && registry::namespace(entry.name) == namespace)
        .collect();
    if listed.is_empty() {
        return Err(CommandError::user(format!("Your key opens no command of `{namespace}`"))
            .hint("See `help` for those that it opens."));
    }
    print(listed.into_iter(), None, console).await;
    Ok(0)
}

/// The error for a command that no engine has.
pub fn unknown_of_engine(name: &str) -> CommandError {
    let namespace = registry::namespace(name);
    CommandError::user(format!("`{name}` is not a slipway command."))
        .hint(format!("See `{namespace}:help` for its commands."))
}

/// The error for a command that does not exist, with the nearest one that does.
pub fn unknown_command(name: &str) -> CommandError {
    let error = CommandError::user(format!("`{name}` is not a slipway command."));
    let error = match nearest(name) {
        Some(found) => error.hint(format!("Did you mean `{found}`?")),
        None => error,
    };
    match registry::namespace(name) {
        namespace if registry::is_namespace(namespace) => {
            error.hint(format!("See `{namespace}:help` for its commands."))
        }
        _ => error.hint("See `help` for a list of available commands."),
    }
}

/// The command that was meant, if one is near. A namespace without a verb is near to all of its commands.
fn nearest(name: &str) -> Option<&'static str> {
    if name.ends_with(':') {
        return None;
    }
    let typed = name.to_lowercase();
    let names = COMMANDS.iter().filter(|entry| !entry.hidden).map(|entry| entry.name);
    names
        .map(|known| (strsim::damerau_levenshtein(&typed, known), known))
        .min()
        .filter(|(distance, found)| *distance <= 1 + found.len() / 4)
        .map(|(_, found)| found)
}

/// Help shows what the caller may run, and nothing else.
fn open(entry: &Entry, caller: &Caller) -> bool {
    !entry.hidden && authorize(entry, caller).is_ok()
}

async fn print(entries: impl Iterator<Item = &Entry>, plugin: Option<&Plugin>, console: &Console) {
    let rows: Vec<Vec<String>> = entries
        .map(|entry| {
            let mut parser = entry.parser_of(plugin);
            let usage = parser.render_usage().to_string();
            let usage = usage.trim_start_matches("Usage:").trim().to_owned();
            let about = parser.get_about().map(ToString::to_string).unwrap_or_default();
            vec![format!("    {usage}"), about]
        })
        .collect();
    console.stdout(columns(&rows)).await;
}
