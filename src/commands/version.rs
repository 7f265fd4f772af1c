//! `version`.

use clap::Args;

use crate::command_error::CommandResult;
use crate::commands::{Command, Context, Scope, Target};
use crate::model::role::Role;

/// Prints the server's version
#[derive(Debug, Args)]
pub struct Version {}

impl Command for Version {
    const NAME: &'static str = "version";
    const SCOPE: Scope = Scope::Anyone;
    const ROLE: Role = Role::Viewer;

    fn target(&self) -> Target {
        Target::Nothing
    }

    async fn run(self, context: Context) -> CommandResult {
        context.console().line(concat!("slipway version ", env!("CARGO_PKG_VERSION"))).await;
        Ok(0)
    }
}
