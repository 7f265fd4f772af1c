//! `config:unset` and `config:clear`.

use clap::Args;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::config::{self, Owner};
use crate::commands::{Command, Context, Scope, Target};
use crate::model::config_var::{ConfigKey, ConfigVars};
use crate::model::role::Role;

/// Unsets config vars and restarts the app without them
#[derive(Debug, Args)]
pub struct Unset {
    /// Do not restart the app
    #[arg(long)]
    no_restart: bool,
    #[command(flatten)]
    owner: Owner,
    /// The app, then names of config vars
    #[arg(value_name = "APP] [KEY")]
    words: Vec<String>,
}

impl Command for Unset {
    const NAME: &'static str = "config:unset";
    const SCOPE: Scope = Scope::AppOrServer;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        config::target(&self.owner, &self.words)
    }

    async fn run(self, context: Context) -> CommandResult {
        let (app, names) = config::split(&context, &self.owner, &self.words)?;
        if names.is_empty() {
            return Err(CommandError::user("At least one key must be given"));
        }
        let present = context.app.store.config(app).await?;
        let mut unset = Vec::new();
        for name in names {
            let key: ConfigKey = name.parse().map_err(CommandError::user)?;
            if present.contains_key(&key) {
                context.console().step(format!("Unsetting {key}")).await;
                unset.push(key);
            } else {
                context.console().step(format!("Skipping {key}, it is not set in the environment")).await;
            }
        }
        let restart = !self.no_restart && !unset.is_empty();
        config::change(&context, app, ConfigVars::new(), unset, restart).await?;
        Ok(0)
    }
}

/// Unsets all config vars and restarts the app without them
#[derive(Debug, Args)]
pub struct Clear {
    /// Do not restart the app
    #[arg(long)]
    no_restart: bool,
    #[command(flatten)]
    owner: Owner,
    /// The app
    #[arg(value_name = "APP")]
    words: Vec<String>,
}

impl Command for Clear {
    const NAME: &'static str = "config:clear";
    const SCOPE: Scope = Scope::AppOrServer;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        config::target(&self.owner, &self.words)
    }

    async fn run(self, context: Context) -> CommandResult {
        let (app, rest) = config::split(&context, &self.owner, &self.words)?;
        config::nothing_more(rest)?;
        let unset: Vec<ConfigKey> = context.app.store.config(app).await?.into_keys().collect();
        if unset.is_empty() {
            context.console().step("There are no config vars to unset").await;
        }
        for key in &unset {
            context.console().step(format!("Unsetting {key}")).await;
        }
        let restart = !self.no_restart && !unset.is_empty();
        config::change(&context, app, ConfigVars::new(), unset, restart).await?;
        Ok(0)
    }
}
