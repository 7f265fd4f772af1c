//! Further processes in a running container (`enter`, checks by command).

use std::time::Duration;

use bollard::exec::{CreateExecOptions, ResizeExecOptions};
use nix::errno::Errno;
use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;
use tokio::time::{Instant, sleep};

use crate::docker::Engine;
use crate::docker::attach::{Attached, DETACH_KEYS, ProcessInput, attached};
use crate::docker::container::environment_pairs;
use crate::docker::error::EngineError;
use crate::docker::pipe;
use crate::docker::wire::Call;
use crate::model::config_var::ConfigVars;
use crate::model::container_id::ContainerId;

/// How long after the end of its output a process may take to be recorded as ended.
const END_DEADLINE: Duration = Duration::from_secs(10);

/// How long after the answer to its start a process may take to be recorded.
const START_DEADLINE: Duration = Duration::from_secs(10);

/// How often either is asked for.
const END_INTERVAL: Duration = Duration::from_millis(10);

/// What is run in a container.
#[derive(Clone, Debug)]
pub struct ExecSpec {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Variables on top of the container's own.
    pub environment: ConfigVars,
    /// Whether it gets a terminal.
    pub terminal: bool,
    /// Whether somebody will write to its standard input.
    pub stdin: bool,
}

/// A process in a container, as the engine knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecId(String);

impl Engine {
    /// Runs one more process in a running container. A program that cannot be started ends with 126 or 127.
    pub async fn exec(&self, id: &ContainerId, spec: &ExecSpec) -> Result<(ExecId, Attached), EngineError> {
        let options = CreateExecOptions {
            cmd: Some(spec.command.clone()),
            env: Some(environment_pairs(&spec.environment)),
            tty: Some(spec.terminal),
            attach_stdin: Some(spec.stdin),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            detach_keys: Some(DETACH_KEYS.to_owned()),
            ..CreateExecOptions::default()
        };
        let exec = self.client().await?.create_exec(id.as_str(), options).await?.id;
        let json = format!("{{\"Detach\":false,\"Tty\":{}}}", spec.terminal);
        let call = Call::post(format!("/exec/{exec}/start"), json).upgrading("tcp");
        let upgraded = self.wire().await?.upgrade(call).await?;
        Ok((ExecId(exec), attached(upgraded, spec.terminal)))
    }

    /// Makes the way to a process's input as short as it can be, for streams of gigabytes; gives whether it became
    /// shorter. Before anything is written.
    pub async fn shorten_exec_input(
        &self,
        (container, exec): (&ContainerId, &ExecId),
        input: &mut ProcessInput,
    ) -> Result<bool, EngineError> {
        Ok(self.exec_pid(exec).await?.is_some_and(|pid| pipe::shorten(input, pid, container)))
    }

    /// The exit code of a process whose output has ended.
    pub async fn exec_exit_code(&self, exec: &ExecId) -> Result<i64, EngineError> {
        let deadline = Instant::now() + END_DEADLINE;
        loop {
            let facts = self.client().await?.inspect_exec(&exec.0).await?;
            match facts.exit_code {
                Some(code) if facts.running != Some(true) => return Ok(code),
                _ if Instant::now() > deadline => return Err(EngineError::TimedOut),
                // The engine closes the output a moment before it records the end, and has no call to wait.
                _ => sleep(END_INTERVAL).await,
            }
        }
    }

    /// Tells a process's terminal its size.
    pub async fn resize_exec(&self, exec: &ExecId, columns: u16, rows: u16) -> Result<(), EngineError> {
        let options = ResizeExecOptions { width: columns, height: rows };
        Ok(self.client().await?.resize_exec(&exec.0, options).await?)
    }

    /// Sends a signal to a process started with [`Engine::exec`]; no error if it has ended.
    ///
    /// The engine cannot do this: without it, the shell of a client that vanished would live on.
    pub async fn kill_exec(&self, exec: &ExecId, signal: Signal) -> Result<(), EngineError> {
        let Some(pid) = self.exec_pid(exec).await? else { return Ok(()) };
        match signal::kill(pid, signal) {
            Ok(()) | Err(Errno::ESRCH) => Ok(()),
            Err(errno) => Err(EngineError::Broken(Box::new(errno))),
        }
    }

    /// Ends a process started with [`Engine::exec`] at once, with all that it has started itself: it leads a group.
    pub async fn kill_exec_group(&self, exec: &ExecId) -> Result<(), EngineError> {
        let Some(pid) = self.exec_pid(exec).await? else { return Ok(()) };
        match signal::killpg(pid, Signal::SIGKILL) {
            Ok(()) | Err(Errno::ESRCH) => Ok(()),
            Err(errno) => Err(EngineError::Broken(Box::new(errno))),
        }
    }

    /// A process on the host; `None` if it has ended. The engine answers the call that starts one, and passes its
    /// first output on, before it has recorded either that it runs or its number.
    async fn exec_pid(&self, exec: &ExecId) -> Result<Option<Pid>, EngineError> {
        let deadline = Instant::now() + START_DEADLINE;
        loop {
            let facts = match self.client().await?.inspect_exec(&exec.0).await.map_err(EngineError::from) {
                Err(EngineError::NotFound(_)) => return Ok(None),
                answer => answer?,
            };
            let pid = facts.pid.and_then(|pid| i32::try_from(pid).ok()).filter(|pid| *pid > 1);
            match (pid, facts.running == Some(true)) {
                (Some(pid), true) => return Ok(Some(Pid::from_raw(pid))),
                (_, false) if facts.exit_code.is_some() => return Ok(None),
                _ if Instant::now() > deadline => return Err(EngineError::TimedOut),
                _ => sleep(END_INTERVAL).await,
            }
        }
    }
}
