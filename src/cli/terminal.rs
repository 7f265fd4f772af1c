//! The client's own terminal: its size, and raw mode while a command has taken it over.

use std::env;
use std::io::{self, IsTerminal};

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

use crate::console::WindowSize;
use crate::socket::frame::HeaderTerminal;

/// The terminal, if both ends of the client are at one: anything else is a pipe that must stay byte-exact.
pub fn own_terminal() -> Option<HeaderTerminal> {
    if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
        return None;
    }
    let kind = env::var("TERM").unwrap_or_else(|_| "dumb".to_owned());
    let size = window_size().unwrap_or(WindowSize { columns: 80, rows: 24 });
    Some(HeaderTerminal { kind, columns: size.columns, rows: size.rows })
}

/// The terminal's size now.
pub fn window_size() -> io::Result<WindowSize> {
    let size = tcgetwinsize(io::stdout())?;
    Ok(WindowSize { columns: size.ws_col, rows: size.ws_row })
}

/// Raw mode, until this is dropped.
#[derive(Debug)]
pub struct RawMode {
    before: Termios,
}

impl RawMode {
    /// Switches the terminal at standard input. Keys that were typed before stay.
    pub fn enter() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(io::stdin(), OptionalActions::Now, &raw)?;
        Ok(Self { before })
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        // A terminal that cannot be set is gone, and nobody is left to tell.
        tcsetattr(io::stdin(), OptionalActions::Drain, &self.before).ok();
    }
}
