//! `logs`, `logs:*`: what an app prints and what happened to it.

mod filter;
pub mod show;
mod time;

use crate::command_error::CommandError;

/// Why nothing is followed any longer.
pub fn stopping() -> CommandError {
    CommandError::user("The server is stopping").hint("Follow again in a moment")
}
