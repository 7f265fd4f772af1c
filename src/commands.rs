//! Every command of Slipway, whichever face it comes through: parsing, authorization, running.
//!
//! A command is a file below this one: its doc comment is the help text, its fields are the arguments, and it
//! declares its scope and role. The one slice in [`registry`] lists them all; tests walk it.

pub mod apps;
pub mod builder;
pub mod builds;
pub mod config;
pub mod domains;
pub mod git;
pub mod help;
pub mod keys;
pub mod logs;
pub mod ports;
pub mod property;
pub mod ps;
pub mod registry;
pub mod releases;
pub mod report;
pub mod run;
pub mod table;
pub mod urls;
pub mod version;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use clap::{ArgMatches, Args};

use crate::app::App;
use crate::command_error::{CommandError, CommandResult};
use crate::console::{CommandIo, Console};
use crate::deploy::{Order, Work};
use crate::model::app_name::AppName;
use crate::model::role::{AppAccess, Caller, Role};
use crate::store::apps::AppRecord;

/// What a command acts on, and so which keys may use it at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Nothing that belongs to anybody: help, the version.
    Anyone,
    /// One app, which has to exist and to be open to the caller.
    App,
    /// One app, or all those that are open to the caller.
    Apps,
    /// One app, or what holds for all apps: that needs a key for all apps.
    AppOrServer,
    /// The server as a whole: needs a key for all apps.
    Server,
    /// Only the host itself, over the Unix socket.
    Host,
}

/// What a command's arguments name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Nothing, or something that does not exist yet.
    Nothing,
    /// The app of that name, if there is one.
    One(String),
    /// Every app that the caller may see.
    Every,
    /// What holds for all apps.
    Server,
}

/// One command. Implemented by its arguments.
pub trait Command: Args + Send + 'static {
    /// `namespace:verb`, as it is typed.
    const NAME: &'static str;
    /// What it acts on.
    const SCOPE: Scope;
    /// The least role that may run it.
    const ROLE: Role;

    /// What these arguments name, within [`Command::SCOPE`].
    fn target(&self) -> Target;

    /// Does it. The apps that [`Command::target`] named are in the context, and the caller may act on them.
    fn run(self, context: Context) -> impl Future<Output = CommandResult> + Send;
}

/// Everything a command has at hand.
#[derive(Debug)]
pub struct Context {
    /// The server's handles.
    pub app: Arc<App>,
    /// Who runs it.
    pub caller: Caller,
    /// Their streams.
    pub io: CommandIo,
    /// The apps that the arguments named.
    pub targets: Vec<AppRecord>,
}

impl Context {
    /// Where the command writes.
    pub fn console(&self) -> &Console {
        &self.io.console
    }

    /// The one app of a command with [`Scope::App`].
    pub fn target(&self) -> Result<&AppRecord, CommandError> {
        self.targets.first().ok_or_else(|| CommandError::user("Please specify an app to run the command on"))
    }

    /// An order for a deploy, in the caller's name and cancelled when they go away.
    pub fn order(&self, record: &AppRecord, work: Work, description: &str) -> Order {
        Order {
            app: record.id,
            work,
            by: self.caller.name.clone(),
            description: description.to_owned(),
            console: self.io.console.clone(),
            cancel: self.io.client_gone.clone(),
        }
    }
}

type Running = Pin<Box<dyn Future<Output = CommandResult> + Send>>;

/// A command as the registry lists it.
#[derive(Debug)]
pub struct Entry {
    /// `namespace:verb`.
    pub name: &'static str,
    /// What it acts on.
    pub scope: Scope,
    /// The least role that may run it.
    pub role: Role,
    /// Other names for it.
    pub aliases: &'static [&'static str],
    /// Whether help leaves it out: entry points for `git`, not for people.
    pub hidden: bool,
    parser: fn(clap::Command) -> clap::Command,
    start: fn(ArgMatches, Opening) -> Running,
}

/// What is known before a command's apps are resolved.
#[derive(Debug)]
struct Opening {
    app: Arc<App>,
    caller: Caller,
    io: CommandIo,
}

impl Entry {
    /// Lists a command.
    pub const fn of<C: Command>() -> Self {
        Self {
            name: C::NAME,
            scope: C::SCOPE,
            role: C::ROLE,
            aliases: &[],
            hidden: false,
            parser: C::augment_args,
            start: start::<C>,
        }
    }

    /// The same, also under other names.
    #[must_use]
    pub const fn alias(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }

    /// The same, left out of help.
    #[must_use]
    pub const fn hide(mut self) -> Self {
        self.hidden = true;
        self
    }

    /// The parser of its arguments, which also knows its help text.
    pub fn parser(&self) -> clap::Command {
        let command = clap::Command::new(self.name)
            .no_binary_name(true)
            .disable_version_flag(true)
            .help_template("Usage: {usage}\n\n{about-with-newline}\n{all-args}");
        (self.parser)(command)
    }
}

fn start<C: Command>(matches: ArgMatches, opening: Opening) -> Running {
    Box::pin(async move {
        let command = C::from_arg_matches(&matches).map_err(|error| usage_error(C::NAME, &error))?;
        let Opening { app, caller, io } = opening;
        let targets = resolve(&app, &caller, C::SCOPE, command.target()).await?;
        command.run(Context { app, caller, io, targets }).await
    })
}

/// Runs the command that the words name, writes its error if it fails, and returns its exit status.
pub async fn execute(app: Arc<App>, caller: Caller, mut words: Vec<String>, mut io: CommandIo) -> u8 {
    let flags = GlobalFlags::take(&mut words);
    io.console = io.console.quieted(flags.quiet);
    let console = io.console.clone();
    let result = dispatch(app, caller, words, flags, io).await;
    match result {
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
        return help::greet(&caller, &io.console).await;
    }
    let name = words.remove(0);
    if let Some(namespace) = name.strip_suffix(":help") {
        return help::namespace(namespace, &caller, &io.console).await;
    }
    let Some(entry) = registry::find(&name) else {
        if registry::is_namespace(&name) {
            return help::namespace(&name, &caller, &io.console).await;
        }
        return Err(help::unknown_command(&name));
    };
    if let Some(app_name) = flags.app {
        words.insert(0, app_name);
    }
    let matches = match entry.parser().try_get_matches_from(&words) {
        Ok(matches) => matches,
        Err(error) if error.kind() == clap::error::ErrorKind::DisplayHelp => {
            io.console.stdout(error.to_string()).await;
            return Ok(0);
        }
        Err(error) => return Err(usage_error(entry.name, &error)),
    };
    authorize(entry, &caller)?;
    (entry.start)(matches, Opening { app, caller, io }).await
}

/// Flags that may stand before the command's name, as Dokku has them.
#[derive(Debug, Default)]
struct GlobalFlags {
    quiet: bool,
    app: Option<String>,
}

impl GlobalFlags {
    fn take(words: &mut Vec<String>) -> Self {
        let mut flags = Self::default();
        let mut force = false;
        while let Some(word) = words.first().cloned() {
            match word.as_str() {
                "--quiet" => flags.quiet = true,
                "--trace" => {}
                "--force" => force = true,
                "--app" if words.len() > 1 => {
                    words.remove(0);
                    flags.app = words.first().cloned();
                }
                _ => break,
            }
            words.remove(0);
        }
        if force {
            words.push("--force".to_owned());
        }
        flags
    }
}

/// Says whether the caller's role and keys open the command at all. Its apps are checked once they are known.
pub fn authorize(entry: &Entry, caller: &Caller) -> Result<(), CommandError> {
    let denied = |hint: String| Err(CommandError::user("Access denied").hint(hint));
    if caller.role < entry.role {
        let needed = entry.role;
        return denied(format!("{} needs the role {needed}, your key has {}", entry.name, caller.role));
    }
    match entry.scope {
        Scope::Server if caller.access != AppAccess::All => {
            denied(format!("{} needs a key for all apps, yours is for some", entry.name))
        }
        Scope::Host if caller.fingerprint.is_some() => {
            denied(format!("{} can only be run on the host itself", entry.name))
        }
        _ => Ok(()),
    }
}

/// Finds the apps that the arguments name, among those that the caller may act on.
async fn resolve(
    app: &App,
    caller: &Caller,
    scope: Scope,
    target: Target,
) -> Result<Vec<AppRecord>, CommandError> {
    match target {
        Target::Nothing => Ok(Vec::new()),
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

/// The app of that name, if it exists and the caller may know of it.
pub async fn find_app(app: &App, caller: &Caller, name: &str) -> Result<AppRecord, CommandError> {
    let missing = || CommandError::no_such_app(name);
    let app_name: AppName = name.parse().map_err(|_| missing())?;
    let record = app.store.app(&app_name).await?.ok_or_else(missing)?;
    if caller.access.includes(&record.name) { Ok(record) } else { Err(missing()) }
}

/// Clap's message without its own decoration, and where to read more.
fn usage_error(name: &str, error: &clap::Error) -> CommandError {
    let text = error.to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with("For more information"))
        .collect();
    CommandError::user(lines.join("\n")).hint(format!("See `{name} --help`"))
}
