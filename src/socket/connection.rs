//! One client on the Unix socket: its header, then its command.

use std::future::pending;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tracing::{Instrument, debug, info_span};

use crate::console::door::Presence;
use crate::console::{Output, Terminal, WindowSize};
use crate::face::Commands;
use crate::face::command_run::{CommandControls, OutputSink, wire};
use crate::face::stdin_queue::InputLevel;
use crate::model::role::Caller;
use crate::socket::frame::{
    ClientFrame, FrameError, FrameReader, Header, INPUT_CREDIT, PIECE, ServerFrame, frame_reader, write_frame,
};

/// How long a client has for its header. It has it ready before it connects.
const HEADER_DEADLINE: Duration = Duration::from_secs(10);
/// Output frames that may wait for the socket.
const OUTPUT_FRAMES: usize = 8;

/// A client that cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    /// The client's frames make no sense.
    #[error("the client cannot be understood")]
    Frame(#[from] FrameError),
    /// The client left, or did not send its header in time.
    #[error("the client sent no header")]
    NoHeader,
    /// The client sends more input than it was granted.
    #[error("the client ignores its credit")]
    IgnoresCredit,
}

/// Serves a client that was let in.
pub async fn serve<C: Commands>(
    stream: UnixStream,
    caller: Caller,
    commands: C,
    presence: Presence,
) -> Result<(), ConnectionError> {
    let (reader, writer) = stream.into_split();
    let mut frames = frame_reader(reader);
    let header = match timeout(HEADER_DEADLINE, next_frame(&mut frames)).await {
        Ok(Ok(Some(ClientFrame::Header(header)))) => header,
        Ok(Err(error)) => return Err(error.into()),
        _ => return Err(ConnectionError::NoHeader),
    };
    let (output, output_frames) = mpsc::channel(OUTPUT_FRAMES);
    let (control, control_frames) = mpsc::unbounded_channel();
    let mut sink = SocketSink { frames: output };
    let command = async {
        let status = run(commands, header, Incoming { caller, frames, control, presence }, &mut sink).await;
        sink.frame(ServerFrame::Exit(status)).await;
        drop(sink);
    };
    let ((), ()) = tokio::join!(command, write_all(writer, output_frames, control_frames));
    Ok(())
}

/// Sends a client away with a reason.
pub async fn send_away(stream: UnixStream, reason: &str) {
    let (output, output_frames) = mpsc::channel(OUTPUT_FRAMES);
    let (_, control_frames) = mpsc::unbounded_channel();
    let mut sink = SocketSink { frames: output };
    let status = refuse(&mut sink, reason).await;
    sink.frame(ServerFrame::Exit(status)).await;
    drop(sink);
    write_all(stream.into_split().1, output_frames, control_frames).await;
}

async fn refuse(sink: &mut SocketSink, reason: &str) -> u8 {
    sink.send(Output::Stderr(format!(" !     {reason}\n").into())).await;
    1
}

/// What comes from the client, and what is said about it apart from the output.
struct Incoming {
    caller: Caller,
    frames: FrameReader<OwnedReadHalf>,
    control: mpsc::UnboundedSender<ServerFrame>,
    presence: Presence,
}

/// Runs the command while the client's frames are read.
async fn run<C: Commands>(commands: C, header: Header, incoming: Incoming, sink: &mut SocketSink) -> u8 {
    let (terminal, window) = match header.terminal {
        Some(terminal) => {
            let size = WindowSize { columns: terminal.columns, rows: terminal.rows };
            let (window, sizes) = watch::channel(size);
            (Some(Terminal::new(terminal.kind, sizes)), Some(window))
        }
        None => (None, None),
    };
    let taken_over = terminal.as_ref().map(Terminal::taken_over);
    let level = InputLevel::new();
    let Incoming { caller, frames, control, presence } = incoming;
    let (controls, command) = wire(header.environment, terminal, level.clone(), presence);
    let inputs = Inputs { controls, window, level, granted: INPUT_CREDIT };
    let span = info_span!("host_command", command = header.words.first().cloned().unwrap_or_default());
    let reading = async {
        if let Err(error) = inputs.read((frames, control), taken_over).await {
            debug!(error = &error as &dyn std::error::Error, "lost a client on the socket");
        }
        // The client is gone, which the command was told when `inputs` was dropped; its end is awaited all the same.
        pending().await
    };
    tokio::select! {
        status = command.run(commands, caller, header.words, sink).instrument(span) => status,
        status = reading => status,
    }
}

/// The client's frames on their way to the command.
struct Inputs {
    controls: CommandControls,
    window: Option<watch::Sender<WindowSize>>,
    level: InputLevel,
    /// How much more the client may send.
    granted: usize,
}

impl Inputs {
    /// Reads frames until the client is gone.
    async fn read(
        mut self,
        (mut frames, control): (FrameReader<OwnedReadHalf>, mpsc::UnboundedSender<ServerFrame>),
        mut taken_over: Option<watch::Receiver<bool>>,
    ) -> Result<(), ConnectionError> {
        let mut waiting = self.level.watch();
        loop {
            tokio::select! {
                frame = next_frame(&mut frames) => match frame? {
                    Some(frame) => self.take(frame)?,
                    None => return Ok(()),
                },
                Ok(()) = waiting.changed() => self.grant(&control),
                () = take_over(&mut taken_over) => {
                    control.send(ServerFrame::TakenOver).ok();
                    taken_over = None;
                }
            }
        }
    }

    fn take(&mut self, frame: ClientFrame) -> Result<(), ConnectionError> {
        match frame {
            ClientFrame::Stdin(piece) => {
                self.granted = self.granted.checked_sub(piece.len()).ok_or(ConnectionError::IgnoresCredit)?;
                if let Some(stdin) = &self.controls.stdin {
                    stdin.push(piece);
                }
            }
            ClientFrame::StdinEnd => self.controls.stdin = None,
            ClientFrame::Signal(name) => self.controls.signal(&name),
            ClientFrame::Window(size) => {
                if let Some(window) = &self.window {
                    window.send_replace(size);
                }
            }
            ClientFrame::Header(_) => return Err(ConnectionError::NoHeader),
        }
        Ok(())
    }

    /// Grants what the command has read, in pieces that are worth a frame.
    fn grant(&mut self, control: &mpsc::UnboundedSender<ServerFrame>) {
        let spent = INPUT_CREDIT.saturating_sub(self.granted).saturating_sub(self.level.bytes());
        if spent >= INPUT_CREDIT / 4
            && let Ok(credit) = u32::try_from(spent)
        {
            self.granted = self.granted.saturating_add(spent);
            // The only error is a writer that has ended because the client is gone.
            control.send(ServerFrame::Credit(credit)).ok();
        }
    }
}

/// Returns when the command takes the client's terminal over; never if there is none, or if it does not.
async fn take_over(taken_over: &mut Option<watch::Receiver<bool>>) {
    if let Some(taken_over) = taken_over {
        let taken = taken_over.wait_for(|taken| *taken).await.is_ok();
        if taken {
            return;
        }
    }
    pending().await
}

async fn next_frame(frames: &mut FrameReader<OwnedReadHalf>) -> Result<Option<ClientFrame>, FrameError> {
    match frames.next().await {
        Some(frame) => Ok(Some(ClientFrame::decode(frame?)?)),
        None => Ok(None),
    }
}

/// A command's output on its way to the socket.
struct SocketSink {
    frames: mpsc::Sender<ServerFrame>,
}

impl OutputSink for SocketSink {
    async fn send(&mut self, output: Output) {
        let (frame, mut bytes): (fn(Bytes) -> ServerFrame, Bytes) = match output {
            Output::Stdout(bytes) => (ServerFrame::Stdout, bytes),
            Output::Stderr(bytes) => (ServerFrame::Stderr, bytes),
            Output::Terminal(bytes) => (ServerFrame::Terminal, bytes),
        };
        while !bytes.is_empty() {
            let piece = bytes.split_to(bytes.len().min(PIECE));
            self.frame(frame(piece)).await;
        }
    }
}

impl SocketSink {
    async fn frame(&self, frame: ServerFrame) {
        // The only error is a writer that has ended because the client is gone.
        self.frames.send(frame).await.ok();
    }
}

/// Writes frames until the output has ended. Control frames go first: they are short, and input waits for them.
async fn write_all(
    mut writer: OwnedWriteHalf,
    mut output: mpsc::Receiver<ServerFrame>,
    mut control: mpsc::UnboundedReceiver<ServerFrame>,
) {
    loop {
        let frame = tokio::select! {
            biased;
            Some(frame) = control.recv() => frame,
            frame = output.recv() => match frame {
                Some(frame) => frame,
                None => return,
            },
        };
        if let Err(error) = write_frame(&mut writer, frame.encode()).await {
            debug!(%error, "a client on the socket reads no more");
            return;
        }
    }
}
