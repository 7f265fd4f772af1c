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
pub mod services;
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
use crate::services::Service;
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
    /// One service, which has to exist: open to keys for all apps, and to those of an app that is linked to it.
    Service,
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
    /// The service of that name, of the plugin whose command it is.
    Service(String),
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
    /// The service that the arguments named.
    pub service: Option<Service>,
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

    /// The service of a command with [`Target::Service`].
    pub fn service(&self) -> Result<&Service, CommandError> {
        self.service.as_ref().ok_or_else(|| {
            CommandError::user("Please specify a service")
                .hint("See `services:list` for those that there are")
        })
    }

    /// The plugin whose engine a command of [`registry::SERVICE`] is for.
    pub fn plugin(&self) -> Result<&Arc<Plugin>, CommandError> {
        self.plugin.as_ref().ok_or_else(|| CommandError::user("This command is a plugin's with an engine"))
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
    /// The command as it was typed, with its plugin's name.
    name: String,
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
        self.parser_of(None)
    }

    /// The same under the name that it has as that plugin's.
    pub fn parser_of(&self, plugin: Option<&Plugin>) -> clap::Command {
        let command = clap::Command::new(self.shown(plugin))
            .no_binary_name(true)
            .disable_version_flag(true)
            .help_template("Usage: {usage}\n\n{about-with-newline}\n{all-args}");
        (self.parser)(command)
    }

    /// As it is typed: `mysql:create` for `service:create`.
    pub fn shown(&self, plugin: Option<&Plugin>) -> String {
        match (plugin, self.name.strip_prefix("service:")) {
            (Some(plugin), Some(verb)) => format!("{}:{verb}", plugin.name),
            _ => self.name.to_owned(),
        }
    }
}

fn start<C: Command>(matches: ArgMatches, opening: Opening) -> Running {
    Box::pin(async move {
        let command =
            C::from_arg_matches(&matches).map_err(|error| dispatch::usage_error(C::NAME, &error))?;
        let Opening { app, caller, mut io, plugin, name } = opening;
        if !C::TAKES_SIGNALS {
            // Without anybody who takes them, Ctrl-C ends the command instead: see `CommandIo::signals`.
            io.signals = mpsc::channel(1).1;
        }
        let target = command.target();
        let service = dispatch::resolve_service(&app, &caller, C::SCOPE, (plugin.as_ref(), &target)).await?;
        let targets = dispatch::resolve(&app, &caller, C::SCOPE, target.clone()).await?;
        dispatch::ask_gates(&app, &caller, &name, (&targets, target), &io.console).await?;
        command.run(Context { app, caller, io, targets, plugin, service }).await
    })
}
