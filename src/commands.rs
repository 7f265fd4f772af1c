//! Every command of Slipway, whichever face it comes through: parsing, authorization, running.
//!
//! A command is a file below this one: its doc comment is the help text, its fields are the arguments, and it
//! declares its scope and role. The one slice in [`registry`] lists them all; tests walk it.

pub mod app_json;
pub mod apps;
pub mod auth;
pub mod builder;
pub mod buildpacks;
pub mod builds;
pub mod certs;
pub mod checks;
pub mod cleanup;
pub mod config;
pub mod confirm;
pub mod cron;
pub mod disk;
pub mod dispatch;
pub mod docker_options;
pub mod doctor;
pub mod domains;
pub mod drains;
pub mod git;
pub mod help;
pub mod keys;
pub mod letsencrypt;
pub mod links;
pub mod logs;
pub mod maintenance;
pub mod network;
pub mod nginx;
pub mod plugin;
pub mod ports;
pub mod property;
pub mod ps;
pub mod redirect;
pub mod registry;
pub mod releases;
pub mod repo;
pub mod report;
pub mod resource;
pub mod router;
pub mod run;
pub mod service;
pub mod stack;
pub mod storage;
pub mod table;
pub mod turns;
pub mod upgrade;
pub mod urls;
pub mod version;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use clap::{ArgMatches, Args};
use tokio::sync::mpsc;

use crate::app::App;
use crate::command_error::{CommandError, CommandResult};
use crate::console::{CommandIo, Console};
use crate::deploy::{Order, Work};
use crate::model::role::{Caller, Role};
use crate::plugin::Plugin;
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
    /// Whether it passes signals on to a process, rather than being ended by them.
    const TAKES_SIGNALS: bool = false;

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
    /// The plugin whose engine a command of [`registry::SERVICE`] is for: `mysql` of `mysql:create`.
    pub plugin: Option<Arc<Plugin>>,
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
    plugin: Option<Arc<Plugin>>,
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
        let command =
            C::from_arg_matches(&matches).map_err(|error| dispatch::usage_error(C::NAME, &error))?;
        let Opening { app, caller, mut io, plugin } = opening;
        if !C::TAKES_SIGNALS {
            // Without anybody who takes them, Ctrl-C ends the command instead: see `CommandIo::signals`.
            io.signals = mpsc::channel(1).1;
        }
        let targets = dispatch::resolve(&app, &caller, C::SCOPE, command.target()).await?;
        let name = match (&plugin, C::NAME.split_once(':')) {
            (Some(plugin), Some((_, verb))) => format!("{}:{verb}", plugin.name),
            _ => C::NAME.to_owned(),
        };
        dispatch::ask_gates(&app, &caller, &name, (&targets, command.target()), &io.console).await?;
        command.run(Context { app, caller, io, targets, plugin }).await
    })
}
