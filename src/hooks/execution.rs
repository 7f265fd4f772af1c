//! One run of an executable of a plugin, from its environment to its record.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use nix::sys::signal::Signal;
use secrecy::ExposeSecret;
use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, timeout};

use crate::clock;
use crate::console::Console;
use crate::formats::plugin_toml::{API, SettingScope};
use crate::hooks::callbacks::Token;
use crate::hooks::output::{Display, Kept, keep};
use crate::hooks::{Hooks, walls};
use crate::model::app_name::AppName;
use crate::plugin::{Plugin, chain};
use crate::process::{PATH, ProcessError, Program};
use crate::store::StoreError;
use crate::store::plugins::PluginRun;

/// The most that is taken of what a run adds.
const ADDED: usize = 1 << 20;
/// What shells add to a signal's number.
const SIGNALLED: i32 = 128;
/// The status of a program that could not be started.
const CANNOT_START: i32 = 126;

/// What is run, and for what.
#[derive(Clone, Debug)]
pub struct Execution<'a> {
    /// Whose executable.
    pub plugin: &'a Plugin,
    /// Which one, below its folder: `hooks/post-deploy`.
    pub executable: String,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// The app that it is run for.
    pub app: Option<AppName>,
    /// Whether a deploy of that app waits for it.
    pub is_deploying: bool,
    /// Who runs it, where somebody does.
    pub user: Option<String>,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// With that status.
    Status(i32),
    /// By a signal.
    Signal(String),
    /// It was killed, for it took longer.
    TooLong(Duration),
    /// It never began.
    NotStarted(String),
}

/// A run that has ended.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) end: End,
    /// What it wrote to standard output, if that was kept.
    pub(super) added: Vec<u8>,
    /// The last line that it wrote to standard error.
    pub(super) last_line: String,
}

/// What stands around a run.
#[derive(Clone, Debug)]
pub(super) struct Surroundings<'a> {
    pub(super) input: Bytes,
    pub(super) time: Duration,
    pub(super) console: Option<&'a Console>,
    /// Whether standard output is kept rather than shown.
    pub(super) adds: bool,
}

/// A program with its walls, and the token that it calls back with.
#[derive(Debug)]
pub struct Ready {
    /// The program.
    pub program: Program,
    /// Keeps the token alive: drop it when the program has ended.
    pub token: Token,
}

/// Why an executable cannot be run at all.
#[derive(Debug, thiserror::Error)]
pub enum ExecutionError {
    /// Its directory cannot be made.
    #[error("its directory cannot be made")]
    Data(#[source] io::Error),
    /// Its settings cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It did not start.
    #[error(transparent)]
    Process(#[from] ProcessError),
}

impl End {
    /// Whether it ended well.
    pub fn is_good(&self) -> bool {
        *self == Self::Status(0)
    }

    /// In words.
    pub fn words(&self) -> String {
        match self {
            Self::Status(0) => "ended well".to_owned(),
            Self::Status(status) => format!("ended with exit code {status}"),
            Self::Signal(name) => format!("was ended by {name}"),
            Self::TooLong(limit) => format!("did not end within {} s and was killed", limit.as_secs()),
            Self::NotStarted(why) => format!("could not be started: {why}"),
        }
    }
}

impl Hooks {
    /// Makes an executable ready to be run: its walls, its environment, its token.
    pub async fn ready(&self, execution: &Execution<'_>) -> Result<Ready, ExecutionError> {
        let Execution { plugin, executable, arguments, app, is_deploying, user } = execution;
        let places = self.plugins.places();
        walls::prepare_data(plugin, places).map_err(ExecutionError::Data)?;
        let walls = walls::around(plugin, places, &self.root, &self.builder);
        let seen = |path| self.builder.seen(&walls, path);
        let token = self.callbacks.admit(plugin, app.as_ref(), *is_deploying);
        let folder = seen(&plugin.folder);
        let mut program = Program::new(folder.join(executable), &walls.directory).arguments(arguments);
        for (key, value) in self.settings(plugin, app.as_ref()).await? {
            program = program.variable(key, value);
        }
        let binary = seen(self.builder.binary());
        let path = match binary.parent() {
            Some(directory) => format!("{}:{PATH}", directory.display()),
            None => PATH.to_owned(),
        };
        program = program
            .variable("PATH", path)
            .variable("HOME", &walls.directory)
            .variable("SLIPWAY_PLUGIN", plugin.name.as_str())
            .variable("SLIPWAY_PLUGIN_FOLDER", folder)
            .variable("SLIPWAY_PLUGIN_DATA", &walls.directory)
            .variable("SLIPWAY_API", API.to_string())
            .variable("SLIPWAY_SOCKET", seen(&places.socket()))
            .variable("SLIPWAY_TOKEN", token.as_str());
        if let Some(hook) = executable.strip_prefix("hooks/") {
            program = program.variable("SLIPWAY_HOOK", hook);
        }
        if let Some(user) = user {
            program = program.variable("SLIPWAY_USER", user);
        }
        if let Some(app) = app {
            program = program.variable("SLIPWAY_APP", app.as_str()).variable("DOKKU_APP_NAME", app.as_str());
        }
        Ok(Ready { program: self.builder.confine(&program, &walls), token })
    }

    /// What is set of a plugin, as its executables get it: for the app, else for all, else the default.
    pub(super) async fn settings(
        &self,
        plugin: &Plugin,
        app: Option<&AppName>,
    ) -> Result<Vec<(String, String)>, StoreError> {
        let known = &plugin.manifest.settings;
        if known.is_empty() {
            return Ok(Vec::new());
        }
        let mut values: std::collections::BTreeMap<String, String> = known
            .iter()
            .filter_map(|(key, setting)| Some((key.as_str().to_owned(), setting.default.clone()?)))
            .collect();
        let is_known = |key: &str, scope: Option<SettingScope>| {
            known.iter().any(|(name, setting)| {
                name.as_str() == key && scope.is_none_or(|scope| setting.scope == scope)
            })
        };
        let global = self.store.plugin_settings(&plugin.name, None).await?;
        let global = global.into_iter().filter(|(key, _)| is_known(key, None));
        values.extend(global.map(|(key, value)| (key, value.expose_secret().to_owned())));
        if let Some(app) = app
            && let Some(record) = self.store.app(app).await?
        {
            let own = self.store.plugin_settings(&plugin.name, Some(record.id)).await?;
            let own = own.into_iter().filter(|(key, _)| is_known(key, Some(SettingScope::App)));
            values.extend(own.map(|(key, value)| (key, value.expose_secret().to_owned())));
        }
        Ok(values.into_iter().collect())
    }

    /// Runs an executable to its end.
    pub(super) async fn execute(&self, execution: &Execution<'_>, around: Surroundings<'_>) -> Ran {
        let (began, started_at) = (Instant::now(), clock::unix_seconds());
        let ran = match self.run(execution, &around).await {
            Ok(ran) => ran,
            Err(error) => {
                Ran { end: End::NotStarted(chain(&error)), added: Vec::new(), last_line: String::new() }
            }
        };
        let (plugin, executable) = (&execution.plugin.name, &execution.executable);
        let duration_ms = i64::try_from(began.elapsed().as_millis()).unwrap_or(i64::MAX);
        tracing::debug!(%plugin, executable, duration_ms, end = ran.end.words(), "a plugin's executable has ended");
        let detail = match ran.end.is_good() || ran.last_line.is_empty() {
            true => ran.end.words(),
            false => format!("{}: {}", ran.end.words(), ran.last_line),
        };
        let run = PluginRun {
            executable: executable.clone(),
            app: execution.app.as_ref().map(ToString::to_string),
            started_at,
            duration_ms,
            result: if ran.end.is_good() { "ok" } else { "failed" }.to_owned(),
            detail,
        };
        if let Err(error) = self.store.add_plugin_run(plugin, run).await {
            tracing::warn!(%plugin, %error, "a run cannot be recorded");
        }
        ran
    }

    async fn run(&self, execution: &Execution<'_>, around: &Surroundings<'_>) -> Result<Ran, ExecutionError> {
        let ready = self.ready(execution).await?;
        let mut process = ready.program.start()?;
        let (stdin, stdout, stderr) = (process.stdin.take(), process.stdout.take(), process.stderr.take());
        let display = Display::new(around.console, execution.plugin.name.as_str());
        let feed = async {
            if let Some(mut stdin) = stdin {
                // An executable that does not read all that it is told is not at fault: its status tells.
                stdin.write_all(&around.input).await.ok();
            }
        };
        let output = async {
            match around.adds {
                true => keep(stdout, ADDED).await,
                false => display.show(stdout).await,
            }
        };
        let all = async { tokio::join!(feed, output, display.show(stderr), process.wait()) };
        let Ok(((), output, errors, status)) = timeout(around.time, all).await else {
            let end = End::TooLong(around.time);
            return Ok(Ran { end, added: Vec::new(), last_line: String::new() });
        };
        let (output, errors): (Kept, Kept) = (output.unwrap_or_default(), errors.unwrap_or_default());
        let last_line = errors.last_line;
        let end = match status?.code() {
            Some(CANNOT_START) => End::NotStarted(last_line.clone()),
            Some(status) if status > SIGNALLED && status < SIGNALLED + 65 => signal(status - SIGNALLED),
            Some(_) if output.is_cut => {
                End::NotStarted(format!("it wrote more than {} MiB to standard output", ADDED >> 20))
            }
            Some(status) => End::Status(status),
            None => End::Signal("a signal".to_owned()),
        };
        Ok(Ran { end, added: output.head, last_line })
    }
}

fn signal(number: i32) -> End {
    match Signal::try_from(number) {
        Ok(signal) => End::Signal(signal.as_str().to_owned()),
        Err(_) => End::Status(SIGNALLED + number),
    }
}
