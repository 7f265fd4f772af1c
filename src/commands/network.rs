//! `network:*`: networks on which apps reach one another, beside Slipway's own, on which they do not.

pub mod choice;
pub mod create;
pub mod destroy;
pub mod rebuild;
pub mod set;
pub mod show;

use crate::command_error::CommandError;

/// There is no such network.
fn missing(name: &str) -> CommandError {
    CommandError::user(format!("Network {name} does not exist"))
        .hint(format!("Make it: network:create {name}, or see those there are: network:list"))
}
