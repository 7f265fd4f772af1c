//! What a command says to a person and hears from them: output with Dokku's marks, input, window, signals.
//!
//! Knows nothing of SSH, sockets or commands; the faces put a transport behind it.

pub mod door;
pub mod whole_lines;

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::console::door::Presence;

/// How many chunks of output may wait for a slow client before the command waits too.
pub const OUTPUT_BACKLOG: usize = 64;

/// A chunk of output for one of the client's two streams.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Data: what a script reads.
    Stdout(Bytes),
    /// Warnings and errors: what a person reads.
    Stderr(Bytes),
    /// What a terminal elsewhere (a container's) printed: goes to standard output and is never translated.
    Terminal(Bytes),
}

/// A terminal's size in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowSize {
    /// Characters in a line.
    pub columns: u16,
    /// Lines.
    pub rows: u16,
}

/// The client's terminal, if it has one.
#[derive(Clone, Debug)]
pub struct Terminal {
    /// `TERM`, for example `xterm-256color`.
    pub kind: String,
    /// Its size, now and after every change.
    pub size: watch::Receiver<WindowSize>,
    taken_over: watch::Sender<bool>,
}

impl Terminal {
    /// Describes a terminal that the face still translates for: line editing, Ctrl-C, carriage returns.
    pub fn new(kind: String, size: watch::Receiver<WindowSize>) -> Self {
        Self { kind, size, taken_over: watch::Sender::new(false) }
    }

    /// Asks the face to pass every key as it is from now on, because a terminal elsewhere (a container's) does
    /// the editing. What that terminal prints goes to [`Console::terminal`].
    pub fn take_over(&self) {
        self.taken_over.send_replace(true);
    }

    /// Whether [`Self::take_over`] was called, now and later: for the faces.
    pub fn taken_over(&self) -> watch::Receiver<bool> {
        self.taken_over.subscribe()
    }
}

/// Everything that connects a running command to its client.
#[derive(Debug)]
pub struct CommandIo {
    /// Where the command writes.
    pub console: Console,
    /// The client's standard input; `None` from `recv` is its end.
    pub stdin: mpsc::Receiver<Bytes>,
    /// The client's terminal, if it asked for one.
    pub terminal: Option<Terminal>,
    /// Signals that the client sends, by name without `SIG` (RFC 4254, section 6.10); Ctrl-C is `INT`. A command
    /// that has no use for them drops this, and then `INT` cancels `client_gone` instead.
    pub signals: mpsc::Receiver<String>,
    /// Cancelled when the client is gone: nobody reads the output any more.
    pub client_gone: CancellationToken,
    /// Variables that the client sent and the face lets pass: `GIT_PROTOCOL`, `LANG`, `LC_*`.
    pub environment: BTreeMap<String, String>,
    /// That the command needs the server's state. One that only passes bytes on for hours says when it needs it no
    /// longer, and then outlives the server's replacement: see [`Presence::rest`].
    pub presence: Arc<Presence>,
}

impl CommandIo {
    /// Reads all of standard input, at most `limit` bytes of it.
    pub async fn read_stdin(&mut self, limit: usize) -> Result<Vec<u8>, InputTooLong> {
        let mut bytes = Vec::new();
        while let Some(chunk) = self.stdin.recv().await {
            if bytes.len() + chunk.len() > limit {
                return Err(InputTooLong(limit));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }

    /// Takes standard input away, for a reader that goes on by itself; what is left is at its end.
    pub fn take_stdin(&mut self) -> mpsc::Receiver<Bytes> {
        let (_, ended) = mpsc::channel(1);
        std::mem::replace(&mut self.stdin, ended)
    }
}

/// Standard input was longer than can be taken.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("standard input is longer than the {0} bytes that are allowed")]
pub struct InputTooLong(usize);

/// Writes to a client. Cheap to clone; writing waits while the client is slow, and is of no effect once it is gone.
#[derive(Clone, Debug)]
pub struct Console {
    output: mpsc::Sender<Output>,
    quiet: bool,
}

impl Console {
    /// Makes a console and the end that a face drains.
    pub fn new() -> (Self, mpsc::Receiver<Output>) {
        let (output, drain) = mpsc::channel(OUTPUT_BACKLOG);
        (Self { output, quiet: false }, drain)
    }

    /// The same console without headers and progress marks (`--quiet`).
    #[must_use]
    pub fn quieted(&self, quiet: bool) -> Self {
        Self { output: self.output.clone(), quiet: self.quiet || quiet }
    }

    /// Writes a line of data to standard output.
    pub async fn line(&self, text: impl Display) {
        self.stdout(format!("{text}\n")).await;
    }

    /// Writes a step: `-----> text`. Hidden by `--quiet`.
    pub async fn step(&self, text: impl Display) {
        self.unless_quiet(format!("-----> {text}\n")).await;
    }

    /// Writes a headline: `=====> text`. Hidden by `--quiet`.
    pub async fn headline(&self, text: impl Display) {
        self.unless_quiet(format!("=====> {text}\n")).await;
    }

    /// Writes a detail below a step, each line indented by seven spaces. Hidden by `--quiet`.
    pub async fn detail(&self, text: impl Display) {
        let lines: String = text.to_string().lines().map(|line| format!("       {line}\n")).collect();
        self.unless_quiet(lines).await;
    }

    /// Writes a warning to standard error, each line behind ` !     `.
    pub async fn warn(&self, text: impl Display) {
        let lines: String = text.to_string().lines().map(|line| format!(" !     {line}\n")).collect();
        self.stderr(lines).await;
    }

    /// Writes bytes to standard output as they are.
    pub async fn stdout(&self, bytes: impl Into<Bytes>) {
        self.write(Output::Stdout(bytes.into())).await;
    }

    /// Writes bytes to standard error as they are.
    pub async fn stderr(&self, bytes: impl Into<Bytes>) {
        self.write(Output::Stderr(bytes.into())).await;
    }

    /// Writes bytes that a terminal elsewhere printed, as they are: see [`Terminal::take_over`].
    pub async fn terminal(&self, bytes: impl Into<Bytes>) {
        self.write(Output::Terminal(bytes.into())).await;
    }

    /// Writes one chunk if there is room at once, and says whether there was: for what may not wait.
    pub fn try_write(&self, output: Output) -> bool {
        self.output.try_send(output).is_ok()
    }

    /// Whether nobody will ever read what is written.
    pub fn is_closed(&self) -> bool {
        self.output.is_closed()
    }

    /// Writes one chunk. A client that is gone is no error of the command's: see [`CommandIo::client_gone`].
    pub async fn write(&self, output: Output) {
        // The only error is a closed channel, which means that nobody reads any more.
        self.output.send(output).await.ok();
    }

    async fn unless_quiet(&self, text: String) {
        if !self.quiet {
            self.stdout(text).await;
        }
    }
}
