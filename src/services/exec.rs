//! Programs of an engine's description, run inside a service's container.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::StreamExt as _;
use nix::sys::signal::Signal;
use tokio::time::timeout;

use crate::app::App;
use crate::command_error::CommandError;
use crate::docker::attach::Attached;
use crate::docker::error::EngineError;
use crate::docker::exec::{ExecId, ExecSpec};
use crate::docker::output::StandardStream;
use crate::model::container_id::ContainerId;
use crate::model::engine::EngineCommand;
use crate::services::Service;
use crate::services::template::Values;

/// The most that is kept of what a program prints, in bytes.
const OUTPUT_LIMIT: usize = 1 << 20;
/// How long a program may take that only changes or tells something small.
const LONGEST: Duration = Duration::from_secs(60);

/// What a program came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ran {
    /// Its exit code.
    pub code: i64,
    /// What it printed.
    pub stdout: Vec<u8>,
    /// What it complained of.
    pub stderr: Vec<u8>,
}

impl Ran {
    /// What it printed, or why it failed. `what` says what it was to do: `The user cannot be made`.
    pub fn checked(self, what: &str) -> Result<Vec<u8>, CommandError> {
        if self.code == 0 {
            return Ok(self.stdout);
        }
        let said = String::from_utf8_lossy(&self.stderr);
        let said = said.trim();
        let last = said.lines().last().filter(|line| !line.is_empty()).unwrap_or("it says nothing");
        Err(CommandError::user(format!("{what}: {last} (status {})", self.code)))
    }
}

/// The service's container, which has to run.
pub fn container(service: &Service) -> Result<&ContainerId, CommandError> {
    service.record.container.as_ref().ok_or_else(|| {
        let record = &service.record;
        CommandError::user(format!("{service} does not run"))
            .hint(format!("Start it first: {}:start {}", record.engine, record.name))
    })
}

/// Starts a program; the caller speaks with it.
pub async fn open(
    app: &App,
    container: &ContainerId,
    command: (&[String], &BTreeMap<String, String>),
    values: &Values,
    stdin: bool,
) -> Result<(ExecId, Attached), CommandError> {
    let (words, variables) = command;
    let spec = ExecSpec {
        command: values.fill_all(words),
        environment: values.environment(variables)?,
        terminal: false,
        stdin,
    };
    Ok(app.engine.exec(container, &spec).await?)
}

/// Runs a program to its end, with the input that its description gives it.
pub async fn run(
    app: &App,
    container: &ContainerId,
    command: &EngineCommand,
    values: &Values,
) -> Result<Ran, CommandError> {
    run_within(app, container, command, values, LONGEST).await
}

/// The same with a limit of time of the caller's.
pub async fn run_within(
    app: &App,
    container: &ContainerId,
    command: &EngineCommand,
    values: &Values,
    limit: Duration,
) -> Result<Ran, CommandError> {
    let input = command.stdin.as_ref().map(|text| values.fill(text));
    let (exec, attached) =
        open(app, container, (&command.command, &command.environment), values, input.is_some()).await?;
    match timeout(limit, converse(attached, input)).await {
        Ok(ran) => Ok(Ran { code: app.engine.exec_exit_code(&exec).await?, ..ran? }),
        Err(_) => {
            app.engine.kill_exec(&exec, Signal::SIGKILL).await?;
            Err(CommandError::from(EngineError::TimedOut))
        }
    }
}

/// Writes the input and gathers the output, up to its limit.
async fn converse(attached: Attached, input: Option<String>) -> Result<Ran, EngineError> {
    let Attached { input: mut stdin, mut output } = attached;
    let feeding = async {
        if let Some(text) = input {
            // A program need not read all that it is sent: its exit code tells what counts.
            if stdin.write(text.as_bytes()).await.is_ok() {
                stdin.finish().await.ok();
            }
        }
    };
    let reading = async {
        let mut ran = Ran::default();
        while let Some(chunk) = output.next().await {
            let chunk = chunk?;
            let kept = match chunk.stream {
                StandardStream::Stdout => &mut ran.stdout,
                StandardStream::Stderr => &mut ran.stderr,
            };
            let room = OUTPUT_LIMIT.saturating_sub(kept.len());
            kept.extend(chunk.bytes.iter().take(room));
        }
        Ok(ran)
    };
    let ((), ran) = tokio::join!(feeding, reading);
    ran
}
