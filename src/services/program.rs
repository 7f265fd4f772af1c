//! Programs of an engine's description that write or read a dump: streams of any length, and an error if the program
//! or whoever is at the other end fails.

use std::collections::BTreeMap;
use std::io;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::app::tasks::Tasks;
use crate::backups::ByteStream;
use crate::command_error::CommandError;
use crate::docker::Engine;
use crate::docker::attach::{Attached, ProcessInput};
use crate::docker::error::EngineError;
use crate::docker::exec::ExecId;
use crate::docker::output::{OutputStream, StandardStream};
use crate::model::container_id::ContainerId;
use crate::services::exec;
use crate::services::template::Values;

/// How much of what a program complains of is kept.
const COMPLAINT: usize = 4096;

/// How many lines of it are shown.
const LINES: usize = 3;

/// A program's words and its variables.
pub type Program<'a> = (&'a [String], &'a BTreeMap<String, String>);

/// A program failed.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{said} (status {code})")]
pub struct ProgramError {
    /// Its exit code.
    pub code: i64,
    /// The end of what it complained of.
    pub said: String,
}

/// Why a dump did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// It could not be read.
    #[error(transparent)]
    Source(io::Error),
    /// The program that was to take it failed.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// Where a program runs: beside the engine in its container, or as all that a container of its own does.
#[derive(Clone, Debug)]
enum Place {
    Beside(ExecId),
    Alone(ContainerId),
}

/// A program that runs. One that is dropped before its end is killed, with all that it has started.
struct Running {
    engine: Engine,
    tasks: Tasks,
    place: Option<Place>,
    complaint: Vec<u8>,
}

/// Starts a program beside the engine and gives what it writes. The stream ends with an error if the program does not
/// end well, so that half a dump is never taken for a whole one.
pub async fn read_from(
    app: &App,
    container: &ContainerId,
    program: Program<'_>,
    values: &Values,
) -> Result<ByteStream, CommandError> {
    let (exec, attached) = exec::open(app, container, program, values, false).await?;
    let running = Running::new(app, Place::Beside(exec));
    let reading = (running, attached.output);
    Ok(Box::pin(stream::try_unfold(reading, |(mut running, mut output)| async move {
        while let Some(chunk) = output.next().await {
            let chunk = chunk.map_err(io::Error::other)?;
            match chunk.stream {
                StandardStream::Stdout => return Ok(Some((chunk.bytes, (running, output)))),
                StandardStream::Stderr => running.complain(&chunk.bytes),
            }
        }
        running.end().await.map_err(io::Error::other)?;
        Ok(None)
    })))
}

/// Starts a program beside the engine and has it read all of `source`.
pub async fn write_to(
    app: &App,
    container: &ContainerId,
    program: Program<'_>,
    values: &Values,
    source: &mut ByteStream,
) -> Result<(), CommandError> {
    let (exec, mut attached) = exec::open(app, container, program, values, true).await?;
    app.engine.shorten_exec_input((container, &exec), &mut attached.input).await?;
    Ok(feed(Running::new(app, Place::Beside(exec)), attached, source).await?)
}

/// Starts a container that was made for one program, has it read all of `source`, and removes it.
pub async fn write_to_container(
    app: &App,
    container: &ContainerId,
    source: &mut ByteStream,
) -> Result<(), CommandError> {
    let fed = async {
        let attached = app.engine.attach_service(container).await?;
        app.engine.start(container).await?;
        feed(Running::new(app, Place::Alone(container.clone())), attached, source).await
    };
    let fed = fed.await;
    app.engine.remove(container).await?;
    Ok(fed?)
}

/// Has a program read all of a source. It is not told of an end that is none: it would keep what it has.
async fn feed(
    mut running: Running,
    attached: Attached,
    source: &mut ByteStream,
) -> Result<(), TransferError> {
    let Attached { mut input, mut output } = attached;
    let fed = tokio::select! {
        fed = pass_on(source, &mut input) => fed,
        // It has ended, or will not be long: its exit code tells whether it had enough.
        heard = running.listen(&mut output) => heard.map_err(TransferError::from),
    };
    if let Err(error) = fed {
        // Before its input is closed.
        running.kill().await?;
        return Err(error);
    }
    // A program that has ended does not hear of the end.
    input.finish().await.ok();
    running.listen(&mut output).await?;
    running.end().await?;
    // What it did not want is read to its end, where a damaged source is an error.
    while let Some(chunk) = source.next().await {
        chunk.map_err(TransferError::Source)?;
    }
    Ok(())
}

async fn pass_on(source: &mut ByteStream, input: &mut ProcessInput) -> Result<(), TransferError> {
    while let Some(chunk) = source.next().await {
        let chunk: Bytes = chunk.map_err(TransferError::Source)?;
        if input.write(&chunk).await.is_err() {
            // It reads no more, which may be right: its exit code tells.
            return Ok(());
        }
    }
    Ok(())
}

/// The same stream, which breaks off once somebody is gone who is to see what comes of it.
pub fn unless_gone(source: ByteStream, gone: CancellationToken) -> ByteStream {
    Box::pin(stream::try_unfold((source, gone), |(mut source, gone)| async move {
        let next = tokio::select! {
            biased;
            () = gone.cancelled() => return Err(io::Error::new(io::ErrorKind::ConnectionAborted, Gone)),
            next = source.next() => next,
        };
        // The end of a client's input is also what comes when its connection breaks.
        match next {
            None if gone.is_cancelled() => Err(io::Error::new(io::ErrorKind::ConnectionAborted, Gone)),
            None => Ok(None),
            Some(chunk) => Ok(Some((chunk?, (source, gone)))),
        }
    }))
}

/// Whoever asked is gone.
#[derive(Debug, thiserror::Error)]
#[error("the client went away, and all is as it was")]
pub struct Gone;

impl Running {
    fn new(app: &App, place: Place) -> Self {
        Self {
            engine: app.engine.clone(),
            tasks: app.tasks.clone(),
            place: Some(place),
            complaint: Vec::new(),
        }
    }

    /// Hears what it says until it says nothing more.
    async fn listen(&mut self, output: &mut OutputStream) -> Result<(), EngineError> {
        while let Some(chunk) = output.next().await {
            self.complain(&chunk?.bytes);
        }
        Ok(())
    }

    fn complain(&mut self, bytes: &[u8]) {
        self.complaint.extend_from_slice(bytes);
        let surplus = self.complaint.len().saturating_sub(COMPLAINT);
        self.complaint.drain(..surplus);
    }

    /// Whether it ended well, once its output has ended.
    async fn end(&mut self) -> Result<(), TransferError> {
        let code = match &self.place {
            Some(Place::Beside(exec)) => self.engine.exec_exit_code(exec).await?,
            Some(Place::Alone(container)) => self.engine.wait(container).await?,
            None => 0,
        };
        self.place = None;
        if code == 0 {
            return Ok(());
        }
        Err(ProgramError { code, said: last_lines(&String::from_utf8_lossy(&self.complaint)) }.into())
    }

    async fn kill(&mut self) -> Result<(), EngineError> {
        match self.place.take() {
            Some(place) => kill(&self.engine, &place).await,
            None => Ok(()),
        }
    }
}

/// The end of what a program said: the reason is rarely in its very last line.
fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    match lines.get(lines.len().saturating_sub(LINES)..) {
        Some(last) if !last.is_empty() => last.join("; "),
        _ => "it says nothing".to_owned(),
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let Some(place) = self.place.take() else { return };
        let engine = self.engine.clone();
        self.tasks.spawn(async move {
            if let Err(error) = kill(&engine, &place).await {
                tracing::warn!(%error, "a program of a service that nobody waits for goes on");
            }
        });
    }
}

async fn kill(engine: &Engine, place: &Place) -> Result<(), EngineError> {
    match place {
        Place::Beside(exec) => engine.kill_exec_group(exec).await,
        Place::Alone(container) => engine.kill(container, "SIGKILL").await,
    }
}

impl From<TransferError> for CommandError {
    fn from(error: TransferError) -> Self {
        match error {
            TransferError::Engine(error) => error.into(),
            other => Self::user(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_complaint_is_told() {
        assert_eq!(last_lines("one\ntwo\n\nthree\n  four\n"), "two; three; four");
        assert_eq!(last_lines("only\n"), "only");
        assert_eq!(last_lines("\n \n"), "it says nothing");
    }
}
