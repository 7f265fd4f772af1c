//! `url` and `urls`.

use clap::Args;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::table::{Format, print_lines};
use crate::commands::{Command, Context, Scope, Target};
use crate::model::role::Role;
use crate::urls;

/// Prints the URLs of an app
#[derive(Debug, Args)]
pub struct Urls {
    /// Lines, or JSON
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// The app
    app: String,
}

impl Command for Urls {
    const NAME: &'static str = "urls";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Viewer;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let urls = urls::of(&context.app, context.target()?).await?;
        print_lines(context.console(), self.format, &urls).await?;
        Ok(0)
    }
}

/// Prints the first URL of an app, HTTPS before HTTP
#[derive(Debug, Args)]
pub struct Url {
    /// The app
    app: String,
}

impl Command for Url {
    const NAME: &'static str = "url";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Viewer;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let record = context.target()?;
        let urls = urls::of(&context.app, record).await?;
        let first = urls.iter().find(|url| url.starts_with("https:")).or_else(|| urls.first());
        let Some(first) = first else {
            return Err(CommandError::user(format!("{} has no host name", record.name))
                .hint(format!("Give it one: domains:add {} HOST", record.name)));
        };
        context.console().line(first).await;
        Ok(0)
    }
}
