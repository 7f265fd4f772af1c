//! Doing the same to several apps: one that fails does not keep the others from their turn.

use crate::command_error::{CommandError, CommandResult};
use crate::console::Console;
use crate::model::app_name::AppName;

/// What has come of the apps' turns up to now.
#[derive(Debug)]
pub struct Turns {
    console: Console,
    of: usize,
    failed: Vec<String>,
}

impl Turns {
    /// As many turns as there are apps.
    pub fn new(console: &Console, of: usize) -> Self {
        Self { console: console.clone(), of, failed: Vec::new() }
    }

    /// Takes note of what came of one app's turn. Only the error of a single app ends the command at once.
    pub async fn note(
        &mut self,
        app: &AppName,
        result: Result<(), CommandError>,
    ) -> Result<(), CommandError> {
        let Err(error) = result else { return Ok(()) };
        if self.of == 1 {
            return Err(error);
        }
        if error.is_internal() {
            tracing::error!(%app, %error, "a command failed for one of several apps");
        }
        self.console.warn(error.lines()).await;
        self.failed.push(app.to_string());
        Ok(())
    }

    /// The command's result: an error that names the apps that failed, if any did.
    pub fn finish(self) -> CommandResult {
        if self.failed.is_empty() {
            return Ok(0);
        }
        Err(CommandError::user(format!(
            "{} of {} apps failed: {}",
            self.failed.len(),
            self.of,
            self.failed.join(" ")
        ))
        .hint("Why stands above; with the others it went well"))
    }
}
