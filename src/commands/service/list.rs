//! `ENGINE:list`.

use clap::Args;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::{Command, Context, Scope, Target};
use crate::model::role::Role;

/// Lists the services
#[derive(Debug, Args)]
pub struct List {}

impl Command for List {
    const NAME: &'static str = "service:list";
    const SCOPE: Scope = Scope::Anyone;
    const ROLE: Role = Role::Viewer;

    fn target(&self) -> Target {
        Target::Nothing
    }

    async fn run(self, context: Context) -> CommandResult {
        let engine = context.plugin.as_ref().and_then(|plugin| plugin.engine.clone());
        let engine = engine.ok_or_else(|| CommandError::user("This command is a plugin's with an engine"))?;
        Err(CommandError::user(format!("There are no {} services", engine.service.title)))
    }
}
