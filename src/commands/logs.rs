//! `logs`, `logs:*`: what an app prints and what happened to it.

pub mod failed;
mod filter;
pub mod properties;
pub mod show;
mod time;

use crate::command_error::CommandError;

/// Why nothing is followed any longer.
pub fn stopping() -> CommandError {
    CommandError::user("The server is stopping").hint("Follow again in a moment")
}
