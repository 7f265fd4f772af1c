//! `config:export`.

use clap::Args;

use crate::command_error::CommandResult;
use crate::commands::config::{self, Owner, show};
use crate::commands::{Command, Context, Scope, Target};
use crate::formats::config_export::{self, ExportFormat};
use crate::model::role::Role;

/// Prints config vars in a form that other programs read
#[derive(Debug, Args)]
pub struct Export {
    /// exports, envfile, docker-args, docker-args-keys, shell, pretty, json, json-list or pack-keys
    #[arg(long, default_value = "exports")]
    format: ExportFormat,
    /// With the global ones, as the app's processes get them
    #[arg(long)]
    merged: bool,
    #[command(flatten)]
    owner: Owner,
    /// The app
    #[arg(value_name = "APP")]
    words: Vec<String>,
}

impl Command for Export {
    const NAME: &'static str = "config:export";
    const SCOPE: Scope = Scope::AppOrServer;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        config::target(&self.owner, &self.words)
    }

    async fn run(self, context: Context) -> CommandResult {
        let vars = show::read(&context, &self.owner, &self.words, self.merged).await?;
        context.console().line(config_export::export(&vars, self.format)).await;
        Ok(0)
    }
}
