//! The commands that plugins have: found by the plugin's name, gated as all commands are, joined with the client byte
//! for byte.

use std::sync::Arc;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

use crate::app::App;
use crate::clock;
use crate::command_error::{CommandError, CommandResult};
use crate::commands::dispatch::{admit, ask_gates, find_app};
use crate::commands::table::columns;
use crate::commands::{Scope, Target, help};
use crate::console::{CommandIo, Console, Output};
use crate::formats::plugin_toml::{DEFAULT, Subcommand, SubcommandScope};
use crate::hooks::execution::Execution;
use crate::model::role::Caller;
use crate::plugin::{Plugin, chain};
use crate::process::Process;
use crate::store::plugins::PluginRun;

/// How much is copied at a time.
const CHUNK: usize = 32 << 10;

/// A plugin's command, as somebody typed it.
#[derive(Debug)]
pub struct Call {
    /// The plugin.
    pub plugin: Arc<Plugin>,
    /// Which of its commands.
    pub subcommand: String,
    /// What stood behind it.
    pub words: Vec<String>,
}

/// The plugin and the subcommand that a name means: `NAME:SUBCOMMAND`, or `NAME` for its default.
pub fn find(app: &App, name: &str) -> Option<(Arc<Plugin>, String)> {
    let (plugin, subcommand) = name.split_once(':').unwrap_or((name, DEFAULT));
    let plugin = app.plugins.find(plugin)?;
    plugin.manifest.subcommands.contains_key(subcommand).then(|| (plugin, subcommand.to_owned()))
}

/// Runs it, if the caller may.
pub async fn run(app: &Arc<App>, caller: Caller, call: Call, io: CommandIo) -> CommandResult {
    let Call { plugin, subcommand, words } = call;
    let facts = plugin.manifest.subcommands.get(&subcommand);
    let facts = facts.ok_or_else(|| CommandError::user(format!("{} has no {subcommand}", plugin.name)))?;
    let name = full_name(&plugin, &subcommand);
    admit(&name, scope(facts), facts.role, &caller)?;
    let (mut targets, mut target) = (Vec::new(), Target::Nothing);
    if facts.scope == SubcommandScope::App {
        let word = words.first().ok_or_else(|| {
            CommandError::user("Please specify an app to run the command on").hint(usage(
                &plugin,
                &subcommand,
                facts,
            ))
        })?;
        targets.push(find_app(app, &caller, word).await?);
        target = Target::One(word.clone());
    }
    ask_gates(app, &caller, &name, (&targets, target), &io.console).await?;
    let execution = Execution {
        plugin: &plugin,
        executable: format!("subcommands/{subcommand}"),
        arguments: words,
        app: targets.first().map(|record| record.name.clone()),
        is_deploying: false,
        user: Some(caller.name.clone()),
    };
    execute(app, &execution, io).await
}

/// Lists a plugin's commands, and lets it say more if it has a `help`.
pub async fn help(app: &Arc<App>, plugin: &Plugin, caller: Caller, io: CommandIo) -> CommandResult {
    let facts = &plugin.manifest.plugin;
    io.console.line(format!("{} {}: {}", plugin.name, facts.version, facts.description)).await;
    if let Some(engine) = &plugin.engine {
        io.console.line(format!("Services: {}", engine.service.title)).await;
        help::engine(plugin, &caller, &io.console).await?;
    }
    let rows = rows(plugin, &caller);
    io.console.stdout(columns(&rows)).await;
    if !plugin.folder.join("help").is_file() {
        return Ok(0);
    }
    let execution = Execution {
        plugin,
        executable: "help".to_owned(),
        arguments: Vec::new(),
        app: None,
        is_deploying: false,
        user: Some(caller.name.clone()),
    };
    execute(app, &execution, io).await
}

/// Lists the commands of all plugins that the caller may run.
pub async fn print_all(app: &App, caller: &Caller, console: &Console) {
    let plugins = app.plugins.all();
    let rows: Vec<Vec<String>> = plugins.values().flat_map(|plugin| rows(plugin, caller)).collect();
    if !rows.is_empty() {
        console.line("Commands of plugins:").await;
        console.stdout(columns(&rows)).await;
    }
}

fn rows(plugin: &Plugin, caller: &Caller) -> Vec<Vec<String>> {
    let open = plugin.manifest.subcommands.iter().filter(|(subcommand, facts)| {
        admit(&full_name(plugin, subcommand), scope(facts), facts.role, caller).is_ok()
    });
    open.map(|(subcommand, facts)| {
        vec![format!("    {}", usage(plugin, subcommand, facts)), facts.summary.clone()]
    })
    .collect()
}

fn usage(plugin: &Plugin, subcommand: &str, facts: &Subcommand) -> String {
    format!("{} {}", full_name(plugin, subcommand), facts.usage).trim_end().to_owned()
}

fn full_name(plugin: &Plugin, subcommand: &str) -> String {
    match subcommand {
        DEFAULT => plugin.name.to_string(),
        _ => format!("{}:{subcommand}", plugin.name),
    }
}

fn scope(facts: &Subcommand) -> Scope {
    match facts.scope {
        SubcommandScope::App => Scope::App,
        SubcommandScope::Server => Scope::Server,
        SubcommandScope::Anyone => Scope::Anyone,
    }
}

/// Runs an executable joined with the client; its status is the command's.
pub(super) async fn execute(app: &Arc<App>, execution: &Execution<'_>, io: CommandIo) -> CommandResult {
    let (began, started_at) = (Instant::now(), clock::unix_seconds());
    let broken = |error: &dyn std::error::Error| {
        CommandError::user(format!(
            "{} of {} cannot be run: {}",
            execution.executable,
            execution.plugin.name,
            chain(error)
        ))
        .hint(format!("See plugin:info {}", execution.plugin.name))
    };
    let ready = app.hooks.ready(execution).await.map_err(|error| broken(&error))?;
    let process = ready.program.start().map_err(|error| broken(&error))?;
    let status = relay(process, io).await?;
    let run = PluginRun {
        executable: execution.executable.clone(),
        app: execution.app.as_ref().map(ToString::to_string),
        started_at,
        duration_ms: i64::try_from(began.elapsed().as_millis()).unwrap_or(i64::MAX),
        result: if status == 0 { "ok" } else { "failed" }.to_owned(),
        detail: match &execution.user {
            Some(user) => format!("ended with exit code {status}, for {user}"),
            None => format!("ended with exit code {status}"),
        },
    };
    app.store.add_plugin_run(&execution.plugin.name, run).await?;
    drop(ready);
    Ok(status)
}

/// Copies between the client and the process until that has ended, or the client is gone.
async fn relay(mut process: Process, io: CommandIo) -> CommandResult {
    let (stdin, stdout, stderr) = (process.stdin.take(), process.stdout.take(), process.stderr.take());
    let CommandIo { console, stdin: mut input, mut signals, client_gone, .. } = io;
    let feed = async {
        let Some(mut stdin) = stdin else { return };
        while let Some(bytes) = input.recv().await {
            // It takes no more: its status tells why.
            if stdin.write_all(&bytes).await.is_err() {
                return;
            }
        }
    };
    let output = async {
        tokio::join!(copy(stdout, &console, Output::Stdout), copy(stderr, &console, Output::Stderr));
        process.wait().await
    };
    let aside = async {
        let interrupted = async {
            while let Some(name) = signals.recv().await {
                if name == "INT" || name == "TERM" {
                    return;
                }
            }
            // Nobody sends any.
            std::future::pending::<()>().await;
        };
        tokio::select! {
            // Dropping the process ends it with all that it has started.
            () = interrupted => {}
            () = client_gone.cancelled() => {}
        }
    };
    let fed = async {
        feed.await;
        std::future::pending::<()>().await;
    };
    let status = tokio::select! {
        status = output => status,
        () = fed => return Ok(1),
        () = aside => return Ok(130),
    };
    let status = status.map_err(|error| CommandError::internal("The process was lost", error))?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}

async fn copy<R: AsyncReadExt + Unpin>(source: Option<R>, console: &Console, stream: fn(Bytes) -> Output) {
    let Some(mut source) = source else { return };
    let mut buffer = vec![0; CHUNK];
    while let Ok(length) = source.read(&mut buffer).await {
        match buffer.get(..length) {
            Some(bytes) if !bytes.is_empty() => console.write(stream(Bytes::copy_from_slice(bytes))).await,
            _ => return,
        }
    }
}
