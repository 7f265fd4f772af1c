//! What happens to the client's process while a command runs.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::cli::terminal::window_size;
use crate::console::WindowSize;
use crate::socket::frame::ClientFrame;

/// Status of a process that a signal ended (the shell's convention).
const ENDED_BY_SIGNAL: u8 = 128;
const SIGHUP: u8 = 1;
const SIGINT: u8 = 2;
const SIGTERM: u8 = 15;

/// Signals on their way to the server, and the news that it is time to leave.
#[derive(Debug)]
pub struct Signals {
    /// Frames that the server should get.
    pub frames: mpsc::Receiver<ClientFrame>,
    /// Cancelled when the client must end, whatever the server does.
    pub leave: CancellationToken,
    status: mpsc::Receiver<u8>,
}

impl Signals {
    /// Starts to listen. A first Ctrl-C goes to the server; a second one, SIGTERM and SIGHUP end the client.
    pub fn listen() -> io::Result<Self> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut hang_up = signal(SignalKind::hangup())?;
        let mut window = signal(SignalKind::window_change())?;
        let (sender, frames) = mpsc::channel(4);
        let (status_sender, status) = mpsc::channel(1);
        let leave = CancellationToken::new();
        let left = leave.clone();
        // Ends with the runtime, whatever the client itself is waiting for.
        tokio::spawn(async move {
            let mut interrupts = 0;
            let number = loop {
                tokio::select! {
                    _ = interrupt.recv() => {
                        interrupts += 1;
                        let sent = sender.try_send(ClientFrame::Signal("INT".to_owned()));
                        if interrupts > 1 || sent.is_err() {
                            break SIGINT;
                        }
                    }
                    _ = terminate.recv() => break SIGTERM,
                    _ = hang_up.recv() => break SIGHUP,
                    _ = window.recv() => resize(&sender),
                }
            };
            // Read by whoever sees `leave`; a client that has ended already needs no status.
            status_sender.try_send(ENDED_BY_SIGNAL + number).ok();
            left.cancel();
        });
        Ok(Self { frames, leave, status })
    }

    /// The status to end with, once [`Self::leave`] was cancelled.
    pub fn status(&mut self) -> u8 {
        self.status.try_recv().unwrap_or(ENDED_BY_SIGNAL)
    }
}

fn resize(sender: &mpsc::Sender<ClientFrame>) {
    if let Ok(WindowSize { columns, rows }) = window_size() {
        // With no room the next change brings the size along.
        sender.try_send(ClientFrame::Window(WindowSize { columns, rows })).ok();
    }
}
