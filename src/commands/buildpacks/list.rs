//! `buildpacks:list`.

use clap::Args;

use crate::command_error::CommandResult;
use crate::commands::buildpacks::{chosen, show};
use crate::commands::table::{Format, print_json};
use crate::commands::{Command, Context, Scope, Target};
use crate::model::role::Role;

/// Lists the buildpacks that were chosen for an app, in the order in which they build
#[derive(Debug, Args)]
pub struct List {
    /// The app
    app: String,
    /// Lines, or JSON
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl Command for List {
    const NAME: &'static str = "buildpacks:list";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Viewer;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let record = context.target()?;
        let list = chosen(&context.app.store, record.id).await?;
        if self.format == Format::Json {
            let names: Vec<String> = list.iter().map(ToString::to_string).collect();
            print_json(context.console(), &names).await?;
        } else {
            show(context.console(), record, &list).await;
        }
        Ok(0)
    }
}
