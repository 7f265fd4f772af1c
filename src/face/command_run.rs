//! Runs one command for a face: wires its input and output, and ends only when all output is with the client.
//!
//! Knows nothing of SSH or sockets; a face brings an [`OutputSink`].

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::error;

use crate::console::door::Presence;
use crate::console::{CommandIo, Console, Output, Terminal};
use crate::face::Commands;
use crate::face::stdin_queue::{InputFeed, InputLevel, InputQueue, input_queue};
use crate::model::role::Caller;

/// The status of a command that broke down (`EX_SOFTWARE` of `sysexits.h`).
const BROKE_DOWN: u8 = 70;
/// How many signals may wait for a command.
const SIGNAL_BACKLOG: usize = 8;

/// Where a face sends a command's output.
pub trait OutputSink: Send {
    /// Sends one chunk; waits while the client is slow.
    fn send(&mut self, output: Output) -> impl Future<Output = ()> + Send;
}

/// The client's side of a command: what comes from the client goes in here.
#[derive(Debug)]
pub struct CommandControls {
    /// Standard input; `None` after its end.
    pub stdin: Option<InputQueue>,
    /// For what the face itself has to say, for example the echo.
    pub console: Console,
    signals: mpsc::Sender<String>,
    /// The command is to stop; its last words still reach the client.
    interrupted: CancellationToken,
    /// Nobody reads any more.
    gone: CancellationToken,
}

impl CommandControls {
    /// Whether the command has ended and all of its output was sent.
    pub fn is_over(&self) -> bool {
        self.console.is_closed()
    }

    /// Delivers a signal. A command that takes no signals loses its client by `INT` instead: a person at the
    /// keyboard must always get away.
    pub fn signal(&self, name: &str) {
        if self.signals.try_send(name.to_owned()).is_err() && name == "INT" {
            self.interrupted.cancel();
        }
    }
}

impl Drop for CommandControls {
    /// Whoever stops feeding a command has lost its client; a command that has ended does not mind.
    fn drop(&mut self) {
        self.gone.cancel();
    }
}

/// The command's side: everything that [`CommandRun::run`] needs.
#[derive(Debug)]
pub struct CommandRun {
    io: CommandIo,
    output: mpsc::Receiver<Output>,
    feed: InputFeed,
    gone: CancellationToken,
    presence: Arc<Presence>,
}

/// Wires a command that is about to start.
pub fn wire(
    environment: BTreeMap<String, String>,
    terminal: Option<Terminal>,
    level: InputLevel,
    presence: Presence,
) -> (CommandControls, CommandRun) {
    let (console, output) = Console::new();
    let (queue, feed, stdin) = input_queue(level);
    let (signals, signals_out) = mpsc::channel(SIGNAL_BACKLOG);
    let gone = CancellationToken::new();
    let interrupted = gone.child_token();
    let client_gone = interrupted.clone();
    let controls = CommandControls {
        stdin: Some(queue),
        console: console.clone(),
        signals,
        interrupted,
        gone: gone.clone(),
    };
    let presence = Arc::new(presence);
    let io = CommandIo {
        console,
        stdin,
        terminal,
        signals: signals_out,
        client_gone,
        environment,
        presence: Arc::clone(&presence),
    };
    (controls, CommandRun { io, output, feed, gone, presence })
}

impl CommandRun {
    /// Runs the command to its end, sends everything it wrote, and returns its exit status.
    pub async fn run<C: Commands>(
        self,
        commands: C,
        caller: Caller,
        words: Vec<String>,
        sink: &mut impl OutputSink,
    ) -> u8 {
        let Self { io, output, feed, gone, presence } = self;
        // A task of its own, so that a command that panics costs its client no more than an error message.
        let command = tokio::spawn(async move { commands.execute(caller, words, io).await });
        let ended = CancellationToken::new();
        let status = async {
            let status = command.await;
            drop(presence);
            ended.cancel();
            status
        };
        let (status, ()) = tokio::join!(status, transfer(output, feed, &ended, &gone, sink));
        match status {
            Ok(status) => status,
            Err(failure) => {
                error!(error = %failure, "a command broke down");
                let message = " !     The server failed while running this command; its log says more.\n";
                send_unless_gone(sink, Output::Stderr(message.into()), &gone).await;
                BROKE_DOWN
            }
        }
    }
}

/// Carries input and output until the command has ended and its output is gone.
async fn transfer(
    mut output: mpsc::Receiver<Output>,
    mut feed: InputFeed,
    ended: &CancellationToken,
    gone: &CancellationToken,
    sink: &mut impl OutputSink,
) {
    let input = async {
        tokio::select! {
            () = feed.run() => feed.close(),
            () = ended.cancelled() => {}
        }
    };
    let output = async {
        loop {
            tokio::select! {
                biased;
                chunk = output.recv() => match chunk {
                    Some(chunk) => send_unless_gone(sink, chunk, gone).await,
                    None => return,
                },
                () = ended.cancelled() => break,
            }
        }
        // Something may still hold the console of a command that has ended: it has nothing more to say.
        output.close();
        while let Some(chunk) = output.recv().await {
            send_unless_gone(sink, chunk, gone).await;
        }
    };
    tokio::join!(input, output);
}

/// Sends a chunk, or drops it when nobody reads any more: a command must not wait for a client that is gone.
async fn send_unless_gone(sink: &mut impl OutputSink, output: Output, gone: &CancellationToken) {
    tokio::select! {
        biased;
        () = gone.cancelled() => {}
        () = sink.send(output) => {}
    }
}
