//! `logs`, `logs:*`: what an app prints and what happened to it.

pub mod failed;
mod filter;
pub mod properties;
pub mod show;
mod time;

use std::future::pending;

use crate::app::App;
use crate::command_error::CommandError;

/// Returns when the server stops. Where another one takes its place it does not, since whoever follows goes on.
pub async fn server_stops(app: &App) {
    app.shutdown.cancelled().await;
    if app.door.patience().is_some() {
        pending().await
    }
}

/// Why nothing is followed any longer.
pub fn stopping() -> CommandError {
    CommandError::user("The server is stopping").hint("Follow again in a moment")
}
