//! One session channel: what the client asked for before the command, then the running command.

use std::collections::BTreeMap;

use bytes::Bytes;
use russh::ChannelWriteHalf;
use russh::server::Msg;
use tokio::sync::watch;
use tracing::debug;

use crate::console::{Output, Terminal, WindowSize};
use crate::face::command_run::{CommandControls, OutputSink};
use crate::face::keyboard::{Input, Keyboard, with_carriage_returns};

/// The stream number of standard error (RFC 4254, section 5.2).
const STDERR: u32 = 1;
/// Variables that one channel may set.
const MOST_VARIABLES: usize = 32;
/// The longest value of a variable.
const LONGEST_VALUE: usize = 4096;

/// A session channel in one of its two lives.
#[derive(Debug)]
pub enum SessionChannel {
    /// Open, and nothing was executed yet.
    Asking(Asking),
    /// A command runs, or has run and the channel is closing.
    Running(Running),
}

impl SessionChannel {
    /// Whether the command has ended.
    pub fn is_over(&self) -> bool {
        matches!(self, Self::Running(running) if running.controls.is_over())
    }
}

/// What a client has asked for before its command.
#[derive(Debug)]
pub struct Asking {
    writer: ChannelWriteHalf<Msg>,
    environment: BTreeMap<String, String>,
    terminal: Option<(String, WindowSize)>,
}

/// Everything that a command needs of its channel when it starts.
#[derive(Debug)]
pub struct Start {
    /// Where its output goes.
    pub sink: ChannelSink,
    /// What the client set and the server lets pass.
    pub environment: BTreeMap<String, String>,
    /// The client's terminal.
    pub terminal: Option<Terminal>,
    /// Where the terminal's next sizes go.
    pub window: Option<watch::Sender<WindowSize>>,
}

impl Asking {
    /// Starts with an open channel.
    pub fn new(writer: ChannelWriteHalf<Msg>) -> Self {
        Self { writer, environment: BTreeMap::new(), terminal: None }
    }

    /// Sets a variable, if it is one that may pass: a client must not choose the server's environment.
    pub fn set_variable(&mut self, name: &str, value: &str) -> bool {
        let accepted = is_accepted_variable(name)
            && value.len() <= LONGEST_VALUE
            && self.environment.len() < MOST_VARIABLES;
        if accepted {
            self.environment.insert(name.to_owned(), value.to_owned());
        }
        accepted
    }

    /// Remembers the client's terminal.
    pub fn set_terminal(&mut self, kind: &str, size: WindowSize) {
        self.terminal = Some((kind.to_owned(), size));
    }

    /// Turns the requests into what the command gets.
    pub fn start(self) -> Start {
        let (terminal, window) = match self.terminal {
            Some((kind, size)) => {
                let (window, sizes) = watch::channel(size);
                (Some(Terminal::new(kind, sizes)), Some(window))
            }
            None => (None, None),
        };
        let sink = ChannelSink { writer: self.writer, raw_terminal: terminal.is_some() };
        Start { sink, environment: self.environment, terminal, window }
    }
}

fn is_accepted_variable(name: &str) -> bool {
    matches!(name, "GIT_PROTOCOL" | "TERM" | "LANG") || name.starts_with("LC_")
}

/// A command's output on its way into the channel.
#[derive(Debug)]
pub struct ChannelSink {
    writer: ChannelWriteHalf<Msg>,
    /// The client's terminal is in raw mode, so that a newline alone does not return the carriage.
    raw_terminal: bool,
}

impl OutputSink for ChannelSink {
    async fn send(&mut self, output: Output) {
        // Waits for the client's window, so that no more than that is ever held for a slow client.
        let sent = match output {
            Output::Stdout(bytes) => self.writer.data_bytes(self.for_terminal(bytes)).await,
            // A terminal has one screen: two streams would reach it in any order, as a prompt before its question.
            Output::Stderr(bytes) if self.raw_terminal => {
                self.writer.data_bytes(self.for_terminal(bytes)).await
            }
            Output::Stderr(bytes) => self.writer.extended_data_bytes(STDERR, self.for_terminal(bytes)).await,
            Output::Terminal(bytes) => self.writer.data_bytes(bytes).await,
        };
        if let Err(error) = sent {
            debug!(%error, "output for a closed connection");
        }
    }
}

impl ChannelSink {
    /// Ends the channel: exit status, end of output, close, in this order.
    pub async fn finish(self, status: u8) {
        let finished = async {
            self.writer.exit_status(u32::from(status)).await?;
            self.writer.eof().await?;
            self.writer.close().await
        };
        if let Err(error) = finished.await {
            debug!(%error, "a command ended after its connection");
        }
    }

    fn for_terminal(&self, bytes: Bytes) -> Bytes {
        if self.raw_terminal { with_carriage_returns(&bytes) } else { bytes }
    }
}

/// The client's side of a running command.
#[derive(Debug)]
pub struct Running {
    controls: CommandControls,
    window: Option<watch::Sender<WindowSize>>,
    keyboard: Option<TypedInput>,
}

/// Input from a terminal whose editing is left to the server.
#[derive(Debug)]
struct TypedInput {
    keyboard: Keyboard,
    taken_over: watch::Receiver<bool>,
}

impl Running {
    /// Connects the channel with its command.
    pub fn new(
        controls: CommandControls,
        window: Option<watch::Sender<WindowSize>>,
        taken_over: Option<watch::Receiver<bool>>,
    ) -> Self {
        let keyboard = taken_over.map(|taken_over| TypedInput { keyboard: Keyboard::default(), taken_over });
        Self { controls, window, keyboard }
    }

    /// Takes input from the client; never waits.
    pub fn input(&mut self, data: &[u8]) {
        match &mut self.keyboard {
            Some(typed) if !*typed.taken_over.borrow() => {
                let (inputs, echo) = typed.keyboard.press(data);
                // An echo that does not fit is lost: the connection must not wait for its own output.
                self.controls.console.try_write(Output::Terminal(echo));
                inputs.into_iter().for_each(|input| self.typed(input));
            }
            _ => {
                self.flush_keyboard();
                self.push(Bytes::copy_from_slice(data));
            }
        }
    }

    /// Ends the command's input. The command goes on.
    pub fn end_input(&mut self) {
        self.flush_keyboard();
        self.controls.stdin = None;
    }

    /// Delivers a signal.
    pub fn signal(&self, name: &str) {
        self.controls.signal(name);
    }

    /// Tells the command the terminal's new size.
    pub fn resize(&self, size: WindowSize) {
        if let Some(window) = &self.window {
            window.send_replace(size);
        }
    }

    fn typed(&mut self, input: Input) {
        match input {
            Input::Line(line) => self.push(line),
            Input::End => self.controls.stdin = None,
            Input::Signal(name) => self.signal(name),
        }
    }

    fn flush_keyboard(&mut self) {
        if let Some(mut typed) = self.keyboard.take() {
            self.push(typed.keyboard.unfinished());
        }
    }

    fn push(&self, chunk: Bytes) {
        if let Some(stdin) = &self.controls.stdin {
            stdin.push(chunk);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_harmless_variables_pass() {
        for name in ["GIT_PROTOCOL", "TERM", "LANG", "LC_ALL", "LC_TIME"] {
            assert!(is_accepted_variable(name), "{name}");
        }
        for name in ["PATH", "LD_PRELOAD", "GIT_DIR", "GIT_CONFIG_COUNT", "LANGUAGE", "lc_all", ""] {
            assert!(!is_accepted_variable(name), "{name}");
        }
    }
}
