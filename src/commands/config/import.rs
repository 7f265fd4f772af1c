//! `config:import`.

use clap::Args;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::config::{self, Owner};
use crate::commands::{Command, Context, Scope, Target};
use crate::formats::config_import;
use crate::model::config_var::ConfigKey;
use crate::model::role::Role;

/// The largest file that is taken, in bytes.
const LIMIT: usize = 8 << 20;

/// Sets config vars from standard input: an env file or a JSON object
#[derive(Debug, Args)]
pub struct Import {
    /// Do not restart the app
    #[arg(long)]
    no_restart: bool,
    /// Unset all that is not in the file
    #[arg(long)]
    replace: bool,
    #[command(flatten)]
    owner: Owner,
    /// The app, then `-` for standard input, which is read in any case
    #[arg(value_name = "APP] [-")]
    words: Vec<String>,
}

impl Command for Import {
    const NAME: &'static str = "config:import";
    const SCOPE: Scope = Scope::AppOrServer;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        config::target(&self.owner, &self.words)
    }

    async fn run(self, mut context: Context) -> CommandResult {
        let (app, rest) = config::split(&context, &self.owner, &self.words)?;
        if rest.iter().any(|word| word != "-") {
            return Err(CommandError::user("Files are read from standard input")
                .hint("For example: ssh HOST config:import blog - < .env"));
        }
        let text = context.io.read_stdin(LIMIT).await.map_err(CommandError::user)?;
        let set = config_import::import(&text).map_err(CommandError::user)?;
        if set.is_empty() && !self.replace {
            return Err(CommandError::user("There are no config vars on standard input")
                .hint("For example: ssh HOST config:import blog < .env"));
        }
        let unset: Vec<ConfigKey> = if self.replace {
            let present = context.app.store.config(app).await?;
            present.into_keys().filter(|key| !set.contains_key(key)).collect()
        } else {
            Vec::new()
        };
        context.console().step(format!("Importing {} config vars", set.len())).await;
        config::change(&context, app, set, unset, !self.no_restart).await?;
        Ok(0)
    }
}
