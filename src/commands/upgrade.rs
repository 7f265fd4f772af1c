//! `upgrade`.

use std::path::PathBuf;

use clap::Args;

use crate::app::upgrades::UpgradeError;
use crate::command_error::{CommandError, CommandResult};
use crate::commands::{Command, Context, Scope, Target};
use crate::model::role::Role;

/// Replaces the running server by a newer one, without a connection being refused or cut
///
/// The new server checks that it can start, and takes over the sockets once no build and no other command runs. The
/// one before serves what it has under way to its end. If the new one does not come to serve, nothing has changed.
#[derive(Debug, Args)]
pub struct Upgrade {
    /// The program to start; the one that the server was started from if not given
    #[arg(long, value_name = "PATH")]
    binary: Option<PathBuf>,
    /// Give builds and other commands 20 seconds, and cut them off then
    #[arg(long)]
    now: bool,
}

impl Command for Upgrade {
    const NAME: &'static str = "upgrade";
    const SCOPE: Scope = Scope::Host;
    const ROLE: Role = Role::Admin;

    fn target(&self) -> Target {
        Target::Nothing
    }

    async fn run(self, context: Context) -> CommandResult {
        if let Some(relative) = self.binary.as_ref().filter(|path| path.is_relative()) {
            return Err(CommandError::user(format!("{} is no absolute path", relative.display()))
                .hint("Write the whole path: the server has a directory of its own"));
        }
        context.io.presence.rest();
        let console = context.console().clone();
        match context.app.upgrades.ask(self.binary, self.now, console).await {
            Ok(_) => Ok(0),
            Err(error) => Err(refusal(&error)),
        }
    }
}

fn refusal(error: &UpgradeError) -> CommandError {
    let hint = match error {
        UpgradeError::Busy(..) => "See `builds:list`; `upgrade --now` cuts off what runs",
        UpgradeError::NotStarted(_) => "The server that runs goes on as before; the log has more",
        UpgradeError::UnderWay | UpgradeError::Stopping => "Try again in a moment",
    };
    CommandError::user(format!("No upgrade: {error}")).hint(hint)
}
