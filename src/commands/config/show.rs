//! `config:show` and `config:keys`.

use clap::Args;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::config::{self, Owner};
use crate::commands::table::{Format, columns, print_lines};
use crate::commands::{Command, Context, Scope, Target};
use crate::model::config_var::ConfigVars;
use crate::model::role::Role;

/// Shows config vars with their values
#[derive(Debug, Args)]
pub struct Show {
    /// With the global ones, as the app's processes get them
    #[arg(long)]
    merged: bool,
    #[command(flatten)]
    owner: Owner,
    /// The app
    #[arg(value_name = "APP")]
    words: Vec<String>,
}

impl Command for Show {
    const NAME: &'static str = "config:show";
    const SCOPE: Scope = Scope::AppOrServer;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        config::target(&self.owner, &self.words)
    }

    async fn run(self, context: Context) -> CommandResult {
        let config = read(&context, &self.owner, &self.words, self.merged).await?;
        let whose = match context.targets.first() {
            Some(record) => record.name.to_string(),
            None => "global".to_owned(),
        };
        context.console().headline(format!("{whose} env vars")).await;
        let rows: Vec<Vec<String>> =
            config.iter().map(|(key, value)| vec![format!("{key}:"), value.expose().to_owned()]).collect();
        context.console().stdout(columns(&rows)).await;
        Ok(0)
    }
}

/// Lists the names of config vars
#[derive(Debug, Args)]
pub struct Keys {
    /// Lines, or JSON
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// With the global ones, as the app's processes get them
    #[arg(long)]
    merged: bool,
    #[command(flatten)]
    owner: Owner,
    /// The app
    #[arg(value_name = "APP")]
    words: Vec<String>,
}

impl Command for Keys {
    const NAME: &'static str = "config:keys";
    const SCOPE: Scope = Scope::AppOrServer;
    const ROLE: Role = Role::Viewer;

    fn target(&self) -> Target {
        config::target(&self.owner, &self.words)
    }

    async fn run(self, context: Context) -> CommandResult {
        let config = read(&context, &self.owner, &self.words, self.merged).await?;
        let keys: Vec<String> = config.keys().map(ToString::to_string).collect();
        print_lines(context.console(), self.format, &keys).await?;
        Ok(0)
    }
}

/// The vars that the arguments ask for.
pub async fn read(
    context: &Context,
    owner: &Owner,
    words: &[String],
    merged: bool,
) -> Result<ConfigVars, CommandError> {
    let (app, rest) = config::split(context, owner, words)?;
    config::nothing_more(rest)?;
    match app {
        Some(app) if merged => Ok(context.app.store.merged_config(app).await?),
        app => Ok(context.app.store.config(app).await?),
    }
}
