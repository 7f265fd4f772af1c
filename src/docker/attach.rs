//! Speaking with a container's process: its input, its output, byte for byte.

use tokio::io::{AsyncWriteExt, WriteHalf};
use tokio::net::UnixStream;
use tokio::net::unix::pipe;

use crate::docker::Engine;
use crate::docker::error::EngineError;
use crate::docker::output::{Framing, OutputStream, output_stream};
use crate::docker::wire::{Call, Upgraded, query_value};
use crate::model::container_id::ContainerId;

/// With a terminal the engine always looks for a key sequence that detaches, by default ctrl-p ctrl-q, and holds
/// its first key back, so that ctrl-p in a shell seems dead. There is no "none"; this one nobody types.
pub(super) const DETACH_KEYS: &str = "ctrl-^,ctrl-],ctrl-^,ctrl-],ctrl-^,ctrl-]";

/// ^D, which a terminal turns into the end of input (POSIX.1-2017, section 11.1.9).
const END_OF_TRANSMISSION: u8 = 4;

/// Both ends of a process. Dropping them leaves the process running.
pub struct Attached {
    /// What it reads.
    pub input: ProcessInput,
    /// What it writes; ends when the process has.
    pub output: OutputStream,
}

/// A process's standard input.
#[derive(Debug)]
pub struct ProcessInput {
    connection: WriteHalf<UnixStream>,
    /// The process's own end, where it is written to without the engine.
    pipe: Option<pipe::Sender>,
    terminal: bool,
}

impl ProcessInput {
    /// Writes all bytes; waits while the process does not read. An error once the process has ended is no wonder:
    /// it need not read all that it is sent.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), EngineError> {
        match &mut self.pipe {
            Some(pipe) => pipe.write_all(bytes).await?,
            None => self.connection.write_all(bytes).await?,
        }
        Ok(())
    }

    /// Ends the input: the process reads its end. Output goes on.
    ///
    /// With a terminal, ^D is typed instead: the engine would close the output together with the input.
    pub async fn finish(mut self) -> Result<(), EngineError> {
        // The end is there once all have closed theirs.
        self.pipe = None;
        if self.terminal {
            self.connection.write_all(&[END_OF_TRANSMISSION]).await?;
        } else {
            self.connection.shutdown().await?;
        }
        Ok(())
    }

    /// Has all that is written from now on go into the process's pipe. Nothing was written before.
    pub(super) fn go_through(&mut self, pipe: pipe::Sender) {
        self.pipe = Some(pipe);
    }
}

impl Engine {
    /// Takes hold of a container's input and output. Attach before the start and nothing is lost.
    pub async fn attach(&self, id: &ContainerId) -> Result<Attached, EngineError> {
        let terminal = self.inspect(id.as_str()).await?.terminal;
        self.attach_to(id, terminal).await
    }

    /// The same for a container that works beside a service.
    pub async fn attach_service(&self, id: &ContainerId) -> Result<Attached, EngineError> {
        self.attach_to(id, false).await
    }

    async fn attach_to(&self, id: &ContainerId, terminal: bool) -> Result<Attached, EngineError> {
        let keys = query_value(DETACH_KEYS);
        let target = format!("/containers/{id}/attach?stream=1&stdin=1&stdout=1&stderr=1&detachKeys={keys}");
        let upgraded = self.wire().await?.upgrade(Call::post(target, "").upgrading("tcp")).await?;
        Ok(attached(upgraded, terminal))
    }
}

pub(super) fn attached(upgraded: Upgraded, terminal: bool) -> Attached {
    // Not `into_split`: its write half closes the direction when dropped, see `finish`.
    let (read, write) = tokio::io::split(upgraded.stream);
    Attached {
        input: ProcessInput { connection: write, pipe: None, terminal },
        output: output_stream(read, upgraded.already_read, Framing::for_terminal(terminal)),
    }
}
