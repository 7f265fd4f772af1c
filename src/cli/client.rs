//! A client of the server on the same host: relays its own input, output and signals, byte for byte.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use tokio::io::{AsyncReadExt, Stdin, stdin};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

use crate::cli::output::Streams;
use crate::cli::signals::Signals;
use crate::cli::terminal::own_terminal;
use crate::socket::frame::{
    ClientFrame, FrameError, FrameReader, Header, INPUT_CREDIT, PIECE, ServerFrame, frame_reader, write_frame,
};

/// Status of a process that writes to a pipe that nobody reads: 128 and SIGPIPE.
const BROKEN_PIPE: u8 = 141;

/// What the client asks the server for.
#[derive(Debug)]
pub struct Request {
    /// The command's name and arguments.
    pub words: Vec<String>,
    /// The variables that are passed on.
    pub environment: BTreeMap<String, String>,
    /// Whether the terminal is offered to the command, if there is one.
    pub terminal: bool,
}

/// A command that could not be run to its end.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody answers.
    #[error("The server is not running: nobody answers on {}", path.display())]
    NotRunning {
        /// The socket.
        path: PathBuf,
    },
    /// The socket is for others.
    #[error("{} is not for this user", path.display())]
    NotAllowed {
        /// The socket.
        path: PathBuf,
    },
    /// The connection ended before the command did.
    #[error("The server went away before the command ended.")]
    Lost,
    /// The server cannot be understood.
    #[error("The server speaks another language; are client and server of the same version?")]
    Frame(#[from] FrameError),
    /// A file, terminal or socket failed.
    #[error("Cannot go on")]
    Io(#[from] io::Error),
}

/// Runs a command on the server and returns its exit status.
pub fn run(request: Request, socket: &Path) -> Result<u8, ClientError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let status = runtime.block_on(async {
        let stream = connect(socket).await?;
        let mut client = Client::start(stream, request).await?;
        client.relay().await
    });
    // A read from a terminal cannot be taken back: it would keep the process until the next key.
    runtime.shutdown_background();
    status
}

async fn connect(socket: &Path) -> Result<UnixStream, ClientError> {
    UnixStream::connect(socket).await.map_err(|error| {
        let path = socket.to_owned();
        match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => ClientError::NotRunning { path },
            io::ErrorKind::PermissionDenied => ClientError::NotAllowed { path },
            _ => ClientError::Io(error),
        }
    })
}

/// A command that runs on the server.
struct Client {
    frames: FrameReader<OwnedReadHalf>,
    server: OwnedWriteHalf,
    signals: Signals,
    streams: Streams,
    stdin: Stdin,
    /// How much input the server still takes.
    credit: usize,
    input_ended: bool,
}

impl Client {
    async fn start(stream: UnixStream, request: Request) -> Result<Self, ClientError> {
        let signals = Signals::listen()?;
        let terminal = if request.terminal { own_terminal() } else { None };
        let header = Header { words: request.words, environment: request.environment, terminal };
        let (reader, mut server) = stream.into_split();
        match write_frame(&mut server, ClientFrame::Header(header).encode()).await {
            // The server has sent somebody away who may not be here; its reason is still to be read.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
            written => written?,
        }
        Ok(Self {
            frames: frame_reader(reader),
            server,
            signals,
            streams: Streams::open(),
            stdin: stdin(),
            credit: INPUT_CREDIT,
            input_ended: false,
        })
    }

    /// Relays until the command has ended.
    async fn relay(&mut self) -> Result<u8, ClientError> {
        let leave = self.signals.leave.clone();
        let mut piece = BytesMut::new();
        loop {
            let wanted = self.credit.min(PIECE);
            piece.resize(wanted, 0);
            tokio::select! {
                () = leave.cancelled() => return Ok(self.signals.status()),
                Some(frame) = self.signals.frames.recv() => self.send(frame).await?,
                frame = self.frames.next() => {
                    let Some(frame) = frame else { return Err(ClientError::Lost) };
                    let frame = ServerFrame::decode(frame.map_err(|_| ClientError::Lost)?)?;
                    let taken = tokio::select! {
                        () = leave.cancelled() => return Ok(self.signals.status()),
                        taken = self.take(frame) => taken,
                    };
                    match taken {
                        Ok(Some(status)) => return Ok(status),
                        Ok(None) => {}
                        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(BROKEN_PIPE),
                        Err(error) => return Err(error.into()),
                    }
                }
                read = self.stdin.read(&mut piece), if wanted > 0 && !self.input_ended => {
                    let read = read?;
                    self.input(piece.split_to(read).freeze()).await?;
                }
            }
        }
    }

    async fn input(&mut self, piece: Bytes) -> Result<(), ClientError> {
        self.credit = self.credit.saturating_sub(piece.len());
        self.input_ended = piece.is_empty();
        self.send(if piece.is_empty() { ClientFrame::StdinEnd } else { ClientFrame::Stdin(piece) }).await
    }

    async fn send(&mut self, frame: ClientFrame) -> Result<(), ClientError> {
        match write_frame(&mut self.server, frame.encode()).await {
            // The command may have ended: its last words and its status are still to be read.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.input_ended = true;
                Ok(())
            }
            written => Ok(written?),
        }
    }

    /// Does what a frame says; returns the status if it was the last one.
    async fn take(&mut self, frame: ServerFrame) -> io::Result<Option<u8>> {
        match frame {
            ServerFrame::Stdout(bytes) => self.streams.stdout(bytes).await?,
            ServerFrame::Stderr(bytes) => self.streams.stderr(bytes).await?,
            ServerFrame::Terminal(bytes) => self.streams.terminal(bytes).await?,
            ServerFrame::TakenOver => self.streams.take_over()?,
            ServerFrame::Credit(bytes) => self.credit = self.credit.saturating_add(bytes as usize),
            ServerFrame::Exit(status) => return Ok(Some(status)),
        }
        Ok(None)
    }
}
