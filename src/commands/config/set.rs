//! `config:set`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::config::{self, Owner};
use crate::commands::table::columns;
use crate::commands::{Command, Context, Scope, Target};
use crate::model::config_var::{ConfigKey, ConfigValue, ConfigVars};
use crate::model::role::Role;

/// Sets config vars and restarts the app with them
#[derive(Debug, Args)]
pub struct Set {
    /// Do not restart the app
    #[arg(long)]
    no_restart: bool,
    /// The values are base64
    #[arg(long)]
    encoded: bool,
    #[command(flatten)]
    owner: Owner,
    /// The app, then KEY=VALUE pairs
    #[arg(value_name = "APP] [KEY=VALUE")]
    words: Vec<String>,
}

impl Command for Set {
    const NAME: &'static str = "config:set";
    const SCOPE: Scope = Scope::AppOrServer;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        config::target(&self.owner, &self.words)
    }

    async fn run(self, context: Context) -> CommandResult {
        let (app, pairs) = config::split(&context, &self.owner, &self.words)?;
        if pairs.is_empty() {
            return Err(CommandError::user("At least one env pair must be given")
                .hint("For example: config:set blog RAILS_ENV=production"));
        }
        let set: ConfigVars =
            pairs.iter().map(|pair| parse(pair, self.encoded)).collect::<Result<_, CommandError>>()?;
        let console = context.console();
        console.step("Setting config vars").await;
        let rows: Vec<Vec<String>> =
            set.iter().map(|(key, value)| vec![format!("{key}:"), value.expose().to_owned()]).collect();
        console.detail(columns(&rows)).await;
        config::change(&context, app, set, Vec::new(), !self.no_restart).await?;
        Ok(0)
    }
}

fn parse(pair: &str, encoded: bool) -> Result<(ConfigKey, ConfigValue), CommandError> {
    // The pair may hold a secret, so only what stands before the `=` is ever repeated.
    let (key, value) = pair.split_once('=').ok_or_else(|| {
        CommandError::user(format!("Invalid env pair: {pair}"))
            .hint("Write KEY=VALUE. Over ssh a value with blanks needs quotes twice: \"KEY='a b'\"")
    })?;
    let key: ConfigKey = key.parse().map_err(CommandError::user)?;
    let bytes = if encoded {
        // The decoder's own message is not passed on: it quotes what it found.
        STANDARD.decode(value).map_err(|_| {
            CommandError::user(format!("{key}: the value is not base64"))
                .hint("With --encoded each value is base64 with its padding: printf %s VALUE | base64 -w0")
        })?
    } else {
        value.as_bytes().to_vec()
    };
    let value =
        ConfigValue::from_bytes(bytes).map_err(|error| CommandError::user(format!("{key}: {error}")))?;
    Ok((key, value))
}
