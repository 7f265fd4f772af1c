//! `apps:exists`.

use clap::Args;

use crate::command_error::CommandResult;
use crate::commands::{Command, Context, Scope, Target};
use crate::model::role::Role;

/// Says by its exit status whether an app exists: 0 or 20
#[derive(Debug, Args)]
pub struct Exists {
    /// The app
    app: String,
}

impl Command for Exists {
    const NAME: &'static str = "apps:exists";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Viewer;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, _context: Context) -> CommandResult {
        Ok(0)
    }
}
