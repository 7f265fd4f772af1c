//! Joins a client's streams with those of a process in a container, byte for byte.

use futures_util::StreamExt as _;
use nix::sys::signal::Signal;
use tokio::sync::mpsc;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::Context;
use crate::commands::run::terminal_environment;
use crate::console::{CommandIo, Console, Terminal};
use crate::docker::Engine;
use crate::docker::attach::{Attached, ProcessInput};
use crate::docker::error::EngineError;
use crate::docker::exec::{ExecId, ExecSpec};
use crate::docker::output::{OutputStream, StandardStream};
use crate::model::config_var::ConfigVars;
use crate::model::container_id::ContainerId;

/// What ended the relaying.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// The process has closed its output: it has ended, or is about to.
    OutputEnded,
    /// The client went away.
    ClientGone,
    /// The time was over.
    TimeOver,
}

/// How the process is told of signals and of its terminal's size.
#[derive(Debug)]
pub enum Controls {
    /// The main process of a container of its own.
    Container {
        /// The engine.
        engine: Engine,
        /// The container.
        id: ContainerId,
    },
    /// A process beside others in a running container.
    Exec {
        /// The engine.
        engine: Engine,
        /// The process.
        id: ExecId,
    },
}

impl Controls {
    async fn resize(&self, columns: u16, rows: u16) -> Result<(), EngineError> {
        match self {
            Self::Container { engine, id } => engine.resize(id, columns, rows).await,
            Self::Exec { engine, id } => engine.resize_exec(id, columns, rows).await,
        }
    }

    async fn signal(&self, name: &str) -> Result<(), EngineError> {
        match self {
            Self::Container { engine, id } => engine.kill(id, name).await,
            Self::Exec { engine, id } => match format!("SIG{name}").parse() {
                Ok(signal) => engine.kill_exec(id, signal).await,
                // A name that this host does not know reaches nobody.
                Err(_) => Ok(()),
            },
        }
    }
}

/// Runs a command inside a running container for a client; ends with its status.
pub async fn exec_in(
    context: Context,
    container: &ContainerId,
    command: Vec<String>,
    variables: ConfigVars,
) -> CommandResult {
    let terminal = context.io.terminal.as_ref();
    let mut environment = terminal_environment(terminal);
    environment.extend(variables);
    let spec = ExecSpec { command, environment, terminal: terminal.is_some(), stdin: true };
    let engine = context.app.engine.clone();
    let (id, attached) = engine.exec(container, &spec).await?;
    let gone = context.io.client_gone.clone();
    let controls = Controls::Exec { engine: engine.clone(), id: id.clone() };
    let until = tokio::select! {
        until = relay(context.io, attached, &controls) => until?,
        () = gone.cancelled() => Until::ClientGone,
    };
    if until == Until::ClientGone {
        engine.kill_exec(&id, Signal::SIGKILL).await?;
        return Ok(1);
    }
    Ok(u8::try_from(engine.exec_exit_code(&id).await?).unwrap_or(1))
}

/// Relays until the process's output ends. Input, signals and window changes are passed on meanwhile.
pub async fn relay(io: CommandIo, attached: Attached, controls: &Controls) -> Result<Until, CommandError> {
    let CommandIo { console, stdin, terminal, signals, presence, .. } = io;
    // From here on it takes the engine and the client, and no server's state.
    presence.rest();
    if let Some(terminal) = &terminal {
        terminal.take_over();
    }
    let is_terminal = terminal.is_some();
    let aside = async {
        tokio::join!(
            feed(stdin, attached.input),
            pass_signals(signals, controls),
            pass_window(terminal, controls)
        );
        // The process may go on printing long after its input has ended.
        std::future::pending::<()>().await;
    };
    tokio::select! {
        result = print(attached.output, &console, is_terminal) => result?,
        () = aside => {}
    }
    Ok(Until::OutputEnded)
}

async fn print(mut output: OutputStream, console: &Console, is_terminal: bool) -> Result<(), EngineError> {
    while let Some(chunk) = output.next().await {
        let chunk = chunk?;
        match chunk.stream {
            _ if is_terminal => console.terminal(chunk.bytes).await,
            StandardStream::Stdout => console.stdout(chunk.bytes).await,
            StandardStream::Stderr => console.stderr(chunk.bytes).await,
        }
    }
    Ok(())
}

/// Passes input on, and its end. A process that takes no more input is no error: its status tells.
async fn feed(mut stdin: mpsc::Receiver<bytes::Bytes>, mut input: ProcessInput) {
    while let Some(bytes) = stdin.recv().await {
        if input.write(&bytes).await.is_err() {
            return;
        }
    }
    if let Err(error) = input.finish().await {
        tracing::debug!(%error, "the end of the input did not reach the process");
    }
}

async fn pass_signals(mut signals: mpsc::Receiver<String>, controls: &Controls) {
    while let Some(signal) = signals.recv().await {
        if let Err(error) = controls.signal(&signal).await {
            tracing::debug!(%error, %signal, "a signal did not reach the process");
        }
    }
}

async fn pass_window(terminal: Option<Terminal>, controls: &Controls) {
    let Some(mut terminal) = terminal else { return };
    loop {
        let size = *terminal.size.borrow_and_update();
        if let Err(error) = controls.resize(size.columns, size.rows).await {
            tracing::debug!(%error, "the size of the window did not reach the process");
        }
        if terminal.size.changed().await.is_err() {
            return;
        }
    }
}
