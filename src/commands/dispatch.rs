//! From words to a running command: global flags, the registry, arguments, the gate, the apps, the error.

use std::sync::Arc;

use clap::error::ErrorKind;

use crate::app::App;
use crate::command_error::{CommandError, CommandResult};
use crate::commands::plugin::subcommand;
use crate::commands::{Entry, Opening, Scope, Target, help, registry};
use crate::console::{CommandIo, Console};
use crate::deploy::error::vetoed;
use crate::hooks::Scene;
use crate::model::app_name::AppName;
use crate::model::hook::Hook;
use crate::model::hook::event::Event;
use crate::model::role::{AppAccess, Caller, Role};
use crate::plugin::Plugin;
use crate::services::Service;
use crate::store::apps::AppRecord;

/// Runs the command that the words name, writes its error if it fails, and returns its exit status.
pub async fn execute(app: Arc<App>, caller: Caller, mut words: Vec<String>, mut io: CommandIo) -> u8 {
    let flags = GlobalFlags::take(&mut words);
    io.console = io.console.quieted(flags.quiet);
    let console = io.console.clone();
    match dispatch(app, caller, words, flags, io).await {
        Ok(status) => status,
        Err(error) => {
            if error.is_internal() {
                tracing::error!(error = %error, "a command failed");
            }
            console.warn(error.lines()).await;
            error.status()
        }
    }
}

async fn dispatch(
    app: Arc<App>,
    caller: Caller,
    mut words: Vec<String>,
    flags: GlobalFlags,
    io: CommandIo,
) -> CommandResult {
    if words.is_empty() {
        return help::greet(&app, &caller, &io.console).await;
    }
    let name = words.remove(0);
    if let Some(plugin) = name.strip_suffix(":help").and_then(|name| app.plugins.find(name)) {
        return subcommand::help(&app, &plugin, caller, io).await;
    }
    if let Some(topic) = name.strip_suffix(":help") {
        return help::topic(&app, topic, &caller, &io.console).await;
    }
    let (found, plugin) = find(&app, &name);
    let Some(entry) = found else {
        if name == "--app" {
            return Err(CommandError::user("--app needs the name of an app and a command")
                .hint("For example: --app blog config:show"));
        }
        if let Some((plugin, subcommand)) = subcommand::find(&app, &name) {
            words.splice(0..0, flags.app);
            let call = subcommand::Call { plugin, subcommand, words };
            return subcommand::run(&app, caller, call, io).await;
        }
        if registry::is_namespace(&name) {
            return help::namespace(&name, &caller, &io.console).await;
        }
        let plugin = app.plugins.find(registry::namespace(&name));
        if let Some(plugin) = plugin.filter(|plugin| plugin.engine.is_some()) {
            return match name.contains(':') {
                true => Err(help::unknown_of_engine(&name)),
                false => subcommand::help(&app, &plugin, caller, io).await,
            };
        }
        return Err(help::unknown_command(&name));
    };
    if let Some(app_name) = flags.app {
        words.insert(0, app_name);
    }
    let shown = entry.shown(plugin.as_deref());
    let parser = entry.parser_of(plugin.as_deref());
    // To a command that asks nothing the flag means nothing; `run` would hand it to the app's own command.
    if flags.force && parser.get_arguments().any(|argument| argument.get_long() == Some("force")) {
        words.insert(0, "--force".to_owned());
    }
    let matches = match parser.try_get_matches_from(&words) {
        Ok(matches) => matches,
        Err(error) if error.kind() == ErrorKind::DisplayHelp => {
            io.console.stdout(error.to_string()).await;
            return Ok(0);
        }
        Err(error) => return Err(usage_error(&shown, &error)),
    };
    admit(&shown, entry.scope, entry.role, &caller)?;
    (entry.start)(matches, Opening { app, caller, io, plugin, name: shown }).await
}

/// The command of that name, and the plugin whose it is.
pub(super) fn find(app: &App, name: &str) -> (Option<&'static Entry>, Option<Arc<Plugin>>) {
    if let Some(entry) = registry::find(name) {
        return (Some(entry), None);
    }
    let engine = |namespace| app.plugins.find(namespace).filter(|plugin| plugin.engine.is_some());
    match name
        .split_once(':')
        .and_then(|(namespace, verb)| Some((engine(namespace)?, registry::service(verb)?)))
    {
        Some((plugin, entry)) => (Some(entry), Some(plugin)),
        None => (None, None),
    }
}

/// Flags that may stand before the command's name, as Dokku has them.
#[derive(Debug, Default)]
struct GlobalFlags {
    quiet: bool,
    force: bool,
    app: Option<String>,
}

impl GlobalFlags {
    fn take(words: &mut Vec<String>) -> Self {
        let mut flags = Self::default();
        while let Some(word) = words.first().cloned() {
            match word.as_str() {
                "--quiet" => flags.quiet = true,
                "--trace" => {}
                "--force" => flags.force = true,
                "--app" if words.len() > 1 => {
                    words.remove(0);
                    flags.app = words.first().cloned();
                }
                _ => break,
            }
            words.remove(0);
        }
        flags
    }
}

/// Says whether the caller's role and keys open the command at all. Its apps are checked once they are known.
pub fn authorize(entry: &Entry, caller: &Caller) -> Result<(), CommandError> {
    admit(entry.name, entry.scope, entry.role, caller)
}

/// The same of a command that is not in the registry: a plugin's.
pub(super) fn admit(name: &str, scope: Scope, role: Role, caller: &Caller) -> Result<(), CommandError> {
    let denied = |hint: String| Err(CommandError::user("Access denied").hint(hint));
    if let Some(pass) = &caller.pass
        && !pass.commands.iter().any(|command| command == name)
    {
        return denied(format!(
            "The plugin {} has no permission for {1}: its plugin.toml would say `commands = [\"{1}\"]` in [permissions]",
            pass.plugin, name
        ));
    }
    if caller.role < role {
        return denied(format!("{name} needs the role {role}, your key has {}", caller.role));
    }
    match scope {
        Scope::Server if caller.access != AppAccess::All => {
            denied(format!("{name} needs a key for all apps, yours is for some"))
        }
        Scope::Host if !caller.is_host() => denied(format!("{name} can only be run on the host itself")),
        _ => Ok(()),
    }
}

/// Asks plugins whether somebody with a key may run a command that their key opens. The host is never asked for: who
/// has it can switch any plugin off.
pub(super) async fn ask_gates(
    app: &App,
    caller: &Caller,
    command: &str,
    (targets, target): (&[AppRecord], Target),
    console: &Console,
) -> Result<(), CommandError> {
    if caller.is_host() || caller.pass.is_some() || !app.hooks.has(Hook::UserAuth) {
        return Ok(());
    }
    let apps = match target {
        Target::One(_) => targets.iter().map(|record| record.name.to_string()).collect(),
        Target::Nothing | Target::Every | Target::Server | Target::Service(_) => Vec::new(),
    };
    let event = || Event::UserAuth {
        user: caller.name.clone(),
        role: caller.role.to_string(),
        command: command.to_owned(),
        apps,
    };
    let asked = app.hooks.ask(Hook::UserAuth, Scene::command(console), event).await;
    asked.map_err(|veto| vetoed(&veto))
}

/// Refuses a caller whose key is for some apps: what apps share is not theirs alone to reach into.
pub fn needs_all_apps(caller: &Caller, what: &str) -> Result<(), CommandError> {
    if caller.access == AppAccess::All {
        return Ok(());
    }
    Err(CommandError::user("Access denied")
        .hint(format!("{what} needs a key for all apps, yours is for some")))
}

/// Finds the apps that the arguments name, among those that the caller may act on.
pub(super) async fn resolve(
    app: &App,
    caller: &Caller,
    scope: Scope,
    target: Target,
) -> Result<Vec<AppRecord>, CommandError> {
    match target {
        Target::Nothing | Target::Service(_) => Ok(Vec::new()),
        Target::One(name) => Ok(vec![find_app(app, caller, &name).await?]),
        Target::Every => {
            let apps = app.store.apps().await?;
            Ok(apps.into_iter().filter(|record| caller.access.includes(&record.name)).collect())
        }
        Target::Server if scope == Scope::AppOrServer && caller.access != AppAccess::All => {
            Err(CommandError::user("Access denied").hint("--global needs a key for all apps"))
        }
        Target::Server => Ok(Vec::new()),
    }
}

/// Finds the service that the arguments name. A caller whose key is for some apps only knows those that these are
/// linked to.
pub(super) async fn resolve_service(
    app: &App,
    caller: &Caller,
    scope: Scope,
    (plugin, target): (Option<&Arc<Plugin>>, &Target),
) -> Result<Option<Service>, CommandError> {
    let (Target::Service(name), Some(plugin)) = (target, plugin) else { return Ok(None) };
    let service = Service::find(app, plugin, name).await?;
    if caller.access == AppAccess::All {
        return Ok(Some(service));
    }
    let links = app.store.links_to_service(service.record.id).await?;
    let is_open = links.iter().any(|link| caller.access.includes(&link.app_name));
    if scope == Scope::Service && is_open {
        return Ok(Some(service));
    }
    // As if there were none: which there are is not theirs to know.
    Err(CommandError::user(format!("{} service {name} does not exist", service.title()))
        .hint(format!("See `{}:list` for those that your key opens", plugin.name)))
}

/// The app of that name, if it exists and the caller may know of it.
pub async fn find_app(app: &App, caller: &Caller, name: &str) -> Result<AppRecord, CommandError> {
    let missing = || CommandError::no_such_app(name);
    let app_name: AppName = name.parse().map_err(|_| missing())?;
    let record = app.store.app(&app_name).await?.ok_or_else(missing)?;
    if caller.access.includes(&record.name) { Ok(record) } else { Err(missing()) }
}

/// Clap's message without its own decoration, and where to read more.
pub(super) fn usage_error(name: &str, error: &clap::Error) -> CommandError {
    let text = error.to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    if error.kind() == ErrorKind::MissingRequiredArgument {
        return missing_argument(name, text);
    }
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with("For more information"))
        .collect();
    CommandError::user(lines.join("\n")).hint(format!("See `{name} --help`"))
}

/// Says what is missing in one line; an app in the words that Dokku has for it.
fn missing_argument(name: &str, text: &str) -> CommandError {
    let lines = || text.lines().map(str::trim);
    let missing: Vec<&str> = lines().filter(|line| line.starts_with(['<', '-'])).collect();
    let message = match missing.first() {
        Some(&"<APP>") => "Please specify an app to run the command on".to_owned(),
        _ => format!("Please specify {}", missing.join(" ")),
    };
    let usage = lines().find(|line| line.starts_with("Usage:")).unwrap_or_default();
    CommandError::user(message).hint(usage).hint(format!("See `{name} --help`"))
}
