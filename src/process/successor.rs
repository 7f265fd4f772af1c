//! The one process that outlives this one: the next server.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{ExitStatus, Stdio};

use tokio::process::{Child, Command};

use crate::process::ProcessError;

/// Variables that speak of descriptors of this process only.
const NOT_INHERITED: [&str; 3] = ["LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"];

/// A server that was started to take this one's place. It goes on when this is dropped.
#[derive(Debug)]
pub struct Successor {
    child: Child,
    program: String,
}

impl Successor {
    /// Starts a program with arguments and this process's own environment, directory and output. Its standard input
    /// is `stream`.
    pub fn start(program: &Path, arguments: &[&str], stream: OwnedFd) -> Result<Self, ProcessError> {
        let shown = program.display().to_string();
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::from(stream)).process_group(0);
        for name in NOT_INHERITED {
            command.env_remove(name);
        }
        match command.spawn() {
            Ok(child) => Ok(Self { child, program: shown }),
            Err(source) => Err(ProcessError::Start { program: shown, source }),
        }
    }

    /// Its process id, while it runs.
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Waits for its end.
    pub async fn ended(&mut self) -> Result<ExitStatus, ProcessError> {
        self.child.wait().await.map_err(|source| self.lost(source))
    }

    /// Kills it, and returns when it is gone with all that it held.
    pub async fn kill(&mut self) -> Result<(), ProcessError> {
        self.child.kill().await.map_err(|source| self.lost(source))
    }

    fn lost(&self, source: io::Error) -> ProcessError {
        ProcessError::Lost { program: self.program.clone(), source }
    }
}
