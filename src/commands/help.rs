//! `help`, the greeting of a bare `ssh HOST`, and the error for a command that does not exist.

use clap::Args;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::registry::{self, COMMANDS};
use crate::commands::table::columns;
use crate::commands::{Command, Context, Entry, Scope, Target};
use crate::console::Console;
use crate::model::role::{AppAccess, Caller, Role};

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
            None => all(&context.caller, console).await,
            Some(topic) if registry::is_namespace(&topic) => {
                namespace(&topic, &context.caller, console).await
            }
            Some(topic) => {
                let entry = registry::find(&topic).ok_or_else(|| unknown_command(&topic))?;
                console.stdout(entry.parser().render_help().to_string()).await;
                Ok(0)
            }
        }
    }
}

/// Says who the caller is and what they may do: the answer to a bare `ssh HOST`.
pub async fn greet(caller: &Caller, console: &Console) -> CommandResult {
    let apps = match &caller.access {
        AppAccess::All => "all apps".to_owned(),
        AppAccess::Only(names) => names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    };
    console.line(format!("Hello {}. Your role is {}, for {apps}.", caller.name, caller.role)).await;
    console.line("Slipway gives no shell: write a command behind the host's name.").await;
    console.line("").await;
    all(caller, console).await
}

async fn all(caller: &Caller, console: &Console) -> CommandResult {
    print(COMMANDS.iter().filter(|entry| open(entry, caller)), console).await;
    console.line("Write COMMAND --help for the arguments of one.").await;
    Ok(0)
}

/// Lists the commands of one namespace.
pub async fn namespace(namespace: &str, caller: &Caller, console: &Console) -> CommandResult {
    let listed =
        COMMANDS.iter().filter(|entry| open(entry, caller) && registry::namespace(entry.name) == namespace);
    print(listed, console).await;
    Ok(0)
}

/// The error for a command that does not exist, with the nearest one that does.
pub fn unknown_command(name: &str) -> CommandError {
    let error = CommandError::user(format!("`{name}` is not a slipway command."));
    let nearest = COMMANDS
        .iter()
        .filter(|entry| !entry.hidden)
        .map(|entry| (strsim::damerau_levenshtein(name, entry.name), entry.name))
        .min()
        .filter(|(distance, found)| *distance <= 1 + found.len() / 4);
    let error = match nearest {
        Some((_, found)) => error.hint(format!("Did you mean `{found}`?")),
        None => error,
    };
    error.hint("See `help` for a list of available commands.")
}

fn open(entry: &Entry, caller: &Caller) -> bool {
    let from_here = entry.scope != Scope::Host || caller.fingerprint.is_none();
    !entry.hidden && entry.role <= caller.role && from_here
}

async fn print(entries: impl Iterator<Item = &Entry>, console: &Console) {
    let rows: Vec<Vec<String>> = entries
        .map(|entry| {
            let mut parser = entry.parser();
            let usage = parser.render_usage().to_string();
            let usage = usage.trim_start_matches("Usage:").trim().to_owned();
            let about = parser.get_about().map(ToString::to_string).unwrap_or_default();
            vec![format!("    {usage}"), about]
        })
        .collect();
    console.stdout(columns(&rows)).await;
}
