//! `config:get`.

use clap::Args;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::config::{self, Owner};
use crate::commands::{Command, Context, Scope, Target};
use crate::formats::config_export;
use crate::model::config_var::ConfigKey;
use crate::model::role::Role;

/// Prints the value of one config var; exit status 1 if it is not set
#[derive(Debug, Args)]
pub struct Get {
    /// Quote the value for a shell
    #[arg(long)]
    quoted: bool,
    #[command(flatten)]
    owner: Owner,
    /// The app, then the name of the config var
    #[arg(value_name = "APP] [KEY")]
    words: Vec<String>,
}

impl Command for Get {
    const NAME: &'static str = "config:get";
    const SCOPE: Scope = Scope::AppOrServer;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        config::target(&self.owner, &self.words)
    }

    async fn run(self, context: Context) -> CommandResult {
        let (app, names) = config::split(&context, &self.owner, &self.words)?;
        let [name] = names else {
            return Err(CommandError::user("Exactly one key must be given"));
        };
        let key: ConfigKey = name.parse().map_err(CommandError::user)?;
        let config = context.app.store.config(app).await?;
        let Some(value) = config.get(&key) else { return Ok(1) };
        if self.quoted {
            context.console().line(config_export::quote_single(value.expose())).await;
        } else {
            context.console().line(value.expose()).await;
        }
        Ok(0)
    }
}
