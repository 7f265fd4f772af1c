//! `apps:list`.

use clap::Args;

use crate::command_error::CommandResult;
use crate::commands::table::{Format, print_json};
use crate::commands::{Command, Context, Scope, Target};
use crate::model::role::Role;

/// Lists your apps
#[derive(Debug, Args)]
pub struct List {
    /// Lines, or a JSON array of names
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl Command for List {
    const NAME: &'static str = "apps:list";
    const SCOPE: Scope = Scope::Apps;
    const ROLE: Role = Role::Viewer;

    fn target(&self) -> Target {
        Target::Every
    }

    async fn run(self, context: Context) -> CommandResult {
        let console = context.console();
        if self.format == Format::Json {
            let names: Vec<&str> = context.targets.iter().map(|app| app.name.as_str()).collect();
            print_json(console, &names).await?;
            return Ok(0);
        }
        if context.targets.is_empty() {
            console.warn("You haven't deployed any applications yet").await;
            return Ok(0);
        }
        console.headline("My Apps").await;
        for app in &context.targets {
            console.line(&app.name).await;
        }
        Ok(0)
    }
}
